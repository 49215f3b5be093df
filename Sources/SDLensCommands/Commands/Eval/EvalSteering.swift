import ArgumentParser
import SDLensCore
import SDLensShapes
import SDLensStudy

/// `sdlens eval steering`: whether features make and unmake the values of `shapes`.
struct EvalSteering: ResumableCommand {
  static let configuration = CommandConfiguration(
    commandName: "steering",
    abstract: "Whether features make and unmake the factors of shapes.",
    discussion: """
      For every value of a factor, as in colour red, prompts that the model never saw are run as they are and with \
      that value in place of their own, from the same noise. The features that carry most of what the block then \
      does otherwise are put into the run without the value (on) and taken out of the run with it (off): as a \
      direction at the places of the object, as a map (the mean of their maps in labelled pictures), and as a \
      transplant (their maps of the other run). A small network trained on renders only, the judge, says how likely \
      the value is then. Some pairs of prompts tell which features, the smallest number of them and the strength; \
      others measure.

      Beside them: all features of the dictionary, the whole update, the difference of the means of labelled \
      pictures, random directions and principal components, as many and chosen alike. So each value is steered by \
      few features, spread over more of them, not in the dictionary, or not in the block at all. Elsewhere is the \
      mean absolute change of the picture (0 to 1) off the object, of backgrounds on the objects; kept the share of \
      all else that the prompts say which the judge still sees.

      Unless others are named, every factor is measured at the block that carries it: place at down.2.1, size at \
      mid.0, shape and texture at up.0.0, colour and background at up.0.1. The 95 % intervals are of pictures \
      drawn anew.
      """)

  @OptionGroup var measured: MeasuredOptions

  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp("Whose values. (default: the factors that the blocks carry)", valueName: "factor"))
  var factor: [ShapesWorld.Factor] = []

  @Option(parsing: .unconditional, help: ArgumentHelp("Features of a group, at most.", valueName: "n"))
  var features = 8

  @Option(
    parsing: .unconditional, help: ArgumentHelp("Pairs of prompts that measure each value.", valueName: "n"))
  var pairs = 6

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Pairs of prompts before these that choose for each value.", valueName: "n"))
  var choosing = 6

  @Option(
    help: ArgumentHelp(
      "Store of labelled activations: a name in the workspace, or a folder. (default: the largest that fits, "
        + "else 5000 of the model's own prompts are recorded)",
      valueName: "name"), completion: .directory)
  var store: String?

  @Option(parsing: .unconditional, help: ArgumentHelp("Pictures of the store, at most.", valueName: "n"))
  var pictures = 2000

  @Flag(help: "Print every value with its smallest group.")
  var values = false

  @OptionGroup var judged: JudgedOptions
  @OptionGroup var workspace: WorkspaceOptions
  @OptionGroup var model: ModelOptions
  @OptionGroup var threads: ThreadOptions
  @OptionGroup var report: ReportOptions
  @OptionGroup var quiet: QuietOptions

  func validate() throws {
    try checkOption("features", features, 1...64)
    try checkOption("pairs", pairs, 1...1000)
    try checkOption("choosing", choosing, 1...1000)
    try checkOption("pictures", pictures, 4...1 << 30)
  }

  func run() throws {
    let progress = Progress(quiet: quiet.quiet)
    defer { progress.clear() }
    var job = try SteeringJob(
      of: model.folder(), at: measured.block, factors: factor, dictionaries: measured.sae.sae, store: store,
      limit: judged.limit, seed: judged.seed, in: workspace.place, progress)
    (job.features, job.pairs, job.choosing, job.pictures) = (features, pairs, choosing, pictures)
    let tables = try job.run(command: CommandLine.arguments)
    guard !report.json else { return try Output.print(json: tables) }
    try Output.print(SteeringTable.text(tables, values: values, job.sources))
  }
}

extension ShapesWorld.Factor: ExpressibleByArgument {}
