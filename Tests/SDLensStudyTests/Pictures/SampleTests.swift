import Foundation
import SDLensCore
import SDLensDrawing
import SDLensTestSupport
import Testing

import SDLensStudy

/// Figures as the commands make them, to be looked at: with SDLENS_SAMPLES=folder they are left there.
@Suite struct SampleTests {
  private let temporary: TemporaryFolder
  private let folder: String

  init() throws {
    temporary = try TemporaryFolder()
    folder = ProcessInfo.processInfo.environment["SDLENS_SAMPLES"] ?? temporary.path
  }

  private static let prompts = [
    "A cinematic shot of a professor sloth wearing a tuxedo at a BBQ party.",
    "桜の木の下で本を読む猫、水彩画、柔らかい光", "قطة بيضاء تجلس على كرسي أحمر بجانب النافذة", "a red cube",
  ]

  /// A soft landscape of two colours with a disc, the same for the same number.
  private static func picture(_ number: Int, size: Int = 256) -> Picture {
    let samples = (0..<size * size).flatMap { at -> [UInt8] in
      let (x, y) = (Double(at % size) / Double(size), Double(at / size) / Double(size))
      let wave = 0.5 + 0.5 * sin(6 * x + Double(number)) * cos(5 * y)
      let disc = hypot(x - 0.3 - 0.1 * Double(number % 5), y - 0.5) < 0.22
      return disc
        ? [230, UInt8(120 + 60 * wave), 60] : [UInt8(60 + 80 * wave), UInt8(110 + 60 * y * 2), 170]
    }
    return Picture(width: size, height: size, samples: samples)
  }

  /// Active where the disc is.
  private static func activations(_ number: Int) -> Tensor {
    Tensor(
      (0..<256).map { at in
        let (x, y) = (Double(at % 16) / 16, Double(at / 16) / 16)
        let distance = hypot(x - 0.3 - 0.1 * Double(number % 5) + 0.03, y - 0.47)
        return distance < 0.26 ? Float(1.2 - distance * 3) : 0
      }, [16, 16])
  }

  @Test func featureGrid() throws {
    let columns = ["heat map", "A −6.0", "A +6.0", "B γ = 1", "C.0", "C.1"]
    let grid = Grid(
      title: Self.prompts[0], note: "down.2.1 · the most active features", columns: columns,
      rows: [4977, 2301, 15].map { feature in
        Grid.Row("#\(feature)", cells: columns.indices.map { Grid.Cell(hasScale: $0 == 0) })
      }, cellWidth: 128)
    try grid.draw(to: folder + "/features.png") { row in
      let heat = HeatMap.ofFigures(Self.activations(row), over: Self.picture(row))
      return [Grid.Drawing(heat, scale: HeatMap.ofFigures.scale(to: 1.2))]
        + (1..<6).map { Grid.Drawing(Self.picture(row + $0)) }
    }
    try expectValid(folder + "/features.png")
  }

  @Test func promptGrid() throws {
    let names = ["blocks", "smooth", "viridis", "cold map", "mask", "difference"]
    let grid = Grid(
      rows: Self.prompts.map { prompt in
        Grid.Row(prompt, cells: names.map { Grid.Cell(title: "#4977 \($0)", caption: prompt) })
      }, cellWidth: 160, rowTitles: .above)
    try grid.write(to: folder + "/prompts.png") { row in
      let (picture, map) = (Self.picture(row), Self.activations(row))
      return [
        HeatMap()(map, over: picture), HeatMap(smooth: true)(map, over: picture),
        HeatMap(colors: .viridis, smooth: true, opacity: 0.7)(map, over: picture),
        ColdMap()(map, over: picture),
        MaskOverlay()(map, over: picture), Difference(picture, Self.picture(row + 1)).picture,
      ]
    }
    try expectValid(folder + "/prompts.png")
  }

  @Test func trainingPage() throws {
    let steps = (0..<400).map { Double($0) * 25_000 }
    func curve(_ start: Double, _ end: Double, _ rate: Double, noise: Double) -> [Double] {
      steps.indices.map {
        end + (start - end) * exp(-Double($0) / rate) + noise * sin(Double($0 * $0 % 97))
      }
    }
    let blocks = ["down.2.1", "mid.0", "up.0.0", "up.0.1"]
    func lines(_ values: (Int) -> [Double]) -> [Series] {
      blocks.indices.map { .line(blocks[$0], x: steps, y: values($0)) }
    }
    let x = Axis("training vectors")
    let densities = Tensor.random([5120], seed: 3).elements.map {
      $0 > 1.6 ? 0 : pow(10, Double($0) * 0.7 - 2.5)
    }
    let density = Histogram(densities, scale: .logarithmic)
    let page = PlotPage(
      title: "Training of four dictionaries, k = 10, 5120 features",
      plots: [
        Plot(
          title: "Loss", x: x, y: Axis("normalised MSE", scale: .logarithmic),
          series: lines { curve(2, 0.2 + 0.05 * Double($0), 40, noise: 0.01) }),
        Plot(
          title: "Explained variance", x: x, y: Axis("share"),
          series: lines { curve(0, 0.8 - 0.07 * Double($0), 50, noise: 0.004) }),
        Plot(
          title: "Active features", x: x, y: Axis("L0"),
          series: [.line(x: steps, y: curve(4, 10, 10, noise: 0.05))]),
        Plot(
          title: "Dead features", x: x, y: Axis("share", unit: "%"),
          series: ["1 M", "5 M", "10 M vectors"].enumerated().map { index, name in
            .line(name, x: steps, y: curve(0, 12 - 4 * Double(index), 90, noise: 0.1))
          }),
        Plot(
          title: "How often features are active", x: Axis("density", scale: .logarithmic),
          y: Axis("features"),
          series: [.histogram(of: density)], note: "\(density.skipped) features are never active"),
        Plot(
          title: "Specificity", x: Axis(categories: blocks + ["random", "same prompt"]),
          y: Axis("CLIP similarity"),
          series: [
            .bars(
              "trained", y: [0.71, 0.62, 0.65, 0.66, 0.5, 0.89], errors: [0.11, 0.11, 0.11, 0.12, 0.1, 0.06]),
            .bars(
              "untrained", y: [0.55, 0.54, 0.53, 0.5, 0.5, 0.89], errors: [0.1, 0.1, 0.1, 0.1, 0.1, 0.06]),
          ]),
        Plot(
          title: "Position probe", x: Axis("noise level", unit: "σ", scale: .logarithmic),
          y: Axis("accuracy", unit: "%"),
          series: [
            .line(
              "rows", x: [0.1, 0.3, 1, 3, 10, 14], y: [99, 98, 97.5, .nan, 90, 85],
              errors: [1, 1, 1, 1, 2, 2]),
            .line("columns", x: [0.1, 0.3, 1, 3, 10, 14], y: [97, 98, 96, 95, 92, 80]),
          ]),
        Plot(
          title: "Density and strength", x: Axis("density", scale: .logarithmic), y: Axis("μ"),
          series: [.points(x: densities.map { $0 + 1e-6 }, y: densities.indices.map { sin(Double($0)) + 2 })]),
      ], columns: 2)
    for format in DrawingFormat.allCases {
      try page.write(to: folder + "/training.\(format)")
      try expectValid(folder + "/training.\(format)")
    }
  }
}
