import SDLensDiffusion

/// Features painted on areas of a picture (the paper's Fig. 10): each alone, then all at once.
public struct PaintFigure: Sendable {
  /// A feature on an area.
  public struct Stroke: Sendable {
    /// The feature.
    public var feature: Int
    /// Where it is added.
    public var mask: Mask
    /// What the area is called.
    public var area: String

    /// A feature on an area.
    public init(_ feature: Int, on mask: Mask, called area: String) {
      (self.feature, self.mask, self.area) = (feature, mask, area)
    }
  }

  /// The areas that are painted where nobody says which.
  public static let quarters = ["0,0,0.5,0.5", "0.5,0,1,0.5", "0,0.5,0.5,1", "0.5,0.5,1,1"]

  /// The picture.
  public var scene: Scene
  /// The block.
  public var block: BlockName
  /// What is painted.
  public var strokes: [Stroke]
  /// How strongly, in units of the mean activation of each feature.
  public var strength: Double
  /// The pixels of a cell.
  public var cellWidth = 256

  /// The figure of features painted on a picture.
  public init(_ strokes: [Stroke], of block: BlockName, on scene: Scene, strength: Double) {
    (self.strokes, self.block, self.scene, self.strength) = (strokes, block, scene, strength)
  }

  /// What is drawn.
  public func figure(_ renderer: FigureRenderer) -> Figure {
    guard let dictionary = renderer.dictionaries[block] else {
      preconditionFailure("no dictionary of \(block)")
    }
    var figure = Figure(
      title: scene.label,
      note: "features of \(block) painted on areas, \(strength.label) times their mean activation",
      columns: ["area", "painted", "difference"], cellWidth: cellWidth)
    figure.cite(scene)
    let edits = strokes.map { stroke in
      Edit(.add(feature: stroke.feature, strength: strength, mask: stroke.mask), at: block)
    }
    figure.rows = zip(strokes, edits).map { stroke, edit in
      Figure.Row(
        dictionary.title(of: stroke.feature, at: block),
        [
          Figure.Cell(Panel(scene, look: .area(stroke.mask, block)), caption: stroke.area),
          Figure.Cell(Panel(scene, [edit])), Figure.Cell(Panel(scene, [edit], look: .difference)),
        ])
    }
    let together = strokes.count == 1 ? [] : edits
    if !together.isEmpty {
      figure.rows.append(
        Figure.Row(
          "all of them",
          [
            Figure.Cell(Panel(scene), caption: "without edits"), Figure.Cell(Panel(scene, together)),
            Figure.Cell(Panel(scene, together, look: .difference)),
          ]))
    }
    return figure
  }
}
