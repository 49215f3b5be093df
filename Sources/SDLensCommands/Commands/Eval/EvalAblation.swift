import ArgumentParser
import SDLensCore
import SDLensDiffusion
import SDLensStudy

/// `sdlens eval ablation`: what each block carries, on `shapes`.
struct EvalAblation: ResumableCommand {
  static let configuration = CommandConfiguration(
    commandName: "ablation",
    abstract: "What pictures of shapes lose without a block.",
    discussion: """
      Prompts that the model never saw are run as they are, then without the update of each block. A small \
      network trained on renders only, the judge, reads the pictures: the table has the share of its answers \
      that are right, for every object (shape, colour, size, texture) or picture (places, background), and \
      how far pictures change relative to the change between prompt and empty prompt.
      """)

  @Option(
    parsing: .upToNextOption, help: ArgumentHelp("Transformer blocks. (default: all)", valueName: "block"))
  var block: [BlockName] = []

  @OptionGroup var options: PromptStudyOptions

  func run() throws { try options.run(BlockAblation.self, at: block.isEmpty ? nil : Set(block).sorted()) }
}

/// What the studies of single prompts share.
struct PromptStudyOptions: ParsableArguments {
  @OptionGroup var judged: JudgedOptions

  @Option(parsing: .unconditional, help: ArgumentHelp("Denoising steps.", valueName: "n"))
  var steps = 1

  @OptionGroup var workspace: WorkspaceOptions
  @OptionGroup var model: ModelOptions
  @OptionGroup var threads: ThreadOptions
  @OptionGroup var report: ReportOptions
  @OptionGroup var quiet: QuietOptions

  /// Measures and prints.
  func run<Study: PromptStudy>(_ study: Study.Type, at blocks: [BlockName]?) throws {
    let progress = Progress(quiet: quiet.quiet)
    defer { progress.clear() }
    let table = try study.run(
      of: model.folder(), at: blocks, limit: judged.limit, seed: judged.seed, steps: steps,
      in: workspace.place, command: CommandLine.arguments, progress)
    try report.json ? Output.print(json: table) : Output.print(table.text)
  }
}

/// Which prompts are judged.
struct JudgedOptions: ParsableArguments {
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Prompts to take from the model's held-out.txt, at most.", valueName: "n"))
  var limit = 200

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Seed of the noise of the first prompt; the next has the next. (default: 42)", valueName: "n"),
    transform: Seed.init(argument:))
  var seed: Seed = 42

  func validate() throws { try checkOption("limit", limit, 1...1 << 20) }
}
