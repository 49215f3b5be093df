import ArgumentParser
import SDLensCore
import SDLensDiffusion
import SDLensStudy

/// `sdlens generate`: from a prompt to pictures.
struct Generate: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Make pictures from a prompt.",
    discussion: """
      The path of every picture is printed on standard output; the picture itself carries prompt, seed, model \
      and settings as PNG texts. Several pictures have consecutive seeds, each run alone: the picture of a seed \
      is the same whatever --count says.
      """)

  @Option(
    parsing: .unconditional, help: ArgumentHelp("What the picture shows; may be empty.", valueName: "text"))
  var prompt: String

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("What the picture avoids, with --guidance above 1.", valueName: "text"))
  var negativePrompt: String?

  @OptionGroup var model: ModelOptions
  @OptionGroup var decoder: DecoderOptions
  @OptionGroup var options: RunOptions
  @OptionGroup var sizes: SizeOptions

  @Option(
    help: ArgumentHelp(
      "Begin with this picture instead of noise alone; without --size the result has its size.",
      valueName: "file.png"), completion: .file(extensions: ["png"]))
  var initImage: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "How much of the way is gone again with --init-image, 0 to 1: of the steps the last ⌊steps · strength⌋. "
        + "(default: 0.5; with --invert 1)", valueName: "share"))
  var strength: Double?

  @Flag(
    help: ArgumentHelp(
      "Take --init-image back to the noise that makes it, instead of adding noise to it: with --sampler ddim and enough "
        + "steps, the same prompt makes the picture again, and another changes it."))
  var invert = false

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "With --invert: what --init-image shows; may be empty. (default: --prompt)", valueName: "text"))
  var sourcePrompt: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "With --invert: guidance on the way back; acts above 1. (default: 0)", valueName: "factor"))
  var sourceGuidance: Double?

  @Option(parsing: .unconditional, help: ArgumentHelp("Number of pictures.", valueName: "n"))
  var count = 1

  @Option(
    help: ArgumentHelp(
      "Where the picture goes; of several, each has its seed in the name. (default: picture.png, or the next free of "
        + "picture-2.png, … when another run has that)", valueName: "file.png"),
    completion: .file(extensions: ["png"]))
  var output: String?

  @OptionGroup var force: ForceOptions

  @Option(
    parsing: .upToNextOption, help: ArgumentHelp("Transformer blocks to leave out.", valueName: "block"))
  var ablate: [BlockName] = []

  @Option(
    help: ArgumentHelp(
      "Also write the run's tensors, for comparison in Python.", valueName: "file.safetensors"),
    completion: .file(extensions: ["safetensors"]))
  var tensors: String?

  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp("Transformer blocks whose input and output --tensors keeps.", valueName: "block"))
  var cache: [BlockName] = []

  @OptionGroup var threads: ThreadOptions
  @OptionGroup var report: ReportOptions
  @OptionGroup var quiet: QuietOptions

  func validate() throws {
    guard 1...1_000_000 ~= count else {
      throw ValidationError("count is \(count), but it must be from 1 to 1000000")
    }
    do { try options.seed.check(count) } catch { throw ValidationError("\(error)") }
    if strength != nil && initImage == nil {
      throw ValidationError(
        "--strength says how much --init-image is changed; give a picture with --init-image")
    }
    if let strength { try InitialImage.validate(strength) }
    try checkInversion()
    if !cache.isEmpty && tensors == nil {
      throw ValidationError("--cache says what --tensors keeps; give a file with --tensors")
    }
    _ = try (pictureFiles(output ?? Self.output), tensorFiles)
  }

  func run() throws {
    let folder = try model.folder(decoder)
    try folder.check(ablate + cache)
    let progress = Progress(quiet: quiet.quiet)
    var settings =
      try initImage.map {
        try options.settings(
          of: folder, beginningWith: $0, strength: strength ?? (invert ? 1 : 0.5), inversion: inversion,
          progress
        ).settings
      } ?? options.settings(of: folder, progress)
    settings.sizes = try sizes.conditioning(of: folder)
    let edits = try EditList(ablate.unique.map { Edit(.ablate, at: $0) })
    let record = try RunRecord(of: folder, prompt: prompt, negativePrompt: negativePrompt, settings: settings)
    let place = try OutputPlace(given: output, default: Self.output, force: force.force) { name in
      let files = try pictureFiles(name)
      return try (0..<count).allSatisfy { index in
        let seed = settings.seed + index
        return try OutputPlace.isFree(files[seed], or: try record.texts(seed: seed, edits: edits))
      }
    }
    var job = PictureJob(
      of: folder, prompt, negative: negativePrompt, settings, count: count, edits: edits, record: record,
      to: try pictureFiles(place.path))
    (job.ablated, job.cached, job.tensors) = (ablate.unique, cache.unique, try tensorFiles)
    let result = try job.run(progress) { picture in if !report.json { try Output.print(picture.path) } }
    if report.json { try Output.print(json: result) }
  }

  private var inversion: Inversion? {
    get throws { invert ? try Inversion(of: sourcePrompt ?? prompt, guidance: sourceGuidance ?? 0) : nil }
  }

  private func checkInversion() throws {
    if invert && initImage == nil {
      throw ValidationError("--invert takes a picture back to its noise; give one with --init-image")
    }
    if invert && count > 1 {
      throw ValidationError("--invert adds no noise, so that all seeds make one picture; leave --count out")
    }
    for (isGiven, option) in [(sourcePrompt != nil, "prompt"), (sourceGuidance != nil, "guidance")]
    where isGiven && !invert {
      throw ValidationError("--source-\(option) belongs to --invert; give --invert, or leave it out")
    }
    do { _ = try inversion } catch { throw ValidationError("\(error)") }
  }

  private static let output = "picture.png"

  private func pictureFiles(_ path: String) throws -> OutputFiles {
    try OutputFiles(path, option: "output", ending: "png", count: count)
  }

  private var tensorFiles: OutputFiles? {
    get throws {
      try tensors.map { try OutputFiles($0, option: "tensors", ending: "safetensors", count: count) }
    }
  }
}

extension [BlockName] {
  /// Every block once, where it stood first.
  fileprivate var unique: [BlockName] {
    var seen: Set<BlockName> = []
    return filter { seen.insert($0).inserted }
  }
}
