import ArgumentParser
import SDLensDiffusion
import SDLensDrawing
import SDLensStudy

/// `sdlens visualize training`.
struct VisualizeTraining: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "training",
    abstract: "How the training of dictionaries went.",
    discussion: """
      Curves of the loss, of both explained variances, of active features per vector and of the features that were \
      not active for 10⁴, 10⁶ and 10⁷ vectors; and how often features are active in the end. They can be drawn while \
      a training runs.
      """)

  @Argument(
    help: ArgumentHelp(
      "The folder of a training, with its log.jsonl. (default: the last of the block)", valueName: "folder"),
    completion: .directory)
  var training: String?

  @Option(help: ArgumentHelp("The transformer block.", valueName: "block"))
  var block = BlockName.studied[0]

  @Option(
    help: ArgumentHelp(
      "The curves: .png, .svg or .pdf. (default: in the workspace's pictures)", valueName: "file"),
    completion: .file(extensions: ["png", "svg", "pdf"]))
  var output: String?

  @OptionGroup var workspace: WorkspaceOptions
  @OptionGroup var report: ReportOptions

  func validate() throws { if let output { _ = try DrawingFormat(path: output) } }

  /// What is reported.
  struct Result: Encodable {
    let figure: String
    let dictionaries: [String]
  }

  func run() throws {
    let training = try TrainingCurves.Training(training, of: block, in: workspace.place)
    let figure = try FigureOptions.path(output, training.name, workspace)
    try training.draw(to: figure)
    try report.json
      ? Output.print(json: Result(figure: figure, dictionaries: training.dictionaries))
      : Output.print(figure)
  }
}
