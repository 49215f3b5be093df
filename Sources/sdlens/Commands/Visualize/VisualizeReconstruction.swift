import ArgumentParser
import SDLensCore
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
    let progress = Progress(quiet: shared.quiet.quiet)
    defer { progress.clear() }
    let blocks = block.isEmpty ? [BlockName.studied[0]] : Set(block).sorted()
    let job = try FigureJob(shared, name: "reconstruction", progress) { folder in
      try sae.dictionaries(of: blocks, model: folder, in: shared.workspace, progress)
    }
    let recorded = job.darkroom.dictionaries[blocks[0]]?.pictures
    let prompts = try prompt.isEmpty ? job.prompts(recorded: recorded).random(count) : prompt
    var figure = ReconstructionFigure(job.scenes(prompts), blocks: blocks)
    figure.cellWidth = shared.figure.cell ?? figure.cellWidth
    try job.draw(figure.figure())
  }
}
