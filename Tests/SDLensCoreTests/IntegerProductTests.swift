import SDLensCore
import SDLensTestSupport
import Testing

/// Products of 16-bit integers: what they round, what they can not overflow, and that their bits depend on nothing else.
@Suite struct IntegerProductTests {
  private let engine = KernelEngine(precision: .int16)

  private func layer(_ weight: Tensor, bias: Tensor? = nil, as type: ElementType = .f32) throws -> Linear {
    var tensors = ["weight": weight]
    tensors["bias"] = bias
    return try Linear(
      temporaryWeights(tensors, as: type, engine: engine), inputs: weight.width, outputs: weight.shape[0],
      bias: bias != nil)
  }

  /// A vector as shorts.c rounds it, in whole numbers and their unit, block after block of 128.
  private func rounded(_ v: [Float]) -> [(q: [Int64], unit: Float)] {
    stride(from: 0, to: v.count, by: 128).map { first in
      var block = Array(v[first..<min(first + 128, v.count)])
      block += Array(repeating: 0, count: 128 - block.count)
      let largest = block.map(abs).max() ?? 0
      guard largest > 0 else { return (block.map { _ in 0 }, 0) }
      // A power of two brings what is very large or small near 1.
      let exponent = Int32(largest.bitPattern >> 23)
      let power = 87...167 ~= exponent ? 127 : min(253, max(1, 254 - exponent))
      let near = Float(bitPattern: UInt32(power) << 23)
      if power != 127 { block = block.map { $0 * near } }
      var lanes = [Float](repeating: 0, count: 16)
      for (index, value) in block.enumerated() { lanes[index % 16].addProduct(value, value) }
      for width in [8, 4, 2, 1] { for lane in 0..<width { lanes[lane] += lanes[lane + width] } }
      let top = block.map(abs).max() ?? 0
      let scale = min(46000 / lanes[0].squareRoot(), 32766 / top)
      let q = block.map { Int64(Float(12_582_912).addingProduct($0, scale) - 12_582_912) }
      return (q, 1 / scale * Float(bitPattern: UInt32(254 - power) << 23))
    }
  }

  /// `x wᵀ` by plain loops, with exact sums in 64 bits; every partial sum must fit in 32.
  private func product(_ x: Tensor, _ w: Tensor) -> Tensor {
    let (rows, outputs, inputs) = (x.rows, w.rows, x.width)
    let left = (0..<rows).map { rounded(Array(x.elements[$0 * inputs..<($0 + 1) * inputs])) }
    let right = (0..<outputs).map { rounded(Array(w.elements[$0 * inputs..<($0 + 1) * inputs])) }
    var y = Tensor([rows, outputs])
    for row in 0..<rows {
      for output in 0..<outputs {
        var (sum, some): (Float, Float) = (0, 0)
        for (block, pair) in zip(left[row], right[output]).enumerated() {
          // Four blocks stay in registers, as in shorts.c.
          if block % 4 == 0 { (sum, some) = (sum + some, 0) }
          var exact: Int64 = 0
          for (a, b) in zip(pair.0.q, pair.1.q) {
            #expect(abs(a) <= 32767 && abs(b) <= 32767)
            exact += a * b
            #expect(Int64(Int32.min)...Int64(Int32.max) ~= exact)
          }
          some.addProduct(Float(exact), pair.0.unit * pair.1.unit)
        }
        y[row * outputs + output] = sum + some
      }
    }
    return y
  }

  @Test(
    arguments: [(2, 1, 1), (3, 127, 5), (16, 128, 13), (17, 129, 12), (31, 640, 97), (260, 300, 33)],
    LayerTests.formats)
  func bitsAreThoseOfPlainLoops(_ size: (rows: Int, inputs: Int, outputs: Int), _ type: ElementType) throws {
    let (rows, inputs, outputs) = size
    let weight = Tensor.random([outputs, inputs], seed: 1).rounded(to: type)
    let bias = Tensor.random([outputs], seed: 2).rounded(to: type)
    let x = Tensor.random([1, rows, inputs])
    let wanted = product(x.reshaped([rows, inputs]), weight).reshaped([1, rows, outputs])
    let (plain, biased) = try (layer(weight, as: type), layer(weight, bias: bias, as: type))
    for threads in [1, 2, 5] {
      withThreads(threads) {
        expectSame(plain(x), wanted, "\(size), \(type), \(threads) threads")
        var sum = Tensor.random(wanted.shape, seed: 3)
        let before = sum
        plain.add(x, to: &sum)
        expectSame(sum, before + wanted, "\(size), \(type), added")
      }
    }
    let exact = Reference.product(x.reshaped([rows, inputs]), weight, bias: bias)
    expectClose(biased(x).reshaped([rows, outputs]), exact, within: 3e-4, "\(size), \(type)")
  }

  @Test func rowsDoNotDependOnOthers() throws {
    let layer = try layer(.random([520, 512], seed: 1))
    let x = Tensor.random([3, 256, 512])
    let together = layer(x)
    for picture in 0..<3 {
      let alone = layer(x.rows(picture * 256..<(picture + 1) * 256).reshaped([1, 256, 512]))
      expectSame(
        alone.reshaped([256, 520]), together.rows(picture * 256..<(picture + 1) * 256), "picture \(picture)")
    }
  }

  /// A row of what is hardest to round; the sums of each with each fit in 32 bits, which `product` checks.
  static let hard: [(name: String, vector: [Float])] = {
    let ordinary = Tensor.random([200], seed: 4).elements
    func with(_ value: Float, at places: [Int], of base: [Float] = ordinary) -> [Float] {
      var vector = base
      for place in places { vector[place] = value }
      return vector
    }
    let zeros = [Float](repeating: 0, count: 200)
    let largest = Float.greatestFiniteMagnitude
    let hard: [(name: String, vector: [Float])] = [
      ("zeros", zeros), ("equal numbers", [Float](repeating: 1, count: 200)),
      ("alternating", (0..<200).map { $0 % 2 == 0 ? Float(0.7) : -0.7 }),
      ("one channel 1,000 times the others", with(1000, at: [17])),
      ("one number", with(-3, at: [5], of: zeros)),
      ("two equal", with(2, at: [8, 9], of: zeros)),
      ("denormals", ordinary.map { $0 * 1e-30 * 1e-9 }),
      ("the least", with(.leastNonzeroMagnitude, at: [1], of: zeros)),
      ("the largest finite", (0..<200).map { $0 % 3 == 0 ? largest : -largest }),
      ("tiny", ordinary.map { $0 * 1e-30 }), ("huge", ordinary.map { $0 * 1e30 }),
    ]
    return hard
  }()

  @Test func hardRowsNeverOverflow() throws {
    let x = Tensor(Self.hard.flatMap(\.vector), [1, Self.hard.count, 200])
    let layer = try layer(x.reshaped([Self.hard.count, 200]))
    let (found, wanted) = (
      layer(x).elements,
      product(x.reshaped([Self.hard.count, 200]), x.reshaped([Self.hard.count, 200])).elements
    )
    for (index, pair) in zip(found, wanted).enumerated() {
      let names = (Self.hard[index / Self.hard.count].name, Self.hard[index % Self.hard.count].name)
      // Bit for bit; what is beyond the range of float32 is infinite or no number in both.
      #expect(pair.0 == pair.1 || (!pair.0.isFinite && !pair.1.isFinite), "\(names): \(pair)")
    }
  }

  @Test func anOutlierCostsItsBlockOnly() throws {
    let ordinary = Tensor.random([1, 4, 512], seed: 5)
    var (x, weight) = (ordinary, Tensor.random([64, 512], seed: 6))
    // The outlier's block meets zeros: nothing of it can be seen.
    for row in 0..<4 { x[row * 512 + 300] = 1000 }
    for output in 0..<64 { for input in 256..<384 { weight[output * 512 + input] = 0 } }
    let layer = try layer(weight)
    expectSame(layer(x), layer(ordinary), "beside an outlier")
  }

  @Test func whatIsNoNumberIsSeen() throws {
    let layer = try layer(.random([5, 300], seed: 1))
    for value in [Float.nan, .infinity, -.infinity] {
      var x = Tensor.random([1, 3, 300])
      x[300 + 7] = value
      let y = layer(x)
      #expect((0..<15).allSatisfy { y[$0].isFinite == !(5..<10 ~= $0) }, "\(value)")
    }
  }

  @Test func aRowOfAPictureStaysInFloat32() throws {
    let weight = Tensor.random([70, 130], seed: 1)
    let x = Tensor.random([3, 130])
    let float = try Linear(temporaryWeights(["weight": weight]), inputs: 130, outputs: 70, bias: false)
    expectSame(try layer(weight)(x), float(x), "a row for each picture")
  }

  @Test func convolutionsRoundLittle() throws {
    for (kernel, stride, inputs) in [(1, 1, 40), (3, 1, 33), (3, 2, 64)] {
      let weight = Tensor.random([24, inputs, kernel, kernel], seed: 1)
      let bias = Tensor.random([24], seed: 2)
      let layer = try Convolution(
        temporaryWeights(["weight": weight, "bias": bias], engine: engine), inputs: inputs, outputs: 24,
        kernel: kernel, stride: stride)
      let x = Tensor.random([2, 12, 9, inputs])
      expectClose(
        layer(x), Reference.convolution(x, weight, bias: bias, stride: stride), within: 3e-4,
        "\(kernel) × \(kernel) by \(stride)")
    }
  }

  /// Winograd's scheme, on maps with enough tiles for integers, in more than one block; what it interpolates enlarges
  /// the rounding.
  @Test func convolutionsOfManyTilesRoundLittle() throws {
    let (inputs, outputs) = (150, 20)
    let weight = Tensor.random([outputs, inputs, 3, 3], seed: 1)
    let bias = Tensor.random([outputs], seed: 2)
    func layer(_ precision: Precision) throws -> Convolution {
      try Convolution(
        temporaryWeights(["weight": weight, "bias": bias], engine: KernelEngine(precision: precision)),
        inputs: inputs, outputs: outputs, kernel: 3)
    }
    let x = Tensor.random([4, 48, 43, inputs])
    let (float, integers) = try (layer(.float32)(x), layer(.int16)(x))
    let wanted = Reference.convolution(x, weight, bias: bias)
    let error = relativeError(integers, wanted)
    #expect(2e-5...5e-4 ~= error, "\(error), of which float32 has \(relativeError(float, wanted))")
    for threads in [1, 2, 5] {
      withThreads(threads) { expectSame(try! layer(.int16)(x), integers, "\(threads)") }
    }
    let picture = 48 * 43
    for index in 0..<4 {
      let alone = try layer(.int16)(
        x.rows(index * picture..<(index + 1) * picture).reshaped([1, 48, 43, inputs]))
      expectSame(
        alone.reshaped([picture, outputs]), integers.rows(index * picture..<(index + 1) * picture),
        "picture \(index) alone")
    }
    var broken = x
    broken[(5 * 43 + 7) * inputs + 3] = .nan
    let found = try layer(.int16)(broken)
    #expect((0..<outputs).allSatisfy { found[(5 * 43 + 7) * outputs + $0].isNaN })
    #expect((0..<picture * outputs).allSatisfy { found[picture * outputs + $0].isFinite })
  }

  private func relativeError(_ found: Tensor, _ wanted: Tensor) -> Double {
    let pairs = zip(found.elements, wanted.elements)
    let distance = pairs.reduce(0) { $0 + Double(($1.0 - $1.1) * ($1.0 - $1.1)) }
    return (distance / wanted.elements.reduce(0) { $0 + Double($1 * $1) }).squareRoot()
  }

  @Test func namesAndRefusals() throws {
    #expect(KernelEngine().name == "sdlens" && engine.name == "sdlens-int16")
    #expect(try EngineChoice.auto.engine(.int16).name == "sdlens-int16")
    #expect(try EngineChoice.openblas.engine(.float32).name == "openblas")
    #expect(
      errorMessage { try EngineChoice.openblas.engine(.int16) }
        == "--engine openblas multiplies in float32 only, but --precision is int16; take --engine sdlens, or "
        + "--precision float32")
  }
}
