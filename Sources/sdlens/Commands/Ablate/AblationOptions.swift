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
    var unique: [Ablation.Variant] = []
    for variant in variants where !unique.contains(variant) { unique.append(variant) }
    var ablation = Ablation(
      name, of: unique, at: blocks, seeds: (0..<seeds).map { seed + $0 }, training: training)
    (ablation.pictures, ablation.testPictures, ablation.features) = (pictures, testPictures, features)
    if !measures.isEmpty { ablation.measures = AblationMeasure.allCases.filter(measures.contains) }
    progress.stage("reading the model")
    let run = try AblationRun(
      ablation, of: folder, prompts: list, in: workspace.place, clip: clip, progress: progress)
    let left = try run.expectation()
    progress.note(
      "\(left.dictionaries) dictionaries: \(left.trainings) to train and \(left.measurements) to measure, "
        + "\(Units.grouped(left.pictures)) pictures to record: about \(Units.time(left.time))")
    let found = try run.report()
    progress.clear()
    var settings = run.settings
    settings["blocks"] = blocks.map(\.description).joined(separator: ", ")
    settings["variants"] = unique.map { "\($0.name) \($0.site)" }.joined(separator: ", ")
    settings["seeds"] = "\(seeds) from \(seed)"
    settings["measures"] = ablation.measures.map(\.rawValue).joined(separator: ", ")
    let results = try ResultFolder("ablate-\(name)", settings: settings, in: workspace.folder)
    try found.write(to: results)
    try results.writeRun(CommandLine.arguments, folder, settings)
    progress.note(
      "'\(results.path)' has the table (CSV, JSON) and plots; the dictionaries are in '\(run.kept.path)'")
    try report.json ? Output.print(json: found) : Output.print(found.text)
  }
}

extension AblationMeasure: ExpressibleByArgument {}

extension ModelFolder {
  /// Vectors of a picture in one step, in the largest of some blocks.
  fileprivate func vectorsPerPicture(of blocks: [BlockName]) throws -> Int {
    let config = try UNetConfig(config("unet"))
    return blocks.map { block in
      let map = config[block].mapSize(latents: (config.sampleSize, config.sampleSize))
      return map.height * map.width
    }.max() ?? 1
  }
}
