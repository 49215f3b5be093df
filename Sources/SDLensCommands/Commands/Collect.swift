import ArgumentParser
import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensSparse
import SDLensStudy

/// `sdlens collect`: from prompts to a store of activations.
struct Collect: ResumableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Record what blocks do for many prompts.",
    discussion: """
      Every prompt has a picture, whose seed is --seed plus its number. A store is a folder of safetensors \
      files; what is recorded already is not recorded again. Stopped at any moment, the same command goes on, and \
      the result is the same to the byte. A job can be split: give --shard 1/8 … 8/8 to eight machines and \
      put the files into one folder.
      """)

  /// What can be recorded.
  enum Site: String, CaseIterable, ExpressibleByArgument {
    case update, input, residual, heads

    /// The same as the library knows it; `layer` is that of the heads.
    func recorded(layer: @autoclosure () throws -> Int) rethrows -> RecordedSite {
      switch self {
      case .update: .update
      case .input: .input
      case .residual: .residual
      case .heads: .heads(layer: try layer())
      }
    }
  }

  @OptionGroup var prompts: PromptListOptions

  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp("Transformer blocks. (default: down.2.1 mid.0 up.0.0 up.0.1)", valueName: "block"))
  var block: [BlockName] = []

  @Option(parsing: .unconditional, help: ArgumentHelp("Take the first n prompts only.", valueName: "n"))
  var limit: Int?

  @Option(
    help:
      "The block's update, the residual stream before it (input) or behind it, or the outputs of its cross-attention heads."
  )
  var site = Site.update

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("With --site heads: the layer, from 0. (default: the last)", valueName: "n"))
  var layer: Int?

  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp("Denoising steps of --steps to record, from 0. (default: all)", valueName: "n"))
  var atStep: [Int] = []

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Keep n random places of every map. (default: all)", valueName: "n"))
  var samplePlaces: Int?

  @Option(help: ArgumentHelp("How vectors are stored; float8 has a scale for each.", valueName: "format"))
  var dtype = ActivationManifest.Format.float16

  @Flag(help: "Keep the pictures too.")
  var images = false

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Pictures that run through the U-net together.", valueName: "n"))
  var batch = 4

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Pictures in a shard. (default: what makes about 128 MB)", valueName: "n"))
  var shardSize: Int?

  @Option(help: ArgumentHelp("Make part i of n parts of the job.", valueName: "i/n"))
  var shard: String?

  @Option(
    help: ArgumentHelp(
      "Name of the store in the workspace. (default: the model's, --site and --at-step)", valueName: "name"))
  var name: String?

  @OptionGroup var estimation: EstimateOptions
  @OptionGroup var workspace: WorkspaceOptions
  @OptionGroup var model: ModelOptions
  @OptionGroup var options: RunOptions
  @OptionGroup var threads: ThreadOptions
  @OptionGroup var report: ReportOptions
  @OptionGroup var quiet: QuietOptions

  func validate() throws {
    for (name, value) in [
      ("limit", limit), ("sample-places", samplePlaces), ("batch", batch), ("shard-size", shardSize),
    ] {
      try checkOption(name, value, 1...1 << (name == "sample-places" ? 16 : name == "shard-size" ? 20 : 30))
    }
    if layer != nil && site != .heads { throw ValidationError("--layer belongs to --site heads") }
    if let layer, layer < 0 { throw ValidationError("layer is \(layer), but layers are counted from 0") }
    if let shard, ShardSelection(shard) == nil {
      throw ValidationError("shard is '\(shard)', but it must be i/n with i from 1 to n, as in 3/8")
    }
    try StoreName.check(name)
  }

  func run() throws {
    let folder = try model.folder()
    let progress = Progress(quiet: quiet.quiet)
    let list = try prompts.list(of: folder, limit: limit, progress)
    let present = try folder.blocks
    let blocks = block.isEmpty ? BlockName.studied.filter(present.contains) : block
    let site = try site.recorded(layer: layer ?? folder.lastLayer(of: blocks))
    let request = Collector.Request(
      blocks: blocks, site: site, dtype: dtype, places: samplePlaces,
      atSteps: atStep.isEmpty ? nil : atStep, batch: batch, images: images,
      picturesPerShard: shardSize)
    let settings = try options.settings(of: folder, decodes: images, progress)
    let steps = VectorSteps(
      atStep.isEmpty ? nil : Set(atStep).sorted(), of: try folder.stepCount(settings.steps))
    let job = CollectionJob(
      model: folder, prompts: list, request: request,
      settings: settings,
      store: "\(workspace.place.activations)/\(name ?? "\(folder.folderTitle)-\(site)\(steps.suffix)")",
      part: shard.flatMap(ShardSelection.init) ?? .all)
    if estimation.estimate { return try report.print(job.estimate(progress)) }
    let result = try job.run(progress)
    try report.json ? Output.print(json: result) : Output.print(result.store)
  }
}

extension ActivationManifest.Format: ExpressibleByArgument {}
