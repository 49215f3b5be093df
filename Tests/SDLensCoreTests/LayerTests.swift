import SDLensCore
import SDLensTestSupport
import Testing

/// Every layer equals the plain loops of `Reference`, at sizes around the edges of the blocks that fast products
/// work in, with any number of threads.
@Suite struct LayerTests {
  static let formats: [ElementType] = [.f32, .f16, .bf16]

  /// Checks a layer with one, two and five threads.
  private func expectEverywhere(
    _ wanted: Tensor, within tolerance: Float, _ name: String,
    sourceLocation: SourceLocation = #_sourceLocation,
    _ layer: () -> Tensor
  ) {
    for threads in [1, 2, 5] {
      let found = withThreads(threads, layer)
      expectClose(
        found, wanted, within: tolerance, "\(name) with \(threads) threads", sourceLocation: sourceLocation)
    }
  }

  /// A weight and a bias, rounded to a number format, and the scope of a file that holds them.
  private func weights(
    _ shape: Shape, as type: ElementType = .f32, seed: Int = 1
  ) throws -> (weight: Tensor, bias: Tensor, scope: WeightScope) {
    let weight = Tensor.random(shape, seed: seed).rounded(to: type)
    let bias = Tensor.random([shape[0]], seed: seed + 1).rounded(to: type)
    return (weight, bias, try temporaryWeights(["weight": weight, "bias": bias], as: type))
  }

  @Test(
    arguments: [
      (1, 1, 1), (1, 65, 257), (2, 33, 17), (3, 7, 15), (4, 64, 64), (5, 3, 63), (6, 16, 24), (7, 1, 5),
      (8, 256, 8),
      (15, 17, 1), (16, 257, 31), (17, 63, 65), (23, 24, 25), (31, 255, 7), (33, 15, 33), (63, 9, 127),
      (64, 32, 48),
      (65, 128, 129), (96, 31, 96), (129, 65, 32), (255, 5, 16), (257, 64, 255), (513, 48, 12),
      (17, 700, 101), (2, 1030, 97),
    ], formats)
  func linear(_ size: (rows: Int, inputs: Int, outputs: Int), _ type: ElementType) throws {
    let (rows, inputs, outputs) = size
    let (weight, bias, scope) = try weights([outputs, inputs], as: type)
    let x = Tensor.random([rows, inputs])
    let y = Tensor.random([rows, outputs], seed: 3)
    let name = "\(rows) × \(inputs) → \(outputs), \(type)"
    let plain = try Linear(scope, inputs: inputs, outputs: outputs, bias: false)
    expectEverywhere(Reference.product(x, weight), within: 2e-6, name) { plain(x) }
    let layer = try Linear(scope, inputs: inputs, outputs: outputs)
    let wanted = Reference.product(x, weight, bias: bias)
    expectEverywhere(wanted, within: 2e-6, name + " with bias") { layer(x) }
    expectEverywhere(wanted + y, within: 2e-6, name + " added") {
      var sum = y
      layer.add(x, to: &sum)
      return sum
    }
  }

  // A file may put its weights at any byte.
  @Test(arguments: formats, [1, 2, 4]) func linearReadsWeightsAtOddAddresses(
    _ type: ElementType, padding: Int
  ) throws {
    let weight = Tensor.random([33, 31], seed: 1).rounded(to: type)
    let scope = try temporaryWeights(["weight": weight], as: type, padding: padding)
    let layer = try Linear(scope, inputs: 31, outputs: 33, bias: false)
    let x = Tensor.random([18, 31])
    expectEverywhere(Reference.product(x, weight), within: 2e-6, "\(type) + \(padding)") { layer(x) }
  }

  // Maps of 16 × 16 and 512 channels are multiplied by Strassen's scheme, those of 12 × 12 are not.
  @Test(arguments: [16, 12]) func picturesOfABatchAreWhatTheyAreAlone(side: Int) throws {
    let (weight, bias, scope) = try weights([514, 512])
    let layer = try Linear(scope, inputs: 512, outputs: 514)
    let pictures = (0..<4).map { Tensor.random([1, side, side, 512], seed: $0 + 7) }
    let batch = Tensor(pictures.flatMap(\.elements), [4, side, side, 512])
    let together = layer(batch)
    for (index, picture) in pictures.enumerated() {
      let alone = layer(picture)
      #expect(Array(together.elements[index * alone.count..<(index + 1) * alone.count]) == alone.elements)
      expectClose(
        alone.reshaped([side * side, 514]),
        Reference.product(picture.reshaped([side * side, 512]), weight, bias: bias), within: 4e-6,
        "\(side) × \(side)")
    }
  }

  @Test func severalLayersReadTheSameInput() throws {
    let layers = try (0..<3).map { index in
      let (_, _, scope) = try weights([33, 17], seed: index)
      return try Linear(scope, inputs: 17, outputs: 33, bias: index > 0)
    }
    let x = Tensor.random([2, 5, 17], seed: 9)
    let results = Linear.apply(layers, to: x)
    for (result, layer) in zip(results, layers) {
      #expect(result.shape == [2, 5, 33])
      #expect(result.elements == layer(x).elements)
    }
  }

  @Test func linearTakesAnyNumberOfAxes() throws {
    let (weight, bias, scope) = try weights([5, 7])
    let x = Tensor.random([2, 3, 4, 7])
    let layer = try Linear(scope, inputs: 7, outputs: 5)
    expectClose(layer(x), Reference.product(x, weight, bias: bias), within: 1e-6, "four axes")
  }

  @Test(
    arguments: [
      // batch, height, width, inputs, outputs
      [1, 1, 1, 1, 1], [3, 1, 1, 3, 7], [1, 1, 5, 7, 3], [1, 5, 1, 3, 15], [2, 2, 2, 4, 4], [1, 2, 3, 17, 1],
      [1, 3, 4, 8, 16], [1, 4, 4, 16, 8], [1, 4, 5, 5, 33], [3, 5, 6, 6, 5], [1, 6, 6, 32, 32],
      [1, 7, 5, 15, 17],
      [1, 7, 7, 33, 24], [2, 8, 8, 64, 64], [1, 8, 9, 65, 63], [1, 9, 16, 1, 70], [1, 13, 9, 70, 3],
      [1, 12, 15, 24, 31],
      [1, 16, 16, 16, 16], [1, 17, 18, 9, 10], [1, 19, 31, 3, 8], [1, 24, 33, 8, 3], [1, 33, 17, 12, 20],
      [1, 40, 40, 4, 5], [1, 3, 37, 31, 2], [1, 39, 2, 2, 65], [2, 23, 11, 7, 7], [1, 5, 5, 257, 9],
      [3, 21, 18, 40, 37], [1, 66, 67, 16, 19],
    ])
  func convolution(_ size: [Int]) throws {
    let (inputs, outputs) = (size[3], size[4])
    let x = Tensor.random(Shape(Array(size.prefix(4))))
    for (kernel, stride) in [(3, 1), (3, 2), (1, 1)] {
      let (weight, bias, scope) = try weights([outputs, inputs, kernel, kernel])
      let layer = try Convolution(scope, inputs: inputs, outputs: outputs, kernel: kernel, stride: stride)
      let wanted = Reference.convolution(x, weight, bias: bias, stride: stride)
      let name = "\(x.shape) → \(outputs), kernel \(kernel), stride \(stride)"
      expectEverywhere(wanted, within: 8e-6, name) { layer(x) }
      let old = Tensor.random(wanted.shape, seed: 4)
      expectEverywhere(wanted + old, within: 8e-6, name + ", added") {
        var sum = old
        layer.add(x, to: &sum)
        return sum
      }
    }
  }

  @Test func convolutionOfEveryMapUpTo13() throws {
    let (weight, bias, scope) = try weights([17, 16, 3, 3])
    let layers = try [1, 2].map { try Convolution(scope, inputs: 16, outputs: 17, stride: $0) }
    for place in 0..<13 * 13 {
      let x = Tensor.random([1, place / 13 + 1, place % 13 + 1, 16])
      for (layer, stride) in zip(layers, 1...) {
        let wanted = Reference.convolution(x, weight, bias: bias, stride: stride)
        expectClose(layer(x), wanted, within: 8e-6, "\(x.shape), stride \(stride)")
      }
    }
  }

  @Test(arguments: formats, [(1, 1), (3, 1), (3, 2)])
  func convolutionReadsEveryFormat(_ type: ElementType, _ window: (kernel: Int, stride: Int)) throws {
    let (weight, bias, scope) = try weights([33, 17, window.kernel, window.kernel], as: type)
    let x = Tensor.random([3, 7, 10, 17])
    let layer = try Convolution(scope, inputs: 17, outputs: 33, kernel: window.kernel, stride: window.stride)
    expectEverywhere(
      Reference.convolution(x, weight, bias: bias, stride: window.stride), within: 8e-6, "\(type), \(window)"
    ) { layer(x) }
  }

  @Test func zerosGiveTheBias() throws {
    let (_, bias, scope) = try weights([4, 3, 3, 3])
    let y = try Convolution(scope, inputs: 3, outputs: 4)(Tensor(repeating: 0, [1, 6, 6, 3]))
    #expect(y.elements == (0..<y.count).map { bias[$0 % 4] })
  }

  @Test(
    arguments: [
      // batch, height, width, channels, groups
      [1, 1, 1, 1, 1], [3, 1, 1, 6, 3], [1, 1, 5, 3, 1], [1, 7, 5, 15, 5], [3, 13, 9, 7, 7],
      [1, 33, 17, 34, 17],
      [2, 16, 16, 63, 9], [1, 40, 40, 65, 13], [1, 5, 3, 257, 1], [1, 8, 8, 128, 32],
    ], [(Float(1), Float(0)), (1, 1000), (0, 3.25), (1e-3, 0)])
  func groupNorm(_ size: [Int], spread: (scale: Float, shift: Float)) throws {
    let x = Tensor.random(Shape(Array(size.prefix(4))), scale: spread.scale, plus: spread.shift)
    let (weight, bias, scope) = try weights([x.width])
    let layer = try GroupNorm(scope, channels: x.width, groups: size[4], epsilon: 1e-5)
    for silu in [false, true] {
      let wanted = Reference.groupNorm(
        x, groups: size[4], weight: weight, bias: bias, epsilon: 1e-5, silu: silu)
      expectEverywhere(wanted, within: 2e-6, "\(size), \(spread), silu \(silu)") { layer(x, silu: silu) }
    }
  }

  @Test(arguments: [1, 3, 17, 64, 65, 257], [1, 5, 300]) func layerNorm(width: Int, rows: Int) throws {
    let x = Tensor.random([rows, width], plus: 2)
    let (weight, bias, scope) = try weights([width])
    let layer = try LayerNorm(scope, width: width, epsilon: 1e-3)
    let wanted = Reference.layerNorm(x, weight: weight, bias: bias, epsilon: 1e-3)
    expectEverywhere(wanted, within: 2e-6, "\(rows) × \(width)") { layer(x) }
  }

  @Test(
    arguments: [
      // batch, queries, keys, heads, channels of a head
      [1, 1, 1, 1, 1], [1, 1, 77, 3, 8], [3, 17, 17, 2, 5], [1, 35, 35, 1, 64], [2, 63, 65, 4, 16],
      [1, 64, 64, 1, 33],
      [1, 257, 257, 2, 24], [1, 300, 77, 5, 7], [1, 5, 1, 1, 3], [2, 130, 33, 3, 65], [1, 31, 129, 2, 40],
      [1, 513, 600, 1, 4],
    ], [false, true])
  func attention(_ size: [Int], causal: Bool) {
    let width = size[3] * size[4]
    let q = Tensor.random([size[0], size[1], width], seed: 1)
    let (k, v) = (
      Tensor.random([size[0], size[2], width], seed: 2), Tensor.random([size[0], size[2], width], seed: 3)
    )
    let layer = Attention(heads: size[3], causal: causal)
    let wanted = Reference.attention(q, k, v, heads: size[3], causal: causal)
    expectEverywhere(wanted.output, within: 2e-6, "\(size), causal \(causal)") { layer(q, k, v) }
    var probabilities = Tensor([], [0])
    let observed = layer(q, k, v, probabilities: &probabilities)
    expectClose(observed, wanted.output, within: 2e-6, "\(size), observed")
    expectClose(probabilities, wanted.probabilities, within: 2e-6, "\(size), probabilities")
  }

  @Test(arguments: [
    [1, 1, 1, 1, 2, 2], [2, 3, 5, 7, 6, 10], [1, 7, 5, 3, 13, 9], [1, 17, 9, 17, 33, 17],
    [3, 4, 4, 65, 8, 8],
    [1, 2, 3, 5, 3, 5],
  ]) func upsampling(_ size: [Int]) {
    let x = Tensor.random(Shape(Array(size.prefix(4))))
    expectEverywhere(Reference.nearest(x, height: size[4], width: size[5]), within: 0, "\(size)") {
      Upsampling.nearest(x, height: size[4], width: size[5])
    }
  }

  @Test(arguments: [[1, 1], [3, 7], [5, 64], [700, 66]]) func elementwise(_ extents: [Int]) {
    let x = Tensor.random(Shape(extents))
    let y = Tensor.random(Shape(extents), seed: 1)
    func zipped(_ function: (Double, Double) -> Double) -> Tensor {
      Tensor((0..<x.count).map { Float(function(Double(x[$0]), Double(y[$0]))) }, x.shape)
    }
    let functions: [(Activation, (Double) -> Double)] = [
      (.silu, Reference.silu), (.gelu, Reference.gelu), (.quickGELU, Reference.quickGELU),
    ]
    for (activation, function) in functions {
      expectEverywhere(x.mapped(function), within: 3e-7, "\(activation)") {
        var y = x
        y.apply(activation)
        return y
      }
    }
    expectEverywhere(zipped(+), within: 2e-7, "sum") { x + y }
    expectEverywhere(zipped(-), within: 2e-7, "difference") { x - y }
    expectEverywhere(x.mapped { 3 * $0 - 1 }, within: 2e-7, "scaled") { x.scaled(by: 3, plus: -1) }
    expectEverywhere(zipped { $0 + 0.5 * $1 }, within: 2e-7, "added with a factor") {
      var sum = x
      sum.add(y, scale: 0.5)
      return sum
    }
    if x.width % 2 == 0 { expectEverywhere(Reference.gatedGELU(x), within: 3e-7, "gated") { x.gatedGELU() } }
  }

  // Rows by Strassen's scheme, fewer than a tile, and several blocks; panels that end anywhere.
  @Test(arguments: [
    [1, 256, 512, 1024], [1, 77, 40, 48], [2, 300, 136, 52], [3, 1, 16, 10], [1, 1030, 24, 200],
  ])
  func gatedInOneGoIsTheSame(_ sizes: [Int]) {
    let (batch, rows, inputs, outputs) = (sizes[0], sizes[1], sizes[2], sizes[3])
    let x = Tensor.random([batch, rows, inputs])
    let weight = WeightMatrix(Tensor.random([outputs, inputs], seed: 1))
    for bias in [nil, Tensor.random([outputs], seed: 2)] {
      let engines: [any Engine] =
        Precision.allCases.map { KernelEngine(precision: $0) } + [EngineChoice.openblas.engine]
      for engine in engines {
        let layer = Linear(weight: weight, bias: bias, engine: engine)
        for threads in [1, 2, 5] {
          withThreads(threads) {
            expectSame(layer.gated(x), layer(x).gatedGELU(), "\(engine.name), \(threads) threads")
          }
        }
      }
    }
  }

  @Test(arguments: [1, 2, 5]) func layoutsKeepEveryElement(threads: Int) {
    withThreads(threads) {
      let (a, b) = (Tensor.random([2, 7, 5, 3]), Tensor.random([2, 7, 5, 4]))
      let both = Tensor.concatenated(a, b)
      #expect(both.shape == [2, 7, 5, 7])
      for place in 0..<both.count {
        let (row, column) = (place / 7, place % 7)
        #expect(both[place] == (column < 3 ? a[row * 3 + column] : b[row * 4 + column - 3]))
      }
      let vectors = Tensor.random([2, 3], seed: 1)
      var shifted = a
      shifted.addToPixels(vectors)
      for place in 0..<a.count {
        #expect(shifted[place] == a[place] + vectors[place / (7 * 5 * 3) * 3 + place % 3])
      }
      let first = a.channelsFirst()
      #expect(first.shape == [2, 3, 7, 5])
      for place in 0..<first.count {
        let (picture, channel, pixel) = (place / 105, place / 35 % 3, place % 35)
        #expect(first[place] == a[(picture * 35 + pixel) * 3 + channel])
      }
      #expect(first.channelsLast().elements == a.elements)
      let stacked = Tensor.stacked([a, a.scaled(by: 2)])
      #expect(stacked.shape == [4, 7, 5, 3])
      #expect(stacked.picture(3).elements == a.scaled(by: 2).picture(1).elements)
    }
  }
}
