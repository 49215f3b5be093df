import ArgumentParser
import SDLensCore
import SDLensDiffusion
import SDLensSparse
import SDLensStudy

/// What all ablations share.
struct AblationOptions: ParsableArguments {
  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp("Transformer blocks. (default: \(BlockName.studied[0]))", valueName: "block"))
  var block: [BlockName] = []

  @Option(parsing: .unconditional, help: ArgumentHelp("How often each variant is trained.", valueName: "n"))
  var seeds = 3

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Seed of the first training; the next has the next. (default: 42)", valueName: "n"),
    transform: Seed.init(argument:))
  var seed: Seed = 42

  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp(
      "What is measured: \(AblationMeasure.allCases.map(\.rawValue).joined(separator: ", ")). (default: all)",
      valueName: "measure"))
  var measures: [AblationMeasure] = []

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Features of each dictionary that are measured one by one, at random from those that are active.",
      valueName: "n"))
  var features = 100

  @Option(parsing: .unconditional, help: ArgumentHelp("Pictures to learn from.", valueName: "n"))
  var pictures = 2000

  @Option(
    parsing: .unconditional, help: ArgumentHelp("Pictures to measure on, the next ones.", valueName: "n"))
  var testPictures = 1000

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Steps of a training, instead of the recipe's length.", valueName: "n"))
  var steps: Int?

  @Option(help: "The recipe, as in train-sae. (default: small below 10,000,000 vectors)")
  var recipe: TrainingSettings.Preset?

  @Option(
    help: ArgumentHelp(
      "CLIP: a folder, or a Hugging Face id in the local cache. (default: the model's own, if it has one)",
      valueName: "folder|id"), completion: .directory)
  var clip: String?

  @OptionGroup var prompts: PromptListOptions
  @OptionGroup var workspace: WorkspaceOptions
  @OptionGroup var model: ModelOptions
  @OptionGroup var threads: ThreadOptions
  @OptionGroup var report: ReportOptions
  @OptionGroup var quiet: QuietOptions

  func validate() throws {
    try checkOption("seeds", seeds, 1...1000)
    try checkOption("features", features, 1...1 << 20)
    try checkOption("pictures", pictures, 1...1 << 30)
    try checkOption("test-pictures", testPictures, TooFewPictures.fewest...1 << 30)
    try checkOption("steps", steps, 1...1 << 30)
  }

  /// The blocks.
  var blocks: [BlockName] { block.isEmpty ? [BlockName.studied[0]] : Set(block).sorted() }

  /// Compares variants, writes the results and prints them.
  func run(_ name: String, of variants: [Ablation.Variant]) throws {
    let progress = Progress(quiet: quiet.quiet)
    defer { progress.clear() }
    let folder = try model.folder()
    let list = try prompts.list(of: folder, limit: nil, progress)
    let vectors = pictures * (try folder.vectorsPerPicture(of: blocks))
    // Of no width: the variants say how many features there are.
    var training = (recipe ?? .usual(vectors: vectors)).settings(width: 1)
    if let steps { training.steps = steps }
    try seed.check(seeds)
    var ablation = Ablation(
      name, of: variants, at: blocks, seeds: (0..<seeds).map { seed + $0 }, training: training)
    (ablation.pictures, ablation.testPictures, ablation.features) = (pictures, testPictures, features)
    if !measures.isEmpty { ablation.measures = AblationMeasure.allCases.filter(measures.contains) }
    let found = try ablation.run(
      of: folder, prompts: list, in: workspace.place, clip: clip, command: CommandLine.arguments, progress)
    try report.json ? Output.print(json: found) : Output.print(found.text)
  }
}

extension AblationMeasure: ExpressibleByArgument {}
