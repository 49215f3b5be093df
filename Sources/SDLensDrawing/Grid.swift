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
    /// Whether there is a line between picture and caption for what the colours mean.
    public var hasScale: Bool

    /// The texts of a picture.
    public init(title: String = "", caption: String = "", hasScale: Bool = false) {
      (self.title, self.caption, self.hasScale) = (title, caption, hasScale)
    }
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

  /// A picture, and what its colours mean; the latter is drawn where the cell has a line for it.
  public struct Drawing: Sendable, Equatable {
    /// What is shown.
    public var picture: Picture
    /// The meaning of its colours.
    public var scale: ColorScale?

    /// A picture with a scale.
    public init(_ picture: Picture, scale: ColorScale? = nil) {
      (self.picture, self.scale) = (picture, scale)
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
  /// The size of captions in pixels; from the width of the cells if `nil`.
  public var textSize: Double?

  /// A grid; without further arguments of cells of 256 × 256 pixels.
  public init(
    title: String = "", note: String = "", columns: [String] = [], rows: [Row], cellWidth: Int = 256,
    cellHeight: Int? = nil, rowTitles: RowTitles = .beside, enlargement: Enlargement = .wholeSteps,
    textSize: Double? = nil
  ) {
    precondition(cellWidth > 0 && cellHeight ?? 1 > 0, "cells of \(cellWidth) × \(cellHeight ?? cellWidth)")
    (self.title, self.note, self.columns, self.rows) = (title, note, columns, rows)
    (self.cellWidth, self.cellHeight) = (cellWidth, cellHeight ?? cellWidth)
    (self.rowTitles, self.enlargement) = (rowTitles, enlargement)
    self.textSize = textSize
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
    try draw(to: path, text: text) { row in try pictures(row).map { $0.map { Drawing($0) } } }
  }

  /// Writes the grid, each picture with what its colours mean; as `write`.
  public func draw(
    to path: String, text: [PNGText] = [], _ drawings: (_ row: Int) throws -> [Drawing?]
  ) throws {
    try Canvas.checkFonts()
    let layout = GridLayout(self)
    guard try DrawingFormat(path: path) == .png else {
      let size = Size(Double(layout.width), Double(layout.height))
      return try Canvas.write(to: path, size, text: text) { canvas in
        for band in layout.bands {
          try canvas.shifted(to: Point(0, Double(band.y))) {
            try draw(band, of: layout, on: canvas, drawings)
          }
        }
      }
    }
    var bands = layout.bands.makeIterator()
    try PNG.write(width: layout.width, height: layout.height, text: text, to: path) {
      guard let band = bands.next() else { preconditionFailure("more rows asked for than there are") }
      return try Canvas.picture(Size(Double(layout.width), Double(band.height))) {
        try draw(band, of: layout, on: $0, drawings)
      }.samples
    }
  }

  private func draw(
    _ band: GridLayout.Band, of layout: GridLayout, on canvas: Canvas,
    _ drawings: (_ row: Int) throws -> [Drawing?]
  ) throws {
    if let row = band.row {
      let drawings = try drawings(row)
      guard drawings.count == band.cells.count else {
        throw PictureError.wrongCellCount(row: row, found: drawings.count, needed: band.cells.count)
      }
      for (index, drawing) in drawings.enumerated() {
        guard let drawing else { continue }
        draw(drawing.picture, in: band.cells[index], on: canvas)
        if isFramed { canvas.outline(band.cells[index], .frame, width: 0.5) }
        if let line = band.scales[index] {
          drawing.scale?.draw(in: line, textSize: layout.textSize, on: canvas)
        }
      }
    }
    for text in band.texts { text.draw(on: canvas) }
  }

  private func draw(_ picture: Picture, in cell: Box, on canvas: Canvas) {
    guard picture.width > 0, picture.height > 0 else { return }
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
