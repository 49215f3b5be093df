import ArgumentParser
import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensDrawing
import SDLensSparse
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
    let folder = try training ?? last()
    let parts = URL(fileURLWithPath: folder).standardizedFileURL.pathComponents
    let names = (parts.last ?? "").split(separator: "+").map(String.init)
    // …/training/<block>/<names>: the dictionaries lie in …/saes/<block>/.
    let block = parts.dropLast().last.flatMap { try? BlockName($0) } ?? block
    let dictionaries = try names.map { name in
      let path = "\(workspace.place.dictionaries(of: block))/\(name)"
      return FileManager.default.fileExists(atPath: path) ? try DictionaryFolder(path) : nil
    }
    let figure = try FigureOptions.path(
      output, "training-\(block)-\(names.joined(separator: "+"))", workspace)
    let labels = zip(names, dictionaries).map { $1?.label ?? $0 }
    try TrainingCurves.write(
      log: "\(folder)/log.jsonl", statistics: dictionaries.map { $0?.statistics }, names: labels,
      of: "\(block)", to: figure)
    try report.json
      ? Output.print(json: Result(figure: figure, dictionaries: names)) : Output.print(figure)
  }

  /// The training of the block that was begun last: one that has no dictionary yet, else that of the last dictionary.
  private func last() throws -> String {
    let names = TrainingJob.folders(of: block, in: workspace.place)
    let ordered = names.map { name in
      let orders = name.split(separator: "+").map {
        DictionaryLookup.order(of: String($0), at: block, in: workspace.place) ?? .max
      }
      return (order: orders.max() ?? 0, name: name)
    }
    guard let last = ordered.max(by: { ($0.order, $0.name) < ($1.order, $1.name) }) else {
      throw NoTraining(block: block, workspace: workspace.folder)
    }
    return "\(workspace.place.trainings(of: block))/\(last.name)"
  }
}

/// No training of a block.
struct NoTraining: UserError {
  let block: BlockName
  let workspace: String
  var description: String {
    "no dictionary of \(block) was trained in '\(workspace)'; train one with: sdlens train-sae --block \(block)"
  }
}
