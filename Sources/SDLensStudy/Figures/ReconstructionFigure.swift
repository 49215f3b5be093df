import SDLensDiffusion

/// What a dictionary loses (the paper's Fig. 4): pictures, the same with a block's update replaced by its
/// reconstruction, and the difference.
public struct ReconstructionFigure: Sendable {
  /// The prompts, one a column.
  public var scenes: [Scene]
  /// The blocks whose updates are replaced, one at a time.
  public var blocks: [BlockName]
  /// The pixels of a cell.
  public var cellWidth = 160

  /// The figure of some prompts and blocks.
  public init(_ scenes: [Scene], blocks: [BlockName]) { (self.scenes, self.blocks) = (scenes, blocks) }

  /// What is drawn.
  public func figure() -> Figure {
    var figure = Figure(
      title: "Updates replaced by their reconstructions", cellWidth: cellWidth)
    figure.rows = [Figure.Row("original", scenes.map { Figure.Cell(Panel($0), caption: $0.label) })]
    for block in blocks {
      let edits = [Edit(.reconstruct, at: block)]
      figure.rows += [
        Figure.Row("\(block) reconstructed", scenes.map { Figure.Cell(Panel($0, edits)) }),
        Figure.Row("difference", scenes.map { Figure.Cell(Panel($0, edits, look: .difference)) }),
      ]
    }
    for scene in scenes { figure.cite(scene) }
    return figure
  }
}
