import SDLensDiffusion

/// What the strongest features of one prompt do (the paper's Fig. 1 and 5).
///
/// A row for each feature: its map, the picture with the feature ablated and enhanced (A), the feature alone on the
/// empty prompt (B), and the recorded pictures in which it is strongest, under its map (C).
public struct PromptFigure: Sendable {
  /// The prompt.
  public var scene: Scene
  /// The features of each block, strongest first.
  public var features: [(block: BlockName, features: [Int])]
  /// Factors of modulation.
  public var betas = [-6.0, 6]
  /// Strengths on the empty prompt.
  public var gammas = [1.0]
  /// Recorded pictures for each feature.
  public var examples = 2
  /// The pixels of a cell.
  public var cellWidth = 192

  /// The figure of features that a prompt activates.
  public init(_ scene: Scene, features: [(block: BlockName, features: [Int])]) {
    (self.scene, self.features) = (scene, features)
  }

  /// What is drawn.
  ///
  /// - Throws: `NoExamples`, `NeverActive`.
  public func figure(_ renderer: FigureRenderer) throws -> Figure {
    var figure = Figure(
      title: scene.label,
      note:
        "strongest features. A: modulated by β. B: alone on the empty prompt, by γ. "
        + "C: strongest recorded pictures",
      columns: ["heat map"] + betas.map { "A. β = \($0.label)" } + gammas.map { "B. γ = \($0.label)" }
        + (0..<examples).map { "C.\($0)" },
      cellWidth: cellWidth)
    figure.cite(scene)
    let empty = Scene("", scene.settings)
    let without = [Figure.Cell(Panel(scene))] + betas.map { _ in Figure.Cell() }
    figure.rows = [
      Figure.Row("without edits", without + (gammas.isEmpty ? [] : [Figure.Cell(Panel(empty))]))
    ]
    for (block, features) in features {
      guard let dictionary = renderer.dictionaries[block] else {
        preconditionFailure("no dictionary of \(block)")
      }
      let recorded = examples > 0 ? try RecordedScenes(dictionary) : nil
      for feature in features {
        var cells = [Figure.Cell(.heat(scene, block, feature))]
        cells += betas.map {
          Figure.Cell(Panel(scene, [Edit(.modulate(feature: feature, beta: $0), at: block)]))
        }
        cells += gammas.map {
          Figure.Cell(Panel(empty, [Edit(.emptyContext(feature: feature, gamma: $0), at: block)]))
        }
        for example in try recorded?.strongest(examples, of: feature) ?? [] {
          cells.append(Figure.Cell(.heat(example, block, feature)))
          figure.cite(example, block: block, feature: feature)
        }
        figure.rows.append(Figure.Row(dictionary.title(of: feature, at: block), cells))
      }
    }
    return figure
  }
}
