import SDLensDiffusion

/// What features do on prompts that do not activate them (the paper's Fig. 9): a row for each feature, which is added
/// at all places.
public struct TransferFigure: Sendable {
  /// Where the features come from, drawn under their maps; if nil, the recorded pictures in which they are strongest.
  public var source: Scene?
  /// The block.
  public var block: BlockName
  /// The features that are added.
  public var features: [Int]
  /// The prompts that they are added to.
  public var scenes: [Scene]
  /// How strongly, in units of the mean activation of the feature.
  public var strength: Double
  /// The pixels of a cell.
  public var cellWidth = 192

  /// The figure of features on unrelated prompts.
  public init(
    _ features: [Int], of block: BlockName, from source: Scene?, on scenes: [Scene], strength: Double
  ) {
    (self.features, self.block, self.source) = (features, block, source)
    (self.scenes, self.strength) = (scenes, strength)
  }

  /// What is drawn.
  ///
  /// - Throws: `NoExamples`, `NoSuchFeature`, `NeverActive`.
  public func figure(_ renderer: FigureRenderer) throws -> Figure {
    guard let dictionary = renderer.dictionaries[block] else {
      preconditionFailure("no dictionary of \(block)")
    }
    var figure = Figure(
      title: "Features of \(block) on other prompts",
      note: "added at all places, \(strength.label) times their mean activation",
      columns: [source == nil ? "strongest picture" : "from: " + (source?.label ?? "")]
        + scenes.map(\.label), cellWidth: cellWidth)
    figure.rows = [
      Figure.Row(
        "without edits", [Figure.Cell(source.map { Panel($0) })] + scenes.map { Figure.Cell(Panel($0)) })
    ]
    if let source { figure.cite(source) }
    for scene in scenes { figure.cite(scene) }
    let recorded = source == nil ? try RecordedScenes(dictionary) : nil
    for feature in features {
      let origin = try recorded?.strongest(1, of: feature).first
      if let origin { figure.cite(origin, block: block, feature: feature) }
      let shown = (origin ?? source).map { Panel.heat($0, block, feature) }
      let edit = Edit(.add(feature: feature, strength: strength, mask: .everywhere), at: block)
      figure.rows.append(
        Figure.Row(
          dictionary.title(of: feature, at: block),
          [Figure.Cell(shown)] + scenes.map { Figure.Cell(Panel($0, [edit])) }))
    }
    return figure
  }
}
