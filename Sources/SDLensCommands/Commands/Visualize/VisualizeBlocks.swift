import ArgumentParser
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
    try shared.draw("blocks") { job in
      let prompts = try prompt.isEmpty ? job.prompts().instead(of: FigurePrompts.ablation) : prompt
      var figure = BlocksFigure(job.scenes(prompts))
      try job.model.check(block)
      figure.blocks = try block.isEmpty ? job.model.blocks : Set(block).sorted()
      return figure.figure()
    }
  }
}
