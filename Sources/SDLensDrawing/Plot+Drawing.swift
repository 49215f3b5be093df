extension Plot {
  /// Draws the plot into a rectangle.
  package func draw(_ layout: PlotLayout, on canvas: Canvas) {
    drawGrid(layout, on: canvas)
    canvas.clipped(to: layout.area) {
      for (index, series) in series.enumerated() {
        switch series.kind {
        case .histogram: drawHistogram(series, color(index), layout, on: canvas)
        case .bars: drawBars(index, layout, on: canvas)
        case .line: drawLine(series, color(index), layout, on: canvas)
        case .points: drawPoints(series, color(index), layout, on: canvas)
        }
      }
    }
    let area = layout.area
    canvas.line(
      [area.corner, Point(area.x, area.bottom), Point(area.right, area.bottom)], .frame, width: 0.8)
    for entry in layout.legend { drawMark(entry, on: canvas) }
    for text in layout.texts { text.draw(on: canvas) }
  }

  private func drawGrid(_ layout: PlotLayout, on canvas: Canvas) {
    let area = layout.area
    func across(_ y: Double, _ color: Color) {
      canvas.line([Point(area.x, y), Point(area.right, y)], color, width: 0.6)
    }
    func down(_ x: Double, _ color: Color) {
      canvas.line([Point(x, area.y), Point(x, area.bottom)], color, width: 0.6)
    }
    if y.scale == .logarithmic {
      for place in Ticks.minor(layout.yScale.range).compactMap({ layout.yScale($0) }) {
        across(place, .faintGridLine)
      }
    }
    if x.scale == .logarithmic {
      for place in Ticks.minor(layout.xScale.range).compactMap({ layout.xScale($0) }) {
        down(place, .faintGridLine)
      }
    }
    for tick in layout.yTicks { across(tick.place, .gridLine) }
    if x.categories.isEmpty { for tick in layout.xTicks { down(tick.place, .gridLine) } }
  }

  /// The pieces between the gaps, each without points that would fall on the same pixels.
  private func drawLine(_ series: Series, _ color: Color, _ layout: PlotLayout, on canvas: Canvas) {
    var piece: [Point] = []
    func finish() {
      if piece.count == 1 { canvas.disc(piece[0], radius: 1.8, color) }
      if piece.count > 1 { canvas.line(Self.thinned(piece), color, width: 1.3) }
      piece = []
    }
    for (x, y) in zip(series.x, series.y) {
      // A point beyond a chosen range still directs the line to it; one without a place interrupts it.
      guard let px = layout.xScale(x), let py = layout.yScale(y) else {
        finish()
        continue
      }
      piece.append(Point(px.clamped, py.clamped))
    }
    finish()
    drawErrors(series, series.x, color, layout, on: canvas)
  }

  /// Of many points in one half-point column, the first, the lowest, the highest and the last.
  package static func thinned(_ points: [Point]) -> [Point] {
    guard points.count > 2_000 else { return points }
    var result: [Point] = []
    var start = 0
    while start < points.count {
      let column = (points[start].x * 2).rounded(.down)
      var end = start
      var (low, high) = (start, start)
      while end < points.count, (points[end].x * 2).rounded(.down) == column {
        if points[end].y < points[low].y { low = end }
        if points[end].y > points[high].y { high = end }
        end += 1
      }
      result += Set([start, low, high, end - 1]).sorted().map { points[$0] }
      start = end
    }
    return result
  }

  private func drawPoints(_ series: Series, _ color: Color, _ layout: PlotLayout, on canvas: Canvas) {
    drawErrors(series, series.x, color, layout, on: canvas)
    var faint = color
    // Where there are many, overlapping ones show how many.
    faint.opacity = series.x.count > 300 ? 0.4 : 0.85
    for (x, y) in zip(series.x, series.y) {
      guard let px = layout.xScale(x), let py = layout.yScale(y) else { continue }
      canvas.disc(Point(px.clamped, py.clamped), radius: series.x.count > 2_000 ? 1.2 : 2, faint)
    }
  }

  private func drawBars(_ index: Int, _ layout: PlotLayout, on canvas: Canvas) {
    let groups = series.indices.filter { series[$0].kind == .bars }
    let width = 0.78 / Double(groups.count)
    let left = -0.39 + Double(groups.firstIndex(of: index) ?? 0) * width
    let bars = series[index]
    for (x, y) in zip(bars.x, bars.y) where y != 0 {
      guard let from = layout.xScale(x + left), let to = layout.xScale(x + left + width) else { continue }
      drawBar(from + 0.4, to - 0.4, y, color(index), layout, on: canvas)
    }
    drawErrors(bars, bars.x.map { $0 + left + width / 2 }, .ink, layout, on: canvas)
  }

  private func drawHistogram(_ series: Series, _ color: Color, _ layout: PlotLayout, on canvas: Canvas) {
    var faint = color
    faint.opacity = self.series.count > 1 ? 0.45 : 0.8
    for (bin, count) in series.y.enumerated() where count != 0 {
      guard let from = layout.xScale(series.x[bin]), let to = layout.xScale(series.x[bin + 1]) else {
        continue
      }
      let seam = to - from > 3 ? 0.3 : 0
      drawBar(from + seam, to - seam, count, faint, layout, on: canvas)
    }
  }

  /// From 0, or the lower end of a logarithmic axis, to a value.
  private func drawBar(
    _ from: Double, _ to: Double, _ value: Double, _ color: Color, _ layout: PlotLayout, on canvas: Canvas
  ) {
    guard let place = layout.yScale(value)?.clamped else { return }
    let base = layout.yScale(y.scale == .logarithmic ? layout.yScale.range.lowerBound : 0)?.clamped
    guard let base else { return }
    canvas.fill(
      Box(x: from.clamped, y: min(base, place), width: to.clamped - from.clamped, height: abs(base - place)),
      color)
  }

  private func drawErrors(
    _ series: Series, _ xs: [Double], _ color: Color, _ layout: PlotLayout, on canvas: Canvas
  ) {
    for (index, error) in series.errors.enumerated() where error.isFinite && error > 0 {
      guard let x = layout.xScale(xs[index])?.clamped,
        let top = layout.yScale(series.y[index] + error)?.clamped
      else { continue }
      // On a logarithmic axis a bar that reaches 0 goes to the end.
      let bottom = layout.yScale(series.y[index] - error)?.clamped
      let low = bottom ?? layout.area.bottom + 10
      canvas.line([Point(x, top), Point(x, low)], color, width: 0.9)
      for y in [top, low] { canvas.line([Point(x - 2.5, y), Point(x + 2.5, y)], color, width: 0.9) }
    }
  }

  private func drawMark(_ entry: PlotLayout.Entry, on canvas: Canvas) {
    let (mark, color) = (entry.mark, color(entry.series))
    switch series[entry.series].kind {
    case .line:
      canvas.line([Point(mark.x, mark.center.y), Point(mark.right, mark.center.y)], color, width: 1.6)
    case .points: canvas.disc(mark.center, radius: 2.4, color)
    case .bars, .histogram:
      canvas.fill(Box(x: mark.x + 3, y: mark.center.y - 3.5, width: mark.width - 6, height: 7), color)
    }
  }
}

extension Double {
  /// Near enough for a drawing library with 24-bit coordinates.
  fileprivate var clamped: Double { Swift.min(100_000, Swift.max(-100_000, self)) }
}
