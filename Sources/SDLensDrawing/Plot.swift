import SDLensCore

/// A plot of numbers: lines, dots, bars or histograms over two axes.
///
///     var plot = Plot(title: "Loss", x: Axis("steps"), y: Axis("loss", scale: .logarithmic))
///     plot.series = [.line("down.2.1", y: losses)]
///     try plot.write(to: "loss.pdf")
public struct Plot: Sendable {
  /// Above the plot.
  public var title: String
  /// The axis from left to right.
  public var x: Axis
  /// The axis from below to above.
  public var y: Axis
  /// What is drawn, the last on top.
  public var series: [Series]
  /// A line below the plot; how many values have no place on the axes is added to it.
  public var note: String

  /// A plot of series over two axes.
  public init(
    title: String = "", x: Axis = Axis(), y: Axis = Axis(), series: [Series] = [], note: String = ""
  ) {
    (self.title, self.x, self.y, self.series, self.note) = (title, x, y, series, note)
  }

  /// Writes the plot in the format of the path's ending: the same bytes for the same plot.
  ///
  /// - Parameters:
  ///   - size: in points, at least 120 × 100.
  ///   - scale: pixels a point in a PNG.
  ///   - text: texts that the file keeps.
  /// - Throws: `PictureError` for a path of no known format or a plot too large to draw; `FileError` when the
  ///   folder or the disk does not take the file.
  public func write(
    to path: String, size: Size = Size(400, 270), scale: Double = 2, text: [PNGText] = []
  ) throws {
    try PlotPage(plots: [self], columns: 1, plotSize: size).write(to: path, scale: scale, text: text)
  }

  /// The colour of a series.
  func color(_ index: Int) -> Color {
    series[index].color ?? Color.palette[index % Color.palette.count]
  }

  /// The values on each axis, which its ends are chosen for.
  var extent: (x: ClosedRange<Double>, y: ClosedRange<Double>) {
    var (xs, ys): ([Double], [Double]) = ([], [])
    for series in series {
      let edges = series.kind == .histogram
      for (index, value) in series.y.enumerated() where y.shows(value) {
        let sides = edges ? [series.x[index], series.x[index + 1]] : [series.x[index]]
        guard sides.allSatisfy(x.shows) else { continue }
        xs += sides
        ys.append(value)
        if index < series.errors.count {
          ys += [value - series.errors[index], value + series.errors[index]].filter(y.shows)
        }
      }
    }
    let fromZero = series.contains { $0.kind == .bars || $0.kind == .histogram }
    if fromZero && !ys.isEmpty && y.scale == .linear { ys.append(0) }
    if x.categories.isEmpty, let most = series.filter({ $0.kind == .bars }).map(\.y.count).max(), most > 0 {
      xs += [-0.5, Double(most) - 0.5]
    }
    let edges = !series.isEmpty && series.allSatisfy { $0.kind == .histogram || $0.kind == .bars }
    return (x.range(of: xs, margin: edges ? 0 : 0.03), y.range(of: ys, margin: 0.06))
  }

  /// How many values have no place on the axes, without the gaps of lines.
  package var hiddenCount: Int {
    series.reduce(0) { count, series in
      guard series.kind != .histogram else { return count }
      return count
        + zip(series.x, series.y).filter { x, y in
          !(self.x.shows(x) && self.y.shows(y)) && !(series.kind == .line && y.isNaN)
            && !(series.kind == .bars && y == 0)
        }.count
    }
  }
}
