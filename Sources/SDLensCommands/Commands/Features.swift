import ArgumentParser
import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensDrawing
import SDLensSparse
import SDLensStudy

/// `sdlens features`: what a prompt activates.
struct Features: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show the features that a prompt, or a picture, activates most.",
    discussion: """
      Strength is the mean of a feature's map over all places (paper, eq. 9), area the share of places where it is \
      active, μ its mean activation where it is, density the share of all recorded places where it is active.

      The picture has a row for each block: the strongest features, as heat maps over the picture, red where they \
      are strongest, uncovered where they are not active.

      A picture of --image is encoded and noised to the first step of the run; the features are those of the U-net's \
      pass on it, with the prompt beside it. With one step and strength 1 little is left of the picture: more is with \
      --steps 4 and --strength 0.5, if the model can take that many. With --invert and --sampler ddim nothing is added: the \
      run has the noise that makes the picture, as found by going back along as many steps.
      """)

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "What the picture shows; may be empty. (default: with --image, empty)", valueName: "text"))
  var prompt: String?

  @Option(
    help: ArgumentHelp(
      "See the features of this picture; without --size the run has its size.", valueName: "file.png"),
    completion: .file(extensions: ["png"]))
  var image: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "How far --image is noised, 0 to 1: to the first of the last ⌊steps · strength⌋ steps. (default: 1, to the "
        + "first step)", valueName: "share"))
  var strength: Double?

  @Flag(
    help: ArgumentHelp(
      "Take --image back to the noise that makes it, instead of adding noise to it, with --sampler ddim: the run comes back "
        + "to the picture."))
  var invert = false

  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp(
      "Transformer blocks. (default: those of the paper's four with dictionaries)", valueName: "block"))
  var block: [BlockName] = []

  @Option(parsing: .unconditional, help: ArgumentHelp("Features of each block.", valueName: "n"))
  var top = 9

  @Option(parsing: .unconditional, help: ArgumentHelp("Denoising step, from 0.", valueName: "n"))
  var atStep = 0

  @Option(
    help: ArgumentHelp(
      "Where the heat maps go: .png, .svg or .pdf. (default: features.png, or the next free of features-2.png, … when "
        + "another run has that)", valueName: "file"), completion: .file(extensions: ["png", "svg", "pdf"]))
  var output: String?

  @OptionGroup var force: ForceOptions

  @Option(help: ArgumentHelp("Colours of the heat maps.", valueName: "map"))
  var colors = ColorMap.jet

  @OptionGroup var sae: SAEOptions
  @OptionGroup var workspace: WorkspaceOptions
  @OptionGroup var model: ModelOptions
  @OptionGroup var decoder: DecoderOptions
  @OptionGroup var options: RunOptions
  @OptionGroup var sizes: SizeOptions
  @OptionGroup var threads: ThreadOptions
  @OptionGroup var report: ReportOptions
  @OptionGroup var quiet: QuietOptions

  func validate() throws {
    guard 1...1000 ~= top else { throw ValidationError("top is \(top), but it must be from 1 to 1000") }
    if prompt == nil && image == nil {
      throw ValidationError(
        "Missing expected argument '--prompt <text>', or a picture with '--image <file.png>'")
    }
    if strength != nil && image == nil {
      throw ValidationError("--strength says how far --image is noised; give a picture with --image")
    }
    if let strength { try InitialImage.validate(strength) }
    if invert && image == nil {
      throw ValidationError("--invert takes a picture back to its noise; give one with --image")
    }
    guard 0..<options.steps ~= atStep else {
      throw ValidationError("at-step is \(atStep), but the run has the steps 0 to \(options.steps - 1)")
    }
    if let output { _ = try DrawingFormat(path: output) }
  }

  /// What is reported.
  struct Result: Encodable {
    let prompt: String
    let image: String?
    let seed: Seed
    let picture: String
    let dictionaries: [String: DictionaryIdentity]
    let features: [ActiveFeature]
  }

  func run() throws {
    let progress = Progress(quiet: quiet.quiet)
    defer { progress.clear() }
    let folder = try model.folder(decoder)
    let prompt = prompt ?? ""
    let input = try image.map {
      try options.settings(
        of: folder, beginningWith: $0, strength: strength ?? 1,
        inversion: invert ? Inversion(of: prompt, guidance: options.guidance) : nil, progress)
    }
    var settings = try input?.settings ?? options.settings(of: folder, progress)
    settings.sizes = try sizes.conditioning(of: folder)
    guard case let steps = try folder.stepCount(settings), atStep < steps else {
      throw BadSetting(
        name: "at-step", found: "\(atStep)",
        needed: "from 0 to \(try folder.stepCount(settings) - 1), the steps that are taken")
    }
    try Canvas.checkFonts()
    let found = try sae.dictionaries(
      named: block, model: folder, in: workspace, acrossSamplers: true, progress)
    let record = try RunRecord(
      of: folder, prompt: prompt, settings: settings, dictionaries: found, request: OutputPlace.request)
    let texts = try record.texts(shows: "heat maps of the strongest features")
    let output = OutputPlace(given: output, default: "features.png", force: force.force) {
      OutputPlace.isFree($0, or: texts)
    }.path
    try AtomicFile.check(output)
    let blocks = found.keys.sorted()
    let step = VectorSteps([try settings.firstStep + atStep], of: try folder.stepCount(settings.steps))
    for dictionary in blocks.compactMap({ found[$0] }) { progress.noteSteps(of: dictionary, usedAt: step) }
    progress.stage("reading the model")
    let laboratory = Laboratory(folder, dictionaries: found)
    progress.noteUnknownWords(of: [prompt], folder)
    if invert { progress.stage("inverting the picture") }
    settings = try laboratory.inverted(settings)
    progress.stage("running")
    let run = try laboratory.run(prompt, settings, watching: blocks, atSteps: [atStep])
    let codes = try blocks.map { try laboratory.codes(of: $0, in: run, step: atStep) }
    let features = zip(blocks, codes).map { block, codes in
      ActiveFeature.strongest(top, in: codes, of: block, found[block]!)
    }
    try draw(
      try input?.picture ?? laboratory.picture(run.trace), blocks, codes, features, settings, laboratory,
      texts, to: output)
    progress.clear()
    let result = Result(
      prompt: prompt, image: settings.image?.title, seed: settings.seed, picture: output,
      dictionaries: Dictionary(uniqueKeysWithValues: found.map { ("\($0)", $1.identity) }),
      features: features.flatMap(\.self))
    try report.json ? Output.print(json: result) : Output.print(text(result))
  }

  private func draw(
    _ picture: Picture, _ blocks: [BlockName], _ codes: [Codes], _ features: [[ActiveFeature]],
    _ settings: RunSettings, _ laboratory: Laboratory, _ texts: [PNGText], to output: String
  ) throws {
    var heat = HeatMap.ofFigures
    heat.colors = colors
    let columns = features.map(\.count).max() ?? 0
    let rows = zip(blocks, features).map { block, features in
      let cells = features.map {
        Grid.Cell(title: "#\($0.feature)", caption: $0.caption ?? "", hasScale: true)
      }
      let empty = Array(repeating: Grid.Cell(), count: columns - features.count)
      return Grid.Row("\(block)", cells: [Grid.Cell(title: "picture")] + cells + empty)
    }
    let grid = Grid(
      title: settings.image?.title ?? prompt.flatMap { $0.isEmpty ? nil : $0 } ?? "the empty prompt",
      note:
        "strongest features of each block; heat maps: activation at each place, each from 0 to its highest\n"
        + (try laboratory.origin(settings)),
      rows: rows, cellWidth: 160, enlargement: .smooth)
    try grid.draw(to: output, text: texts) { row in
      let map = try laboratory.pipeline.mapSize(of: blocks[row], settings)
      let pictures = features[row].map { feature in
        let activations = Tensor(codes[row].map(of: feature.feature), [map.height, map.width])
        let highest = activations.finiteRange.upperBound
        heat.range = 0...highest
        return Grid.Drawing(heat(activations, over: picture), scale: heat.scale(to: highest))
      }
      return [Grid.Drawing(picture)] + pictures + Array(repeating: nil, count: columns - pictures.count)
    }
  }

  private func text(_ result: Result) -> String {
    var table = Table(left: [0, 6], [["Block", "Feature", "Strength", "Area", "μ", "Density", "Caption"]])
    for feature in result.features {
      table.add(
        feature.block, "\(feature.feature)", Units.rounded(feature.strength),
        "\(Units.rounded(feature.area * 100)) %", feature.mean.map { Units.rounded($0) } ?? "–",
        feature.density.map { "\(Units.rounded($0 * 100)) %" } ?? "–", feature.caption ?? "")
    }
    let made = result.dictionaries.keys.sorted().map { "\nDictionary of \($0): \(result.dictionaries[$0]!)" }
    return "\(table.text)\nHeat maps: \(result.picture)\(made.joined())"
  }
}

extension ColorMap: ExpressibleByArgument {}
