import ArgumentParser
import SDLensDiffusion
import SDLensStudy

/// `sdlens visualize reconstruction`.
struct VisualizeReconstruction: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "reconstruction",
    abstract: "What a dictionary loses (Fig. 4).",
    discussion: """
      Pictures of random prompts, below them the same with the block's update replaced by what the dictionary makes \
      of it, and the absolute difference. Several blocks have two rows each.
      """)

  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp("What the pictures show. (default: random prompts)", valueName: "text"))
  var prompt: [String] = []

  @Option(parsing: .unconditional, help: ArgumentHelp("How many random prompts.", valueName: "n"))
  var count = 10

  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp("Transformer blocks. (default: down.2.1)", valueName: "block"))
  var block: [BlockName] = []

  @OptionGroup var sae: SAEOptions
  @OptionGroup var shared: SharedFigureOptions

  func validate() throws { try checkOption("count", count, 1...100) }

  func run() throws {
    let blocks = block.isEmpty ? [BlockName.studied[0]] : Set(block).sorted()
    try shared.draw("reconstruction", sae, at: blocks) { job in
      let recorded = job.renderer.dictionaries[blocks[0]]?.pictures
      let prompts = try prompt.isEmpty ? job.prompts(recorded: recorded).random(count) : prompt
      return ReconstructionFigure(job.scenes(prompts), blocks: blocks).figure()
    }
  }
}
