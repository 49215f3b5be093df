/// Where everything of a grid stands, in pixels.
package struct GridLayout {
  /// A horizontal slice of the grid; its boxes are measured from its own upper left corner.
  package struct Band {
    package let y: Int
    package var height = 0
    package var texts: [PlacedText] = []
    /// The row whose pictures it shows, and their places.
    package var row: Int?
    package var cells: [Box] = []
    package var colorBar: Box?
  }

  package let width: Int
  package private(set) var bands: [Band] = []
  /// The height of the whole.
  package var height: Int { bands.reduce(0) { $0 + $1.height } }

  private let margin: Double
  private let gap: Double
  private let space: Double
  private let textSize: Double
  /// The left edge of the pictures.
  private let left: Double
  private let cell: Size
  /// At least a few letters, where there are texts; the cell stands in its middle.
  private let columnWidth: Double

  package init(_ grid: Grid) {
    cell = Size(Double(grid.cellWidth), Double(grid.cellHeight))
    textSize = grid.textSize ?? min(40, max(10, (cell.width / 18).rounded()))
    margin = (textSize * 1.4).rounded()
    gap = max(4, (cell.width / 40).rounded())
    space = max(2, (textSize * 0.3).rounded())
    let columns = Double(max(1, grid.columns.count, grid.rows.map(\.cells.count).max() ?? 0))

    let texts = grid.columns + grid.rows.flatMap(\.cells).flatMap { [$0.title, $0.caption] }
    columnWidth = texts.allSatisfy(\.isEmpty) ? cell.width : max(cell.width, textSize * 4)

    var titleWidth = 0.0
    if grid.rowTitles == .beside {
      let most = max(cell.width * 0.8, textSize * 9)
      let style = Self.rowStyle(textSize)
      titleWidth =
        grid.rows.map { min(most, TextLayout($0.title, style).size.width + 1) }.max().map { $0.rounded(.up) }
        ?? 0
      if grid.rows.allSatisfy(\.title.isEmpty) { titleWidth = 0 }
    }
    let beside = titleWidth > 0 ? titleWidth + textSize.rounded() : 0
    left = margin + beside
    let title = TextLayout(grid.title, Self.titleStyle(textSize)).size.width + 1
    let content = max(
      beside + columns * columnWidth + (columns - 1) * gap, min(title, textSize * 30).rounded(.up),
      grid.colorBar == nil ? 0 : textSize * 20)
    width = Int(content + 2 * margin)

    addHeader(of: grid, content)
    for (index, row) in grid.rows.enumerated() { add(row, index, grid, titleWidth, content) }
    addFooter(of: grid, content)
  }

  private static func titleStyle(_ size: Double) -> TextStyle { TextStyle(size: size * 1.25, bold: true) }
  private static func rowStyle(_ size: Double) -> TextStyle { TextStyle(size: size, bold: true) }

  private func x(ofColumn column: Int) -> Double { left + Double(column) * (columnWidth + gap) }

  /// Texts of one line of cells, each at most as wide as the cell, in the middle.
  private func centered(_ texts: [String], _ style: TextStyle, lines: Int) -> (
    texts: [PlacedText], height: Double
  ) {
    var style = style
    style.alignment = .center
    let placed = texts.enumerated().map { column, text in
      let placed = PlacedText(text, style, width: columnWidth, lines: lines)
      return placed.at(x(ofColumn: column) + max(0, (columnWidth - placed.box.width) / 2), 0)
    }
    return (placed, (placed.map(\.box.height).max() ?? 0).rounded(.up))
  }

  private mutating func addHeader(of grid: Grid, _ content: Double) {
    var band = Band(y: 0)
    var y = margin
    let note = TextStyle(size: textSize, color: .quietInk)
    for (text, style) in [(grid.title, Self.titleStyle(textSize)), (grid.note, note)] where !text.isEmpty {
      let placed = PlacedText(text, style, width: content, lines: 6).at(margin, y)
      band.texts.append(placed)
      y += (placed.box.height + space).rounded(.up)
    }
    if !band.texts.isEmpty { y += margin / 2 }
    let (columns, height) = centered(grid.columns, Self.rowStyle(textSize), lines: 3)
    band.texts += columns.filter { !$0.text.isEmpty }.map { $0.at($0.box.x, y + height - $0.box.height) }
    if height > 0 { y += height + space }
    band.height = Int(y.rounded(.up))
    bands.append(band)
  }

  private mutating func add(
    _ row: Grid.Row, _ index: Int, _ grid: Grid, _ titleWidth: Double, _ content: Double
  ) {
    var band = Band(y: height)
    band.row = index
    var y = 0.0
    if grid.rowTitles == .above, !row.title.isEmpty {
      let title = PlacedText(row.title, Self.rowStyle(textSize), width: content, lines: 3).at(margin, space)
      band.texts.append(title)
      y += (title.box.height + 2 * space).rounded(.up)
    }
    let (titles, titleHeight) = centered(row.cells.map(\.title), TextStyle(size: textSize), lines: 2)
    band.texts += titles.filter { !$0.text.isEmpty }.map { $0.at($0.box.x, y + titleHeight - $0.box.height) }
    if titleHeight > 0 { y += titleHeight + space }
    var bottom = y + cell.height
    if grid.rowTitles == .beside, titleWidth > 0, !row.title.isEmpty {
      let lines = max(1, Int(cell.height / (textSize * 1.25)))
      let title = PlacedText(row.title, Self.rowStyle(textSize), width: titleWidth, lines: lines)
      band.texts.append(title.at(margin, y + max(0, (cell.height - title.box.height) / 2)))
      bottom = max(bottom, y + title.box.height.rounded(.up))
    }
    let inset = ((columnWidth - cell.width) / 2).rounded(.down)
    band.cells = row.cells.indices.map { Box(at: Point(x(ofColumn: $0) + inset, y), cell) }
    let caption = TextStyle(size: textSize, color: .quietInk)
    let (captions, captionHeight) = centered(row.cells.map(\.caption), caption, lines: 4)
    band.texts += captions.filter { !$0.text.isEmpty }.map { $0.at($0.box.x, y + cell.height + space) }
    if captionHeight > 0 { bottom = max(bottom, y + cell.height + space + captionHeight + space) }
    band.height = Int((bottom + gap).rounded(.up))
    bands.append(band)
  }

  private mutating func addFooter(of grid: Grid, _ content: Double) {
    var band = Band(y: height)
    var y = 0.0
    if let bar = grid.colorBar {
      y += margin / 2
      let style = TextStyle(size: textSize, color: .quietInk)
      let length = min(content, max(textSize * 20, min(cell.width * 2, textSize * 30))).rounded()
      let x = width > Int(left + length + margin) ? left : margin
      let label = PlacedText(bar.label, style, width: length, lines: 2).at(x, y)
      if !bar.label.isEmpty {
        band.texts.append(label)
        y += (label.box.height + space).rounded(.up)
      }
      band.colorBar = Box(x: x, y: y, width: length, height: (textSize * 0.8).rounded())
      y += (textSize * 0.8).rounded() + space
      let ends = [bar.low, bar.high].map { PlacedText($0, style, width: length / 2 - 4, lines: 1) }
      band.texts += [ends[0].at(x, y), ends[1].at(x + length - ends[1].box.width, y)]
      y += (ends.map(\.box.height).max() ?? 0).rounded(.up)
    }
    band.height = Int((y + margin).rounded(.up))
    bands.append(band)
  }
}
