import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensDrawing
import SDLensSparse

/// The work that all figures share: a model with dictionaries, the picture and its table of prompts.
public struct FigureJob {
  /// What makes the panels.
  public let renderer: FigureRenderer
  /// Of the runs.
  public let settings: RunSettings
  /// Where the figure goes.
  public let path: String
  /// What makes it.
  public let record: RunRecord
  /// The pixels of a cell; nil for what the figure takes by itself.
  public var cellWidth: Int?
  let progress: any MetricProgress

  /// What is reported.
  public struct Result: Encodable {
    let figure: String
    let promptTable: String
    let prompts: [Figure.Source]

    /// The paths.
    public var text: String { "\(figure)\n\(promptTable)" }
  }

  /// Reads the model.
  ///
  /// - Throws: what is wrong with it.
  public init(
    _ laboratory: Laboratory, _ settings: RunSettings, colors: ColorMap = .jet, record: RunRecord,
    to path: String, _ progress: any MetricProgress
  ) throws {
    (self.settings, self.path, self.record, self.progress) = (settings, path, record, progress)
    progress.stage("reading the model")
    renderer = try FigureRenderer(laboratory)
    renderer.heatMap.colors = colors
  }

  /// The model.
  public var model: ModelFolder { renderer.laboratory.model }

  /// Draws a figure, and writes the table of its prompts beside it.
  ///
  /// - Throws: as `Figure.write`; `FileError`.
  public func draw(_ figure: Figure) throws -> Result {
    var figure = figure
    figure.cellWidth = cellWidth ?? figure.cellWidth
    figure.origin = try renderer.laboratory.origin(settings)
    progress.noteUnknownWords(of: Set(figure.sources.map(\.prompt)).sorted(), model)
    progress.count(to: figure.work, unit: "passes")
    renderer.advance = { [progress] in progress.advance("drawing", by: 1) }
    try figure.write(to: path, renderer, text: record.texts(shows: figure.title))
    let table = (path as NSString).deletingPathExtension + "-prompts.txt"
    let bytes = Array(figure.promptTable.utf8)
    try AtomicFile.write(to: table, byteCount: bytes.count) { try $0.append(bytes) }
    progress.clear()
    return Result(figure: path, promptTable: table, prompts: figure.sources)
  }

  // MARK: What is shown where nobody says it

  /// The prompts that the model shows of itself.
  ///
  /// - Throws: as `FigurePrompts`.
  public func prompts(recorded: RecordedPictures? = nil) throws -> FigurePrompts {
    try FigurePrompts(for: model, recorded: recorded)
  }

  /// Runs of these prompts.
  public func scenes(_ prompts: [String]) -> [Scene] { prompts.map { Scene($0, settings) } }

  /// The strongest features of blocks on a prompt.
  ///
  /// - Throws: as `FigureRenderer.strongest`.
  public func strongest(_ count: Int, on scene: Scene, of blocks: [BlockName]) throws
    -> [(block: BlockName, features: [Int])]
  {
    progress.stage("running the prompt")
    return try renderer.strongest(count, on: scene, of: blocks)
  }

  /// How strongly features of a block are added.
  ///
  /// - Throws: `ActivityUnknown`.
  public func strength(at block: BlockName) throws -> Double {
    guard let dictionary = renderer.dictionaries[block] else {
      preconditionFailure("no dictionary of \(block)")
    }
    return try dictionary.usualStrength
  }

  /// Features whose modulation changes pictures most.
  ///
  /// - Throws: as `EffectiveFeatures.modulated`.
  public func modulated(_ count: Int, of block: BlockName, by beta: Double) throws -> [Int] {
    trying(EffectiveFeatures.tries(for: count))
    return try EffectiveFeatures.modulated(count, of: block, by: beta, renderer)
  }

  /// Features that change pictures, of which at most half have them if there are such.
  ///
  /// - Throws: as `EffectiveFeatures.telling`.
  public func telling(_ count: Int, of block: BlockName) throws -> [Int] {
    trying(EffectiveFeatures.tries(for: count))
    return try EffectiveFeatures.telling(count, of: block, renderer)
  }

  /// Of the strongest features on a prompt those whose addition changes scenes most.
  ///
  /// - Throws: as `EffectiveFeatures.added`.
  public func added(
    _ count: Int, from source: Scene, to scenes: [Scene], of block: BlockName, strength: Double
  ) throws -> [Int] {
    let strong = try strongest(EffectiveFeatures.tries(for: count), on: source, of: [block])[0].features
    trying(strong.count * scenes.count)
    return try EffectiveFeatures.added(
      count, of: strong, to: scenes, of: block, strength: strength, renderer)
  }

  /// Of the strongest features on a prompt for each area the one whose addition there changes a scene most.
  ///
  /// - Throws: as `EffectiveFeatures.added`.
  public func added(
    from source: Scene, to scene: Scene, on areas: [Mask], of block: BlockName, strength: Double
  ) throws -> [Int] {
    let tries = EffectiveFeatures.tries(for: areas.count)
    let strong = try strongest(tries, on: source, of: [block])[0].features
    trying(areas.indices.reduce(0) { $0 + max(0, strong.count - $1) })
    return try EffectiveFeatures.added(
      strong, to: scene, on: areas, of: block, strength: strength, renderer)
  }

  /// Shows how far so many trials of what features do are.
  private func trying(_ count: Int) {
    progress.count(to: count, unit: "features")
    renderer.advance = { [progress] in progress.advance("trying what features do", by: 1) }
  }
}
