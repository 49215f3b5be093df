import SDLensDiffusion

/// What an annotator sees of a feature (the paper's Fig. 11 and App. G).
///
/// From above: pictures without the feature; pictures that activate it by 10 to 90 % of the strongest, and their cold
/// maps; the strongest pictures, their cold maps, and their heat maps.
public struct AnnotationFigure: Sendable {
  /// The block.
  public var block: BlockName
  /// Its features.
  public var features: [Int]
  /// Pictures in a row.
  public var examples = 9
  /// The pixels of a cell.
  public var cellWidth = 128
  /// Whether it says what features mean, where somebody has said so.
  public var isCaptioned = true

  /// The figure of some features of a block.
  public init(_ block: BlockName, features: [Int]) { (self.block, self.features) = (block, features) }

  /// What is drawn.
  ///
  /// - Throws: `NoExamples`, `NoSuchFeature`, `NeverActive`.
  public func figure(_ renderer: FigureRenderer) throws -> Figure {
    guard let dictionary = renderer.dictionaries[block] else {
      preconditionFailure("no dictionary of \(block)")
    }
    let recorded = try RecordedScenes(dictionary)
    var figure = Figure(
      title: "Features of \(block), as an annotator sees them",
      note: "cold maps, each by itself, fade to white where the feature is weak or not active",
      cellWidth: cellWidth)
    for feature in features {
      let title = isCaptioned ? dictionary.title(of: feature, at: block) : "\(block) #\(feature)"
      func row(_ name: String, _ cells: [Figure.Cell]) {
        figure.rows.append(Figure.Row("\(title)\n\(name)", cells))
      }
      let unrelated = try recorded.without(feature, examples) { scene in
        let run = try renderer.laboratory.run(scene.prompt, scene.settings, watching: [block])
        return try renderer.laboratory.codes(of: block, in: run).map(of: feature).allSatisfy { $0 == 0 }
      }
      let shares = (1...examples).map { Double($0) / Double(examples + 1) }
      let steps = try recorded.progression(shares, of: feature)
      let strongest = try recorded.strongest(examples, of: feature)
      func cold(_ scene: Scene) -> Figure.Cell {
        Figure.Cell(Panel(scene, look: .cold(block, feature: feature)))
      }
      // A feature that is active in every recorded picture has none.
      if !unrelated.isEmpty { row("not related", unrelated.map { Figure.Cell(Panel($0)) }) }
      row(
        "from weak to strong",
        steps.map { Figure.Cell(Panel($0.scene), title: "\(Int(($0.share * 100).rounded())) %") })
      row("their cold maps", steps.map { cold($0.scene) })
      row("strongest", strongest.map { Figure.Cell(Panel($0)) })
      row("their cold maps", strongest.map(cold))
      row("their heat maps", strongest.map { Figure.Cell(.heat($0, block, feature)) })
      for scene in unrelated { figure.cite(scene) }
      for scene in steps.map(\.scene) + strongest { figure.cite(scene, block: block, feature: feature) }
    }
    return figure
  }
}
