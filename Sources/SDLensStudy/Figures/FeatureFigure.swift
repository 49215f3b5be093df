import SDLensDiffusion
import SDLensSparse

/// What single features do to pictures that they are strong in (the paper's Fig. 6 to 8).
///
/// For each feature a row for each of some random pictures of its top 5 %: ablated, as it is, its map, enhanced; and
/// a row of the feature alone on the empty prompt.
public struct FeatureFigure: Sendable {
  /// The block.
  public var block: BlockName
  /// Its features.
  public var features: [Int]
  /// Of the run on the empty prompt.
  public var settings: RunSettings
  /// Factors of modulation.
  public var betas = [-6.0, 6]
  /// Strengths on the empty prompt; none for the blocks that hardly act there, as in the paper.
  public var gammas: [Double]
  /// Pictures of each feature.
  public var examples: Int
  /// The pixels of a cell.
  public var cellWidth = 192

  /// The figure of some features of a block, with the paper's settings.
  public init(_ block: BlockName, features: [Int], _ settings: RunSettings) {
    (self.block, self.features, self.settings) = (block, features, settings)
    let isWeakAlone = ["mid.0", "up.0.0"].contains("\(block)")
    (gammas, examples) = isWeakAlone ? ([], 3) : ([0.5, 1, 2], 2)
  }

  /// What is drawn.
  ///
  /// - Throws: `NoExamples`, `NoSuchFeature`, `NeverActive`.
  public func figure(_ renderer: FigureRenderer) throws -> Figure {
    guard let dictionary = renderer.dictionaries[block] else {
      preconditionFailure("no dictionary of \(block)")
    }
    let recorded = try RecordedScenes(dictionary)
    let (lower, upper) = (betas.filter { $0 < 0 }, betas.filter { $0 >= 0 })
    var figure = Figure(
      title: "Features of \(block)",
      note:
        "pictures of the top 5 % of those with the feature, modulated by β; the feature alone on the empty "
        + "prompt, by γ",
      columns: lower.map { "β = \($0.label)" } + ["as it is", "heat map"] + upper.map { "β = \($0.label)" },
      cellWidth: cellWidth)
    if gammas.isEmpty { figure.note = "pictures of the top 5 % of those with the feature, modulated by β" }
    for feature in features {
      let title = dictionary.title(of: feature, at: block)
      for scene in try recorded.top(examples, of: feature) {
        func modulated(_ beta: Double) -> Figure.Cell {
          Figure.Cell(Panel(scene, [Edit(.modulate(feature: feature, beta: beta), at: block)]))
        }
        let middle = [Figure.Cell(Panel(scene)), Figure.Cell(.heat(scene, block, feature))]
        figure.rows.append(Figure.Row(title, lower.map(modulated) + middle + upper.map(modulated)))
        figure.cite(scene, block: block, feature: feature)
      }
      guard !gammas.isEmpty else { continue }
      let empty = Scene("", settings)
      let alone = gammas.map { gamma in
        Figure.Cell(
          Panel(empty, [Edit(.emptyContext(feature: feature, gamma: gamma), at: block)]),
          title: "γ = \(gamma.label)")
      }
      figure.rows.append(
        Figure.Row("\(title)\nalone", [Figure.Cell(Panel(empty), title: "empty prompt")] + alone))
    }
    return figure
  }
}
