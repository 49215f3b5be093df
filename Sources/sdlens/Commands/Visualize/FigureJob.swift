import ArgumentParser
import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensSparse
import SDLensStudy

/// The work that all figures share: model, dictionaries, the picture and its table of prompts.
struct FigureJob {
  let folder: ModelFolder
  let darkroom: Darkroom
  let settings: RunSettings
  let path: String
  let record: RunRecord
  private let shared: SharedFigureOptions
  private let progress: Progress

  /// What is reported.
  struct Result: Encodable {
    let figure: String
    let promptTable: String
    let prompts: [Figure.Source]
  }

  /// Reads model and dictionaries.
  ///
  /// - Parameter dictionaries: finds those that are needed.
  init(
    _ shared: SharedFigureOptions, name: String, _ progress: Progress,
    dictionaries: (ModelFolder) throws -> [BlockName: DictionaryFolder]
  ) throws {
    (self.shared, self.progress) = (shared, progress)
    folder = try shared.model.folder(shared.decoder)
    settings = try shared.options.settings(of: folder, progress)
    let found = try dictionaries(folder)
    record = try RunRecord(of: folder, settings: settings, dictionaries: found, request: OutputPlace.request)
    path = try FigureOptions.path(shared.figure.output, name, shared.workspace, shared.force.force, record)
    progress.stage("reading the model")
    darkroom = try Darkroom(Laboratory(folder, dictionaries: found))
    darkroom.heatMap.colors = shared.figure.colors
  }

  /// The prompts that the model shows of itself.
  func prompts(recorded: RecordedPictures? = nil) throws -> FigurePrompts {
    try FigurePrompts(for: folder, recorded: recorded)
  }

  /// Runs of these prompts.
  func scenes(_ prompts: [String]) -> [Scene] { prompts.map { Scene($0, settings) } }

  /// The strongest features of blocks on a prompt.
  func strongest(_ count: Int, on scene: Scene, of blocks: [BlockName]) throws
    -> [(block: BlockName, features: [Int])]
  {
    progress.stage("running the prompt")
    return try darkroom.strongest(count, on: scene, of: blocks)
  }

  /// Shows how far so many trials of what features do are.
  func trying(_ count: Int) {
    progress.count(to: count, unit: "features")
    darkroom.advance = { progress.advance("trying what features do") }
  }

  /// Draws a figure, and reports it.
  func draw(_ figure: Figure) throws {
    var figure = figure
    figure.origin = try darkroom.laboratory.origin(settings)
    progress.noteUnknownWords(of: Set(figure.sources.map(\.prompt)).sorted(), folder)
    progress.count(to: figure.work, unit: "passes")
    darkroom.advance = { progress.advance("drawing") }
    try figure.write(to: path, darkroom, text: record.texts(shows: figure.title))
    let table = (path as NSString).deletingPathExtension + "-prompts.txt"
    let bytes = Array(figure.promptTable.utf8)
    try AtomicFile.write(to: table, byteCount: bytes.count) { try $0.append(bytes) }
    progress.clear()
    guard !shared.report.json else {
      return try Output.print(json: Result(figure: path, promptTable: table, prompts: figure.sources))
    }
    try Output.print("\(path)\n\(table)")
  }
}

/// The options of every figure that is made by a model.
struct SharedFigureOptions: ParsableArguments {
  @OptionGroup var figure: FigureOptions
  @OptionGroup var force: ForceOptions
  @OptionGroup var workspace: WorkspaceOptions
  @OptionGroup var model: ModelOptions
  @OptionGroup var decoder: DecoderOptions
  @OptionGroup var options: RunOptions
  @OptionGroup var threads: ThreadOptions
  @OptionGroup var report: ReportOptions
  @OptionGroup var quiet: QuietOptions
}

extension NumberList {
  /// A list of given values.
  init(_ values: [Double]) { self.values = values }

  /// Refuses what no edit can have.
  func check(_ operation: (Double) -> Edit.Operation) throws {
    do {
      for value in values { _ = try EditList([Edit(operation(value), at: BlockName.studied[0])]) }
    } catch let problem as EditError {
      throw ValidationError(problem.description)
    }
  }
}
