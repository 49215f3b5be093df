import ArgumentParser
import Foundation
import SDLensCore

/// Times the operations of SDXL's U-net one by one, beside what the machine's registers can do.
struct OperationBench: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "operations",
    abstract: "Times products, convolutions and attention at the U-net's sizes, on every engine.",
    discussion: """
      Prints the least time of each, its rate, and the share of the peak: the rate of multiplications in registers, \
      measured in the same run. An operation counts as it is defined: Strassen's and Winograd's schemes do fewer, so \
      that their share can be above 1; products of 16-bit integers can reach 2. Weights are random float32 numbers.
      """)

  @Option(help: "Seconds for each.") var seconds = 0.5
  @Option(help: "Threads (default: all cores).") var threads = Parallel.threads
  @Flag(help: "Measure the peak alone.") var peakOnly = false

  func run() throws {
    Parallel.threads = threads
    let engines: [any Engine] =
      Precision.allCases.map { KernelEngine(precision: $0) } + [EngineChoice.openblas.engine]
    let peak = ProductRate.peak()
    print("peak", String(format: "%.1f GFLOP/s", peak / 1e9), "on \(threads) threads")
    if peakOnly { return }
    for operation in Self.operations {
      for engine in engines {
        guard let body = operation.prepare(engine) else { continue }
        let time = ProductRate.best(of: body, for: .seconds(seconds)) / .seconds(1)
        let rate = operation.count / time
        print(
          operation.name.padding(toLength: 44, withPad: " ", startingAt: 0),
          engine.name.padding(toLength: 13, withPad: " ", startingAt: 0),
          String(format: "%9.2f ms %7.1f GFLOP/s %6.3f of the peak", time * 1e3, rate / 1e9, rate / peak))
      }
    }
    print("peak", String(format: "%.1f GFLOP/s", ProductRate.peak() / 1e9), "at the end")
  }

  /// Something to time: its name, its operations, and what does it with an engine, nil if that is not another way.
  private struct Operation: Sendable {
    let name: String
    let count: Double
    let prepare: @Sendable (any Engine) -> (() -> Void)?
  }

  private static let operations: [Operation] =
    [
      (256, 1280, 1280), (256, 1280, 10240), (256, 5120, 1280), (1024, 640, 640), (1024, 640, 5120),
      (1024, 2560, 640), (77, 2048, 1280), (77, 2048, 640),
    ].map(linear)
    + [
      (64, 320, 320), (64, 960, 320), (32, 640, 640), (32, 1920, 640), (16, 1280, 1280), (16, 2560, 1280),
      (512, 128, 128),
    ].map(convolution)
    + [(256, 256, 20), (1024, 1024, 10), (256, 77, 20), (4096, 4096, 8)].map(attention)

  private static func linear(rows: Int, inputs: Int, outputs: Int) -> Operation {
    Operation(
      name: "linear \(inputs) → \(outputs), \(rows) rows", count: 2 * Double(rows * inputs * outputs)
    ) { engine in
      let layer = engine.linear(WeightMatrix(random([outputs, inputs])), bias: nil)
      let x = random([1, rows, inputs])
      var y = Tensor(uninitialized: [1, rows, outputs])
      return { layer.multiply(x, into: &y, accumulate: false) }
    }
  }

  private static func convolution(side: Int, inputs: Int, outputs: Int) -> Operation {
    Operation(
      name: "convolution 3 × 3, \(inputs) → \(outputs), \(side) × \(side)",
      count: 18 * Double(side * side * inputs * outputs)
    ) { engine in
      let geometry = ConvolutionGeometry(inputs: inputs, outputs: outputs, kernel: 3, stride: 1, padding: 1)
      let layer = engine.convolution(
        WeightMatrix(random([outputs, 9 * inputs])), bias: Tensor([outputs]), geometry)
      let x = random([1, side, side, inputs])
      var y = Tensor(uninitialized: [1, side, side, outputs])
      return { layer.convolve(x, into: &y, accumulate: false) }
    }
  }

  private static func attention(queries: Int, keys: Int, heads: Int) -> Operation {
    let size = 64
    return Operation(
      name: "attention of \(queries) to \(keys), \(heads) heads of \(size)",
      count: 4 * Double(queries * keys * heads * size)
    ) { engine in
      // Attention is float32 in every precision.
      guard engine.name != KernelEngine(precision: .int16).name else { return nil }
      let layer = engine.attention(heads: heads, causal: false)
      let (q, k) = (random([1, queries, heads * size]), random([1, keys, heads * size]))
      var (y, none) = (Tensor(uninitialized: q.shape), Tensor?.none)
      return { layer.attend(q, k, k, into: &y, probabilities: &none) }
    }
  }

  private static func random(_ shape: Shape) -> Tensor {
    var generator = MersenneTwister(seed: 1)
    return Tensor(generator.normal(shape.count), shape)
  }
}
