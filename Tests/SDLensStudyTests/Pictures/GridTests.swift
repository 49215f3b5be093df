import Foundation
import SDLensCore
import SDLensDrawing
import SDLensTestSupport
import Testing

import SDLensStudy

@Suite(.serialized) struct GridTests {
  /// A grid with every kind of text, each an awkward one.
  static func grid(_ text: String, cellWidth: Int = 96, rowTitles: Grid.RowTitles = .beside) -> Grid {
    Grid(
      title: text, note: text, columns: Array(repeating: text, count: 3),
      rows: (0..<3).map { _ in
        Grid.Row(
          text, cells: (0..<3).map { Grid.Cell(title: text, caption: text, hasScale: $0 != 1) })
      },
      cellWidth: cellWidth, rowTitles: rowTitles)
  }

  @Test(arguments: TextLayoutTests.awkward, [16, 96, 300])
  func nothingOverlapsOrIsCutOff(_ text: String, _ cellWidth: Int) {
    for rowTitles in [Grid.RowTitles.beside, .above] {
      let layout = GridLayout(Self.grid(text, cellWidth: cellWidth, rowTitles: rowTitles))
      var top = 0
      for band in layout.bands {
        #expect(band.y == top)
        top += band.height
        let whole = Box(x: 0, y: 0, width: Double(layout.width), height: Double(band.height))
        let boxes = band.texts.map(\.box) + band.cells + band.scales.compactMap { $0 }
        for (index, box) in boxes.enumerated() {
          #expect(whole.contains(box, tolerance: 0.01), "\(box) is not in \(whole)")
          for other in boxes[..<index] where box.overlaps(other, tolerance: 1) {
            Issue.record("\(box) overlaps \(other)")
          }
        }
      }
      #expect(top == layout.height)
    }
  }

  @Test func picturesAreEnlargedByWholeFactors() throws {
    let folder = try TemporaryFolder()
    let grid = Grid(rows: [Grid.Row(cells: 2)], cellWidth: 10)
    let picture = Picture(width: 2, height: 2, samples: [255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 8, 7])
    try grid.write(to: folder("grid.png")) { _ in [picture, nil] }
    let written = try PNG.read(folder("grid.png"))
    let layout = GridLayout(grid)
    #expect(written.width == layout.width && written.height == layout.height)
    let cell = try #require(layout.bands[1].cells.first)
    let (left, top) = (Int(cell.x), Int(cell.y) + layout.bands[1].y)
    for y in 0..<10 {
      for x in 0..<10 {
        let at = (y / 5 * 2 + x / 5) * 3
        #expect(written.pixel(left + x, top + y) == Array(picture.samples[at..<at + 3]), "at \(x), \(y)")
      }
    }
    #expect(
      written.pixel(left - 1, top) == [255, 255, 255] && written.pixel(left + 10, top) == [255, 255, 255])
  }

  /// 3 into 10: by 3, with what is left over at the edges; 20 into 10: shrunk.
  @Test func picturesOfOtherSizesFitTheirCells() throws {
    let folder = try TemporaryFolder()
    let red = SIMD3<UInt8>(200, 0, 0)
    for enlargement in [Grid.Enlargement.wholeSteps, .smooth] {
      let grid = Grid(rows: [Grid.Row(cells: 3)], cellWidth: 10, enlargement: enlargement)
      try grid.write(to: folder("grid.png")) { _ in
        [(3, 3), (20, 20), (40, 10)].map { Picture(red, width: $0, height: $1) }
      }
      let written = try PNG.read(folder("grid.png"))
      let band = GridLayout(grid).bands[1]
      let counts = band.cells.map { cell in
        (0..<100).count { at in
          written.pixel(Int(cell.x) + at % 10, Int(cell.y) + band.y + at / 10) == [200, 0, 0]
        }
      }
      #expect(counts == [enlargement == .smooth ? 100 : 81, 100, 30])
    }
  }

  /// 200 pictures of 512 × 512 (157 MB), each row in the file before the next but one is asked for.
  @Test func largeGridsStream() throws {
    let folder = try TemporaryFolder()
    let cells = (0..<5).map { Grid.Cell(title: "#\($0)", caption: "a prompt of picture \($0)") }
    let grid = Grid(
      title: "200 pictures", rows: (0..<40).map { Grid.Row("row \($0)", cells: cells) }, cellWidth: 512)
    var noise = MersenneTwister(seed: 1)
    let picture = Picture(
      width: 512, height: 512, samples: (0..<512 * 512 * 3).map { _ in UInt8(noise.bits32() & 255) })
    var asked: [Int] = []
    let memory = Memory.resident
    var most = 0
    try grid.write(to: folder("grid.png"), text: [PNGText("prompt", "β")]) { row in
      asked.append(row)
      most = max(most, Memory.resident - memory)
      // What has been drawn is in the file: noise does not shrink, but the five equal pictures do, to one.
      let written = try folder.contents.map { try MappedFile(path: folder($0)).count }.reduce(0, +)
      #expect(written > (row - 1) * 512 * 512 * 3, "\(written) bytes at row \(row)")
      var picture = picture
      picture.samples[0] = UInt8(row)
      return (0..<5).map { _ in picture }
    }
    #expect(asked == Array(0..<40))
    // A row is 5 pictures (4 MB), its surface (7 MB), its samples and filtered samples (10 MB). Other tests of the
    // same process may be at work, so this is printed and not expected.
    if ProcessInfo.processInfo.environment["SDLENS_PRINT_ERRORS"] != nil { print("memory", most >> 20, "MB") }
    #expect(try PNG.text(of: folder("grid.png")) == [PNGText("prompt", "β")])
    let written = try PNG.read(folder("grid.png"))
    let layout = GridLayout(grid)
    #expect(written.width == layout.width && written.height == layout.height)
    for row in [0, 17, 39] {
      let band = layout.bands[row + 1]
      let cell = band.cells[4]
      let corner = written.pixel(Int(cell.x), Int(cell.y) + band.y)
      #expect(corner == [UInt8(row), picture.samples[1], picture.samples[2]])
      #expect(
        written.pixel(Int(cell.x) + 511, Int(cell.y) + band.y + 511) == Array(picture.samples.suffix(3)))
    }
  }

  /// The strip of a scale lies in its line, between the values; a caption without a scale is near its picture.
  @Test func scalesAreDrawnBelowTheirPictures() throws {
    let folder = try TemporaryFolder()
    let grid = Grid(
      rows: [
        Grid.Row(cells: [Grid.Cell(hasScale: true), Grid.Cell(caption: "plain"), Grid.Cell(hasScale: true)])
      ],
      cellWidth: 160)
    let (grey, red) = (SIMD3<UInt8>(90, 90, 90), SIMD3<UInt8>(250, 0, 0))
    let drawing = Grid.Drawing(
      Picture(grey, width: 160, height: 160),
      scale: ColorScale(Picture(red, width: 9, height: 1), low: "0", high: "12.5"))
    try grid.draw(to: folder("grid.png")) { _ in
      [
        drawing, Grid.Drawing(drawing.picture),
        Grid.Drawing(drawing.picture, scale: ColorScale(low: "not active")),
      ]
    }
    let written = try PNG.read(folder("grid.png"))
    let band = GridLayout(grid).bands[1]
    func count(in line: Box, _ fits: ([UInt8]) -> Bool) -> Int {
      (0..<Int(line.width) * Int(line.height)).count { at in
        let (x, y) = (at % Int(line.width), at / Int(line.width))
        return fits(written.pixel(Int(line.x) + x, Int(line.y) + band.y + y))
      }
    }
    let (first, last) = (try #require(band.scales[0]), try #require(band.scales[2]))
    #expect(band.scales[1] == nil)
    #expect(count(in: first) { $0 == [250, 0, 0] } > 300 && count(in: last) { $0 == [250, 0, 0] } == 0)
    #expect(count(in: last) { $0[0] < 150 } > 20, "the text of a scale without colours")
    #expect(band.texts[0].box.y < first.y + 1, "no line is left free above a caption")
  }

  @Test func vectorGridsHoldTheSame() throws {
    let folder = try TemporaryFolder()
    let grid = Self.grid("β = −6 <&>")
    for format in ["svg", "pdf"] {
      try grid.write(to: folder("grid.\(format)")) { row in
        (0..<3).map { Picture(SIMD3(UInt8(row * 50), UInt8($0 * 50), 0), width: 4, height: 4) }
      }
    }
    try expectValid(folder("grid.svg"))
    try expectValid(folder("grid.pdf"))
  }

  @Test func refusals() throws {
    let folder = try TemporaryFolder()
    let grid = Grid(rows: [Grid.Row(cells: 2)], cellWidth: 8)
    let tile = Picture(SIMD3(0, 0, 0), width: 8, height: 8)
    #expect(
      errorMessage { try grid.write(to: folder("a.png")) { _ in [tile] } }
        == "row 0 of the grid has 1 pictures, but 2 are needed; give one for each column")
    let path = folder("a.gif")
    #expect(
      errorMessage { try grid.write(to: path) { _ in [tile, tile] } }
        == "'\(path)' cannot be written: its name ends in no known format; end it in .png, .svg or .pdf")
    let wide = Grid(rows: [Grid.Row(cells: 40)], cellWidth: 1024)
    #expect(
      errorMessage { try wide.write(to: folder("a.png")) { _ in [] } }.contains("at most 32767 are possible"))
    struct Stop: Error {}
    #expect(throws: Stop.self) { try grid.write(to: folder("a.png")) { _ in throw Stop() } }
    #expect(throws: Stop.self) { try grid.write(to: folder("a.svg")) { _ in throw Stop() } }
    #expect(try folder.contents == [], "nothing half written stays")
  }

  @Test func emptyGridsAreDrawn() throws {
    let folder = try TemporaryFolder()
    try Grid(rows: []).write(to: folder("a.png")) { _ in [] }
    try Grid(title: "nothing", rows: [Grid.Row(cells: 0)]).write(to: folder("b.png")) { _ in [] }
    #expect(try PNG.read(folder("b.png")).height > 10)
  }
}
