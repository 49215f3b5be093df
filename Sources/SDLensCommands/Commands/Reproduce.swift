import ArgumentParser
import SDLensCore
import SDLensStudy

/// `sdlens reproduce`: the whole paper, claim by claim.
struct Reproduce: ResumableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Repeat the whole paper, and say claim by claim what holds.",
    discussion: """
      Records prompts, trains dictionaries of the four blocks for every k and size, measures every number of the \
      tables, draws the figures, and writes one page, report.html: each claim with where it stands, our figures with \
      intervals, the paper's, and whether it holds. On shapes it says which claims its making decides, and which are \
      findings. All figures stand in report.json beside it, all pictures in figures/.

      What it will take is estimated first, from some pictures and steps. Stopped at any moment, the same command \
      goes on; a part whose inputs did not change is not done again.

      Parts: \(ReproductionParts.all.map(\.name).joined(separator: ", ")).
      """)

  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp("Do these parts only, and what they need. (default: all)", valueName: "part"))
  var only: [String] = []

  @Flag(help: "Say how long it will take and how much it will write, and stop there.")
  var estimate = false

  @Option(
    help: ArgumentHelp("Where the report goes. (default: report, in the workspace)", valueName: "folder"),
    completion: .directory)
  var output: String?

  @Flag(help: "Go on in a folder that was begun with other settings.")
  var force = false

  @OptionGroup var prompts: PromptListOptions

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Prompts to record at most. (default: 5000 of the model's own, all of --prompts)", valueName: "n"))
  var limit: Int?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Features active in a vector, for each dictionary.", valueName: "n,…"))
  var k = IntList(argument: "5,10,20")!

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Sizes of dictionaries. (default: half the width of a vector, and what train-sae takes: 64,256 on shapes)",
      valueName: "n,…"))
  var features: IntList?

  @Option(
    parsing: .unconditional, help: ArgumentHelp("Steps of training. (default: as train-sae)", valueName: "n"))
  var steps: Int?

  @Option(
    parsing: .unconditional, help: ArgumentHelp("Features of each block that are measured.", valueName: "n"))
  var measured = 50

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Pictures of each feature (default: 10, of locality 2); prompts of what is measured over prompts (default: 100).",
      valueName: "n"))
  var pictures: Int?

  @OptionGroup var encoders: EncoderOptions

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Seed of pictures, order, first weights and choices. (default: 42)", valueName: "n"),
    transform: Seed.init(argument:))
  var seed: Seed = 42

  @OptionGroup var workspace: WorkspaceOptions
  @OptionGroup var model: ModelOptions
  @OptionGroup var threads: ThreadOptions
  @OptionGroup var report: ReportOptions
  @OptionGroup var quiet: QuietOptions

  func validate() throws {
    try checkOption("limit", limit, 1...1 << 30)
    try checkOption("steps", steps, 1...1 << 30)
    try checkOption("measured", measured, 1...1 << 20)
    try checkOption("pictures", pictures, 2...1 << 20)
    for value in k.values { try checkOption("k", value, 1...1 << 20) }
    let most = k.values.max() ?? 1
    for size in features?.values ?? [] { try checkOption("features", size, ConfigFile.sizes) }
    for size in features?.values ?? [] where size < most {
      throw ValidationError("features is \(size), but it must be at least \(most), the largest k")
    }
  }

  func run() throws {
    let progress = Progress(quiet: quiet.quiet)
    defer { progress.clear() }
    let folder = try model.folder()
    var settings = ReproductionSettings()
    if prompts.prompts != nil { settings.prompts = try prompts.list(of: folder, limit: limit, progress) }
    settings.limit = limit ?? settings.limit
    (settings.k, settings.features, settings.steps) = (k.values, features?.values, steps)
    (settings.measured, settings.pictures, settings.seed) = (measured, pictures, seed)
    (settings.clip, settings.lpips, settings.sentences, settings.textures) = (
      encoders.clip, encoders.lpips, encoders.sentences, encoders.textures
    )
    let place = output ?? "\(workspace.folder)/report"
    let isQuiet = quiet.quiet
    let study = try Reproduction(
      folder, settings, in: workspace.place, to: place, progress: progress,
      say: { Progress(quiet: isQuiet).note($0) })
    progress.stage("timing some pictures and steps")
    let expected = try study.estimate(only: only)
    progress.clear()
    guard !estimate else {
      return try report.json ? Output.print(json: expected) : Output.print(expected.table)
    }
    progress.note("To do: \(expected.text)")
    try expected.check(workspace.folder)
    try study.open(replacing: force)
    let found = try study.run(only: only, command: CommandLine.arguments)
    progress.clear()
    try report.json
      ? Output.print(json: found) : Output.print("\(found.summary)\n\(place)/\(ReportPage.fileName)")
  }
}
