/// Where everything of a plot stands, in points.
package struct PlotLayout {
  /// An entry of the legend: a mark of the series' colour, then its name.
  struct Entry {
    let series: Int
    let mark: Box
    let name: PlacedText
  }

  /// The rectangle that the axes span.
  package let area: Box
  let xScale: AxisScale
  let yScale: AxisScale
  package let xTicks: [(place: Double, label: PlacedText?)]
  package let yTicks: [(place: Double, label: PlacedText?)]
  private(set) var titles: [PlacedText] = []
  private(set) var legend: [Entry] = []

  /// Every text of the plot.
  package var texts: [PlacedText] {
    titles + legend.map(\.name) + xTicks.compactMap(\.label) + yTicks.compactMap(\.label)
  }

  private static let titleStyle = TextStyle(size: 10.5, bold: true)
  private static let labelStyle = TextStyle(size: 9)
  private static let tickStyle = TextStyle(size: 8, color: .quietInk)
  private static let markWidth = 14.0

  package init(_ plot: Plot, in box: Box) {
    let extent = plot.extent
    // From the top: title, legend.
    var top = box.y
    let title = PlacedText(plot.title, Self.titleStyle, width: box.width, lines: 2)
    if !plot.title.isEmpty { top += title.box.height + 4 }
    let (entries, legendHeight) = Self.legend(
      of: plot, at: Point(box.x, top), width: box.width, most: box.height / 4)
    legend = entries
    top += legendHeight + 6

    // From the bottom: note, label, numbers.
    var bottom = box.bottom
    let note = PlacedText(
      Self.note(of: plot, inLegend: entries.count), Self.tickStyle, width: box.width, lines: 2)
    if !note.text.isEmpty {
      bottom -= note.box.height
      titles.append(note.at(box.x, bottom))
      bottom -= 4
    }
    let xTitle = PlacedText(plot.x.title, Self.labelStyle, width: box.width * 0.8, lines: 1)
    if !plot.x.title.isEmpty { bottom -= xTitle.box.height + 3 }
    let xTitleY = bottom + 3
    let names = Self.names(of: plot.x, width: box.width - 70)
    bottom -= (names.map(\.box.height).max() ?? PlacedText("0", Self.tickStyle).box.height) + 6

    // From the left: label, numbers.
    let height = max(12, bottom - top)
    let yTitle = PlacedText(plot.y.title, Self.labelStyle, width: height, lines: 1, turned: true)
    var left = box.x
    if !plot.y.title.isEmpty { left += yTitle.box.width + 5 }
    let yRange = extent.y
    let yTickList = Self.ticks(of: plot.y, yRange, count: max(2, Int(height / 38)))
    let yLabels = yTickList.map { PlacedText($0.label, Self.tickStyle, width: box.width * 0.3, lines: 1) }
    left += (yLabels.map(\.box.width).max() ?? 0) + 5
    let area = Box(x: left, y: top, width: max(12, box.right - left - 4), height: height)
    self.area = area

    yScale = AxisScale(
      range: yRange, logarithmic: plot.y.scale == .logarithmic, start: area.bottom, end: area.y)
    xScale = AxisScale(
      range: extent.x, logarithmic: plot.x.scale == .logarithmic, start: area.x, end: area.right)
    let (xScale, yScale) = (xScale, yScale)
    yTicks = Self.spread(
      zip(yTickList, yLabels).compactMap { tick, label in
        yScale(tick.value).map { place in
          // A number at the very end may not stand out of the plot.
          let y = min(place - label.box.height / 2, box.bottom - label.box.height)
          return (place, label.at(area.x - 5 - label.box.width, max(box.y, y)))
        }
      }, distance: 2, along: { ($0.y, $0.bottom) })

    if names.isEmpty {
      let ticks = Self.ticks(of: plot.x, extent.x, count: max(2, Int(area.width / 62)))
      xTicks = Self.spread(
        ticks.compactMap { tick in
          let label = PlacedText(tick.label, Self.tickStyle)
          return xScale(tick.value).map { place in
            let x = min(place - label.box.width / 2, box.right - label.box.width)
            return (place, label.at(max(box.x, x), area.bottom + 6))
          }
        }, distance: 5, along: { ($0.x, $0.right) })
    } else {
      xTicks = Self.spread(
        names.enumerated().compactMap { index, label in
          xScale(Double(index)).map { ($0, label.at($0 - label.box.width / 2, area.bottom + 6)) }
        }, distance: 1, along: { ($0.x, $0.right) })
    }

    if !plot.title.isEmpty { titles.append(title.at(box.x, box.y)) }
    if !plot.x.title.isEmpty {
      titles.append(
        xTitle.at(min(area.center.x - xTitle.box.width / 2, box.right - xTitle.box.width), xTitleY))
    }
    if !plot.y.title.isEmpty {
      titles.append(yTitle.at(box.x, area.center.y - yTitle.box.height / 2))
    }
  }

  private static func ticks(of axis: Axis, _ range: ClosedRange<Double>, count: Int) -> [Tick] {
    axis.scale == .linear ? Ticks.linear(range, count: count) : Ticks.logarithmic(range, count: count)
  }

  /// Leaves out the labels that would touch the one before them; the places stay.
  private static func spread(
    _ ticks: [(Double, PlacedText)], distance: Double, along: (Box) -> (Double, Double)
  ) -> [(place: Double, label: PlacedText?)] {
    var taken: [(Double, Double)] = []
    return ticks.map { place, label in
      let (start, end) = along(label.box)
      guard !taken.contains(where: { start < $0.1 + distance && end > $0.0 - distance }) else {
        return (place, nil)
      }
      taken.append((start, end))
      return (place, label)
    }
  }

  /// The names of categories: in up to three lines if no word is broken by that, else upright.
  private static func names(of axis: Axis, width: Double) -> [PlacedText] {
    guard !axis.categories.isEmpty else { return [] }
    let slot = max(1, width / Double(axis.categories.count) - 4)
    var style = tickStyle
    style.alignment = .center
    let wordsFit = axis.categories.allSatisfy { name in
      name.split(whereSeparator: \.isWhitespace).allSatisfy {
        TextLayout(String($0), style).size.width <= slot
      }
        && TextLayout(name, style, width: slot).lineCount <= 3
    }
    return axis.categories.map {
      wordsFit
        ? PlacedText($0, style, width: slot, lines: 3)
        : PlacedText($0, tickStyle, width: 84, lines: 1, turned: true)
    }
  }

  private static func note(of plot: Plot, inLegend entries: Int) -> String {
    let unnamed = plot.series.count { !$0.name.isEmpty } - entries
    let series = unnamed == 0 ? "" : "\(unnamed) more series without room for their names"
    let hidden = plot.hiddenCount
    let count =
      hidden == 0 ? "" : hidden == 1 ? "1 value outside the axes" : "\(hidden) values outside the axes"
    return [plot.note, series, count].filter { !$0.isEmpty }.joined(separator: " · ")
  }

  /// The names of the series in rows, as many as there is room for.
  private static func legend(
    of plot: Plot, at corner: Point, width: Double, most: Double
  ) -> (entries: [Entry], height: Double) {
    let named = plot.series.indices.filter { !plot.series[$0].name.isEmpty }
    guard !named.isEmpty else { return ([], 0) }
    var entries: [Entry] = []
    var (x, y, lineHeight) = (corner.x, corner.y, 0.0)
    for index in named {
      let text = PlacedText(
        plot.series[index].name, tickStyle, width: min(220, width - markWidth - 4), lines: 1)
      let needed = markWidth + 4 + text.box.width
      if x > corner.x, x + needed > corner.x + width {
        (x, y, lineHeight) = (corner.x, y + lineHeight + 2, 0)
      }
      // The first row is always there.
      if y > corner.y, y + text.box.height > corner.y + most { break }
      lineHeight = max(lineHeight, text.box.height)
      let mark = Box(x: x, y: y, width: markWidth, height: text.box.height)
      entries.append(Entry(series: index, mark: mark, name: text.at(x + markWidth + 4, y)))
      x += needed + 12
    }
    return (entries, (entries.map(\.name.box.bottom).max() ?? corner.y) - corner.y)
  }
}
