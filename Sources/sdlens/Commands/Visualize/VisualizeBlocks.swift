import ArgumentParser
import SDLensCore
import SDLensDiffusion
import SDLensStudy

/// `sdlens visualize blocks`.
struct VisualizeBlocks: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "blocks",
    abstract: "What is lost when a block adds nothing (Fig. 3).",
    discussion: """
      A row for each prompt: the picture, then the same with each of the transformer blocks left out, one at a \
      time. No dictionary is needed.
      """)

  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp("What the pictures show. (default: the paper's five prompts)", valueName: "text"))
  var prompt: [String] = []

  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp("Transformer blocks. (default: all)", valueName: "block"))
  var block: [BlockName] = []

  @OptionGroup var shared: SharedFigureOptions

  func run() throws {
    let progress = Progress(quiet: shared.quiet.quiet)
    defer { progress.clear() }
    let job = try FigureJob(shared, name: "blocks", progress) { _ in [:] }
    let prompts = try prompt.isEmpty ? job.prompts().instead(of: FigurePrompts.ablation) : prompt
    var figure = BlocksFigure(job.scenes(prompts))
    try job.folder.check(block)
    figure.blocks = try block.isEmpty ? job.folder.blocks : Set(block).sorted()
    figure.cellWidth = shared.figure.cell ?? figure.cellWidth
    try job.draw(figure.figure())
  }
}
