import SDLensDiffusion

/// What is lost when a block adds nothing (the paper's Fig. 3): a row for each prompt, a column for each block.
public struct BlocksFigure: Sendable {
  /// The prompts.
  public var scenes: [Scene]
  /// The blocks that are ablated, one at a time.
  public var blocks = BlockName.sdxl
  /// The pixels of a cell.
  public var cellWidth = 160

  /// The figure of some prompts.
  public init(_ scenes: [Scene]) { self.scenes = scenes }

  /// What is drawn.
  public func figure() -> Figure {
    var figure = Figure(
      title: "Each block ablated",
      columns: ["baseline"] + blocks.map(\.description), cellWidth: cellWidth)
    for scene in scenes {
      let ablated = blocks.map { Figure.Cell(Panel(scene, [Edit(.ablate, at: $0)])) }
      figure.rows.append(Figure.Row(scene.label, [Figure.Cell(Panel(scene))] + ablated))
      figure.cite(scene)
    }
    return figure
  }
}
