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
    /// The lines below the pictures for what their colours mean.
    package var scales: [Box?] = []
  }

  package let width: Int
  package private(set) var bands: [Band] = []
  /// The height of the whole.
  package var height: Int { bands.reduce(0) { $0 + $1.height } }

  private let margin: Double
  private let gap: Double
  private let space: Double
  let textSize: Double
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

    let cells = grid.rows.flatMap(\.cells)
    let texts = grid.columns + cells.flatMap { [$0.title, $0.caption] }
    let isBare = texts.allSatisfy(\.isEmpty) && !cells.contains(where: \.hasScale)
    columnWidth = isBare ? cell.width : max(cell.width, textSize * 4)

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
      beside + columns * columnWidth + (columns - 1) * gap, min(title, textSize * 30).rounded(.up))
    width = Int(content + 2 * margin)

    addHeader(of: grid, content)
    for (index, row) in grid.rows.enumerated() { add(row, index, grid, titleWidth, content) }
    bands.append(Band(y: height, height: Int(margin)))
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
      let placed = PlacedText(text, style, width: content, lines: 12).at(margin, y)
      band.texts.append(placed)
      y += (placed.box.height + space).rounded(.up)
    }
    if !band.texts.isEmpty { y += margin / 2 }
    let (columns, height) = centered(grid.columns, Self.rowStyle(textSize), lines: 5)
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
    let below = y + cell.height + space
    let line = (textSize * 1.35).rounded(.up)
    band.scales = row.cells.enumerated().map { column, texts in
      let left = x(ofColumn: column) + space
      return texts.hasScale ? Box(x: left, y: below, width: columnWidth - 2 * space, height: line) : nil
    }
    if row.cells.contains(where: \.hasScale) { bottom = max(bottom, below + line) }
    let caption = TextStyle(size: textSize, color: .quietInk)
    let (captions, captionHeight) = centered(row.cells.map(\.caption), caption, lines: 4)
    for (caption, scale) in zip(captions, band.scales) where !caption.text.isEmpty {
      band.texts.append(caption.at(caption.box.x, (scale?.bottom ?? below - space) + space))
    }
    if captionHeight > 0 {
      let isBelowScale = zip(captions, band.scales).contains { !$0.text.isEmpty && $1 != nil }
      bottom = max(bottom, below + (isBelowScale ? line + space : 0) + captionHeight + space)
    }
    band.height = Int((bottom + gap).rounded(.up))
    bands.append(band)
  }
}
