import SDLensCore

/// A labelled table of pictures: column titles, row titles, and texts above and below each picture.
///
/// The texts are known beforehand and give the layout; the pictures are asked for row by row when they are
/// drawn, and a PNG is written as it is drawn, so that only one row is in memory.
///
///     let grid = Grid(columns: ["heat map", "β = −6"], rows: [Grid.Row("#4977", cells: 2)])
///     try grid.write(to: "features.png") { row in [heat[row], without[row]] }
public struct Grid: Sendable {
  /// The texts of one picture; long ones are broken and at last cut.
  public struct Cell: Sendable {
    /// Above the picture, as in `#4977  β = −6`.
    public var title: String
    /// Below it, as a prompt.
    public var caption: String

    /// The texts of a picture.
    public init(title: String = "", caption: String = "") { (self.title, self.caption) = (title, caption) }
  }

  /// The texts of one row.
  public struct Row: Sendable {
    /// Above or beside the row.
    public var title: String
    /// The texts of each picture.
    public var cells: [Cell]

    /// A row of pictures with these texts.
    public init(_ title: String = "", cells: [Cell]) { (self.title, self.cells) = (title, cells) }

    /// A row of pictures without texts.
    public init(_ title: String = "", cells: Int) {
      self.init(title, cells: Array(repeating: Cell(), count: cells))
    }
  }

  /// A scale of colours under the grid, as of the heat maps in it.
  public struct ColorBar: Sendable {
    /// The colours, lowest first.
    public var colors: ColorMap
    /// What the colours mean, and the values at both ends.
    public var label: String
    /// The value of the first colour.
    public var low: String
    /// The value of the last colour.
    public var high: String

    /// A scale from `low` to `high`.
    public init(_ colors: ColorMap, label: String, low: String, high: String) {
      (self.colors, self.label, self.low, self.high) = (colors, label, low, high)
    }
  }

  /// Where the titles of rows stand.
  public enum RowTitles: Sendable { case beside, above }

  /// How pictures smaller than a cell fill it; larger ones always shrink smoothly.
  public enum Enlargement: Sendable {
    /// Each pixel a square of pixels, by the largest whole factor that fits, in the middle of the cell.
    case wholeSteps
    /// Interpolated to the size of the cell.
    case smooth
  }

  /// Above the grid.
  public var title: String
  /// Below the title, smaller.
  public var note: String
  /// Above each column; may be empty.
  public var columns: [String]
  /// The rows from above.
  public var rows: [Row]
  /// The pixels of each cell, across and down.
  public var cellWidth: Int
  /// The pixels of each cell, down.
  public var cellHeight: Int
  /// Where the titles of rows stand.
  public var rowTitles: RowTitles
  /// How small pictures fill their cells.
  public var enlargement: Enlargement
  /// Whether each cell has a thin line around it, for pictures that are white at their edges.
  public var isFramed = false
  /// A scale of colours at the end.
  public var colorBar: ColorBar?
  /// The size of captions in pixels; from the width of the cells if `nil`.
  public var textSize: Double?

  /// A grid; without further arguments of cells of 256 × 256 pixels.
  public init(
    title: String = "", note: String = "", columns: [String] = [], rows: [Row], cellWidth: Int = 256,
    cellHeight: Int? = nil, rowTitles: RowTitles = .beside, enlargement: Enlargement = .wholeSteps,
    colorBar: ColorBar? = nil, textSize: Double? = nil
  ) {
    precondition(cellWidth > 0 && cellHeight ?? 1 > 0, "cells of \(cellWidth) × \(cellHeight ?? cellWidth)")
    (self.title, self.note, self.columns, self.rows) = (title, note, columns, rows)
    (self.cellWidth, self.cellHeight) = (cellWidth, cellHeight ?? cellWidth)
    (self.rowTitles, self.enlargement) = (rowTitles, enlargement)
    (self.colorBar, self.textSize) = (colorBar, textSize)
  }

  /// Writes the grid in the format of the path's ending.
  ///
  /// - Parameters:
  ///   - text: texts that the file keeps, such as the prompt.
  ///   - pictures: the pictures of a row, called once for each in order; `nil` leaves a cell empty. For SVG and
  ///     PDF, Cairo keeps all of them until the end.
  /// - Throws: `PictureError` for another number of pictures than the row has cells, a path of no known format
  ///   or a grid too wide to draw; `FileError` when the folder or the disk does not take the file; and the
  ///   errors of `pictures`.
  public func write(
    to path: String, text: [PNGText] = [], pictures: (_ row: Int) throws -> [Picture?]
  ) throws {
    let layout = GridLayout(self)
    guard try DrawingFormat(path: path) == .png else {
      let size = Size(Double(layout.width), Double(layout.height))
      return try Canvas.write(to: path, size, text: text) { canvas in
        for band in layout.bands {
          try canvas.shifted(to: Point(0, Double(band.y))) { try draw(band, on: canvas, pictures) }
        }
      }
    }
    var bands = layout.bands.makeIterator()
    try PNG.write(width: layout.width, height: layout.height, text: text, to: path) {
      guard let band = bands.next() else { preconditionFailure("more rows asked for than there are") }
      return try Canvas.picture(Size(Double(layout.width), Double(band.height))) {
        try draw(band, on: $0, pictures)
      }.samples
    }
  }

  private func draw(
    _ band: GridLayout.Band, on canvas: Canvas, _ pictures: (_ row: Int) throws -> [Picture?]
  ) throws {
    if let row = band.row {
      let pictures = try pictures(row)
      guard pictures.count == band.cells.count else {
        throw PictureError.wrongCellCount(row: row, found: pictures.count, needed: band.cells.count)
      }
      for (picture, cell) in zip(pictures, band.cells) {
        draw(picture, in: cell, on: canvas)
        if isFramed { canvas.outline(cell, .gridLine) }
      }
    }
    if let bar = band.colorBar, let colorBar {
      let ramp = Tensor((0..<256).map { Float($0) }, [1, 256])
      canvas.draw(colorBar.colors.picture(of: ramp, range: 0...256), in: bar)
    }
    for text in band.texts { text.draw(on: canvas) }
  }

  private func draw(_ picture: Picture?, in cell: Box, on canvas: Canvas) {
    guard let picture, picture.width > 0, picture.height > 0 else {
      canvas.fill(cell, .faintGridLine)
      return
    }
    let factor = min(cellWidth / picture.width, cellHeight / picture.height)
    if enlargement == .wholeSteps, factor >= 1 {
      let picture = picture.enlarged(by: factor)
      canvas.draw(picture, in: Self.box(of: picture.width, picture.height, in: cell))
    } else {
      let scale = min(cell.width / Double(picture.width), cell.height / Double(picture.height))
      let width = max(1, Int((Double(picture.width) * scale).rounded()))
      let height = max(1, Int((Double(picture.height) * scale).rounded()))
      canvas.draw(picture, in: Self.box(of: width, height, in: cell))
    }
  }

  /// The middle of a cell, at whole pixels.
  private static func box(of width: Int, _ height: Int, in cell: Box) -> Box {
    Box(
      x: cell.x + ((cell.width - Double(width)) / 2).rounded(.down),
      y: cell.y + ((cell.height - Double(height)) / 2).rounded(.down), width: Double(width),
      height: Double(height))
  }
}
