import SDLensCore

/// Several plots on one page, in rows, as the curves of one training.
public struct PlotPage: Sendable {
  /// Above all plots.
  public var title: String
  /// In reading order.
  public var plots: [Plot]
  /// How many plots stand side by side.
  public var columns: Int
  /// The size of each plot, in points.
  public var plotSize: Size

  /// A page of plots in reading order.
  public init(
    title: String = "", plots: [Plot], columns: Int = 2, plotSize: Size = Size(320, 220)
  ) {
    precondition(columns > 0, "a page needs columns")
    precondition(plotSize.width >= 120 && plotSize.height >= 100, "\(plotSize) is too small for a plot")
    (self.title, self.plots, self.columns, self.plotSize) = (title, plots, columns, plotSize)
  }

  /// Writes the page in the format of the path's ending; as `Plot.write`.
  public func write(to path: String, scale: Double = 2, text: [PNGText] = []) throws {
    try Canvas.checkFonts()
    let layout = PlotPageLayout(self)
    try Canvas.write(to: path, layout.size, scale: scale, text: text) { canvas in
      layout.title?.draw(on: canvas)
      for (plot, place) in zip(plots, layout.plots) { plot.draw(place, on: canvas) }
    }
  }
}

/// Where the plots of a page stand, in points.
package struct PlotPageLayout {
  private static let margin = 12.0
  private static let gap = 22.0

  package let size: Size
  let title: PlacedText?
  package let plots: [PlotLayout]

  package init(_ page: PlotPage) {
    let columns = max(1, min(page.columns, page.plots.count))
    let rows = (page.plots.count + columns - 1) / columns
    let width = Double(columns) * page.plotSize.width + Double(columns - 1) * Self.gap
    var top = Self.margin
    let style = TextStyle(size: 13, bold: true)
    title =
      page.title.isEmpty
      ? nil : PlacedText(page.title, style, width: width, lines: 3).at(Self.margin, Self.margin)
    if let title { top = (title.box.bottom + 12).rounded(.up) }
    plots = page.plots.enumerated().map { index, plot in
      let x = Self.margin + Double(index % columns) * (page.plotSize.width + Self.gap)
      let y = top + Double(index / columns) * (page.plotSize.height + Self.gap)
      return PlotLayout(plot, in: Box(at: Point(x, y), page.plotSize))
    }
    let height = Double(rows) * page.plotSize.height + Double(max(0, rows - 1)) * Self.gap
    size = Size(width + 2 * Self.margin, top + height + Self.margin)
  }
}
