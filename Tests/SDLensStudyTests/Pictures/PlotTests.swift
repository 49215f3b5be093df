import Foundation
import SDLensCore
import SDLensDrawing
import SDLensTestSupport
import Testing

import SDLensStudy

@Suite struct PlotTests {
  static let hostile: [Double] = [
    .nan, .infinity, -.infinity, 0, -1, Double(bitPattern: 99), 1e308, -1e308, .leastNonzeroMagnitude,
    .greatestFiniteMagnitude, 1,
  ]

  /// Plots that are hard to scale, by name.
  static let plots: [(String, Plot)] = {
    let data: [(String, [Double])] = [
      ("empty", []), ("one", [3]), ("constant", [2, 2, 2]), ("zeros", [0, 0]),
      ("gaps", [1, .nan, 3, .nan, 2, 4]),
      ("nothing", [.nan, .nan]), ("infinite", [1, .infinity, 2, -.infinity]), ("hostile", hostile),
      ("large", [1e9, 1e9 + 1]), ("small", [1e-9, 2e-9]), ("negative", [-5, -2, -9]),
      ("many", (0..<5000).map { sin(Double($0) / 100) }),
    ]
    return data.flatMap { name, values -> [(String, Plot)] in
      [Axis.Scale.linear, .logarithmic].flatMap { scale -> [(String, Plot)] in
        let y = Axis("value", unit: "nats", scale: scale)
        let errors = values.map { abs($0) / 2 }
        let indices = values.indices.map(Double.init)
        return [
          ("\(name) line", Plot(title: name, x: Axis("step"), y: y, series: [.line("a", y: values)])),
          (
            "\(name) points",
            Plot(
              x: Axis("x", scale: scale), y: y, series: [.points("b", x: values, y: indices, errors: errors)])
          ),
          (
            "\(name) bars",
            Plot(title: name, y: y, series: [.bars("c", y: values, errors: errors), .bars(y: values)])
          ),
          (
            "\(name) histogram",
            Plot(
              x: Axis("x", scale: scale),
              series: [.histogram("d", of: Histogram(values, bins: 7, scale: scale))])
          ),
        ]
      }
    }
  }()

  private static func expectGood(_ layout: PlotLayout, in box: Box, _ name: String) {
    let boxes = layout.texts.filter { !$0.text.isEmpty }
    for (index, text) in boxes.enumerated() {
      #expect(box.contains(text.box, tolerance: 1), "\(name): '\(text.text)' at \(text.box) is not in \(box)")
      #expect(!layout.area.overlaps(text.box, tolerance: 1), "\(name): '\(text.text)' is over the data")
      for other in boxes[..<index] where text.box.overlaps(other.box, tolerance: 0.5) {
        Issue.record("\(name): '\(text.text)' overlaps '\(other.text)'")
      }
    }
    #expect(layout.area.width >= 12 && layout.area.height >= 12)
  }

  @Test(arguments: plots) func anyNumbersAreDrawn(_ name: String, _ plot: Plot) throws {
    for size in [Size(320, 220), Size(160, 130)] {
      let box = Box(at: Point(12, 12), size)
      let layout = PlotLayout(plot, in: box)
      Self.expectGood(layout, in: box, name)
      let picture = try Canvas.picture(Size(size.width + 24, size.height + 24)) { plot.draw(layout, on: $0) }
      #expect(picture.samples.contains { $0 < 200 })
    }
  }

  @Test(arguments: TextLayoutTests.awkward) func anyTextsAreDrawn(_ text: String) {
    let plot = Plot(
      title: text, x: Axis(text, unit: text), y: Axis(text),
      series: (0..<12).map { .line("\($0) \(text)", y: [1, 2]) }, note: text)
    let box = Box(x: 0, y: 0, width: 320, height: 260)
    Self.expectGood(PlotLayout(plot, in: box), in: box, text)
    let bars = Plot(
      x: Axis(categories: Array(repeating: text, count: 5)), series: [.bars(y: [1, 2, 3, 4, 5])])
    Self.expectGood(PlotLayout(bars, in: box), in: box, text)
  }

  @Test func manyCategoriesAreThinned() {
    let names = (0..<200).map { "category \($0)" }
    let plot = Plot(x: Axis(categories: names), series: [.bars(y: names.indices.map(Double.init))])
    let box = Box(x: 0, y: 0, width: 320, height: 220)
    let layout = PlotLayout(plot, in: box)
    Self.expectGood(layout, in: box, "many")
    #expect((5..<60).contains(layout.xTicks.count { $0.label != nil }))
  }

  @Test func whatIsNotShownIsSaid() {
    let plot = Plot(y: Axis(scale: .logarithmic), series: [.line(y: [1, 0, .nan, .infinity, -1, 2])])
    let layout = PlotLayout(plot, in: Box(x: 0, y: 0, width: 320, height: 220))
    #expect(layout.texts.contains { $0.text == "3 values outside the axes" })
    let complete = Plot(series: [.line(y: [1, .nan, 2])])
    #expect(complete.hiddenCount == 0)
  }

  @Test func linearTicksAreRound() {
    #expect(Ticks.linear(0...1, count: 5).map(\.label) == ["0", "0.2", "0.4", "0.6", "0.8", "1.0"])
    #expect(
      Ticks.linear(-3...9, count: 4).map(\.label) == ["−2.5", "0", "2.5", "5.0", "7.5"])
    #expect(Ticks.linear(0...10_000_000, count: 4).map(\.label) == ["0", "2.5M", "5.0M", "7.5M", "10.0M"])
    #expect(Ticks.linear(0...40_000, count: 4).map(\.label) == ["0", "10k", "20k", "30k", "40k"])
    #expect(Ticks.linear(0...4e-5, count: 4).map(\.label) == ["0", "1×10⁻⁵", "2×10⁻⁵", "3×10⁻⁵", "4×10⁻⁵"])
    #expect(Ticks.linear(995...1005, count: 2).map(\.label) == ["995", "1000", "1005"])
    #expect(Ticks.linear(1...1, count: 5) == [])
  }

  @Test func logarithmicTicksArePowers() {
    #expect(Ticks.logarithmic(0.01...100, count: 5).map(\.label) == ["0.01", "0.1", "1", "10", "100"])
    #expect(Ticks.logarithmic(1e-6...1, count: 4).map(\.label) == ["10⁻⁶", "10⁻⁴", "10⁻²", "10⁰"])
    #expect(Ticks.logarithmic(1...30, count: 4).map(\.label) == ["1", "2", "5", "10", "20"])
    #expect(Ticks.logarithmic(3...5, count: 2).map(\.label) == ["3", "4", "5"])
  }

  @Test func histogramsCountEverything() {
    let values: [Double] = [0, 0.5, 1, 1.5, 2, 2, .nan, .infinity]
    let linear = Histogram(values, bins: 2)
    #expect(linear.edges == [0, 1, 2] && linear.counts == [2, 4] && linear.skipped == 2)
    let logarithmic = Histogram([0, -1, 0.001, 0.01, 0.5, 1], bins: 3, scale: .logarithmic)
    #expect(logarithmic.counts == [1, 1, 2] && logarithmic.skipped == 2)
    expectClose(
      Tensor(logarithmic.edges.map { Float($0) }, [4]), Tensor([0.001, 0.01, 0.1, 1], [4]), within: 1e-6,
      "edges")
    #expect(Histogram([], bins: 3).counts == [0, 0, 0])
    #expect(Histogram([5, 5], bins: 3).counts.reduce(0, +) == 2)
    #expect(Histogram([1, 2, 3], bins: 2, range: 0...2).skipped == 1)
  }

  @Test func longLinesKeepTheirPeaks() {
    var points = (0..<100_000).map { Point(Double($0) / 250, 5) }
    points[31_415].y = 99
    let thinned = Plot.thinned(points)
    #expect(thinned.count < 3_300 && thinned.contains { $0.y == 99 })
    #expect(thinned.first == points.first && thinned.last == points.last)
  }

  @Test(arguments: DrawingFormat.allCases) func filesAreWholeAndRepeatable(_ format: DrawingFormat) throws {
    let folder = try TemporaryFolder()
    let page = PlotPage(title: "β <&> 漢字", plots: Self.plots.prefix(9).map(\.1), columns: 3)
    let text = [PNGText("prompt", "β < γ & \u{1B} 漢")]
    for name in ["a", "b"] { try page.write(to: folder("\(name).\(format)"), text: text) }
    try expectValid(folder("a.\(format)"))
    let bytes = try ["a", "b"].map { try Data(contentsOf: URL(fileURLWithPath: folder("\($0).\(format)"))) }
    #expect(bytes[0] == bytes[1])
    if format == .png { #expect(try PNG.text(of: folder("a.png")) == text) }
    if format == .svg {
      #expect(
        String(decoding: bytes[0], as: UTF8.self).contains("<desc>prompt: β &lt; γ &amp; \u{FFFD} 漢</desc>"))
    }
    // The page also changes with what it shows.
    try PlotPage(title: "other", plots: page.plots, columns: 3).write(to: folder("c.\(format)"), text: text)
    #expect(try Data(contentsOf: URL(fileURLWithPath: folder("c.\(format)"))) != bytes[0])
  }

  @Test func refusals() throws {
    let folder = try TemporaryFolder()
    for name in ["plot", "plot.gif", ".png", "a.png/plot"] {
      let path = folder(name)
      #expect(
        errorMessage { try Plot().write(to: path) }
          == "'\(path)' cannot be written: its name ends in no known format; end it in .png, .svg or .pdf")
    }
    try Plot().write(to: folder("PLOT.PNG"))
    #expect(
      errorMessage { try Plot().write(to: folder("a.png"), size: Size(30_000, 200)) }
        == "a drawing of 60048 × 448 pixels cannot be made: at most 32767 are possible in each direction; "
        + "ask for fewer or smaller parts")
    #expect(errorMessage { try Plot().write(to: folder("no/a.svg")) }.contains("does not exist"))
    #expect(try folder.contents == ["PLOT.PNG"])
  }

  @Test func pagesArrangePlots() {
    let page = PlotPage(title: "training", plots: Array(repeating: Plot(title: "a"), count: 5), columns: 2)
    let layout = PlotPageLayout(page)
    let whole = Box(at: Point(0, 0), layout.size)
    let areas = layout.plots.map(\.area)
    for (index, area) in areas.enumerated() {
      #expect(whole.contains(area) && !areas[..<index].contains { $0.overlaps(area) })
    }
    #expect(areas[0].y == areas[1].y && areas[2].y > areas[1].bottom)
  }
}
