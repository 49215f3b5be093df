import CKernels
import SDLensCore
import SDLensTestSupport
import Testing

/// Every C kernel equals the formula in CKernels.h, at lengths around those of vector registers.
@Suite struct KernelTests {
  static let counts = [0, 1, 3, 7, 8, 15, 16, 17, 31, 33, 63, 64, 65, 257, 5000]

  /// `count` results of a kernel, checked for not writing behind them.
  func results(_ count: Int, _ kernel: (UnsafeMutablePointer<Float>) -> Void) -> Tensor {
    var y = [Float](repeating: 77, count: count + 16)
    kernel(&y)
    #expect(y.suffix(16).allSatisfy { $0 == 77 }, "wrote behind \(count) elements")
    return Tensor(Array(y.prefix(count)), [count])
  }

  @Test(arguments: counts) func halfPrecisionIsReadExactly(count: Int) {
    let x = Tensor.random([count], scale: 100).elements
    let halves = x.map { Float16($0) }
    let half = results(count) { kernel_float_from_half($0, halves.map(\.bitPattern), count) }
    #expect(half.elements == halves.map { Float($0) })
    let upper = x.map { UInt16($0.bitPattern >> 16) }
    let bfloat = results(count) { kernel_float_from_bfloat($0, upper, count) }
    #expect(bfloat.elements == upper.map { Float(bitPattern: UInt32($0) << 16) })
  }

  @Test func everyHalfIsReadExactly() {
    let all = Array(UInt16.min...UInt16.max)
    let found = results(all.count) { kernel_float_from_half($0, all, all.count) }
    for (bits, value) in zip(all, found.elements) {
      let wanted = Float(Float16(bitPattern: bits))
      #expect(value == wanted || value.isNaN && wanted.isNaN, "half \(bits): \(value), not \(wanted)")
    }
  }

  @Test(arguments: [1, 7, 17, 4096, 4097, 9000]) func whatIsNotFiniteIsSeenAnywhere(count: Int) {
    for place in Set([0, count / 2, count - 1]) {
      for bad in [Float.nan, .infinity, -.infinity] {
        var x = [Float](repeating: -3, count: count)
        let halves = { x.map { Float16($0).bitPattern } }
        let bfloats = { x.map { UInt16($0.bitPattern >> 16) } }
        #expect(kernel_all_finite_float(x, count))
        #expect(kernel_all_finite_half(halves(), count))
        #expect(kernel_all_finite_bfloat(bfloats(), count))
        x[place] = bad
        #expect(!kernel_all_finite_float(x, count), "\(bad) at \(place)")
        #expect(!kernel_all_finite_half(halves(), count), "\(bad) at \(place)")
        #expect(!kernel_all_finite_bfloat(bfloats(), count), "\(bad) at \(place)")
      }
    }
    #expect(kernel_all_finite_float([.greatestFiniteMagnitude, -0, .leastNonzeroMagnitude], 3))
  }

  @Test(arguments: counts) func sumsAndScalings(count: Int) {
    let x = Tensor.random([count], seed: 1)
    let y = Tensor.random([count], seed: 2)
    let added = results(count) {
      $0.update(from: y.elements, count: count)
      kernel_add_scaled($0, -2.5, x.elements, count)
    }
    let wanted = Tensor((0..<count).map { Float(Double(y[$0]) - 2.5 * Double(x[$0])) }, [count])
    expectClose(added, wanted, within: 2e-7, "add_scaled")
    let scaled = results(count) { kernel_scale_shift($0, 3, -0.5, x.elements, count) }
    expectClose(scaled, x.mapped { 3 * $0 - 0.5 }, within: 2e-7, "scale_shift")
  }

  @Test(arguments: counts) func activations(count: Int) {
    let x = Tensor.random([count], scale: 4)
    let silu = results(count) { kernel_silu($0, x.elements, count) }
    expectClose(silu, x.mapped(Reference.silu), within: 2e-7, "silu")
    let gelu = results(count) { kernel_gelu($0, x.elements, count) }
    expectClose(gelu, x.mapped(Reference.gelu), within: 2e-7, "gelu")
    let quick = results(count) { kernel_quick_gelu($0, x.elements, count) }
    expectClose(quick, x.mapped(Reference.quickGELU), within: 2e-7, "quick_gelu")
  }

  @Test(arguments: [1, 5], [1, 7, 16, 65]) func gatedGELU(rows: Int, width: Int) {
    let x = Tensor.random([rows, 2 * width], scale: 2)
    let y = results(rows * width) { kernel_geglu($0, width, x.elements, rows, width) }
    expectClose(y.reshaped([rows, width]), Reference.gatedGELU(x), within: 3e-7, "geglu")
  }

  // One channel and a query of 1: the scores are the keys. Query `used - 1` sees the first `used` of them.
  @Test(arguments: counts.dropFirst(), [Float(1), 300]) func softmax(keys: Int, scale: Float) {
    for used in Set([1, (keys + 1) / 2, keys]) {
      let x = Tensor.random([keys], scale: scale)
      let values = Tensor.random([keys], seed: 1)
      var y: Float = 0
      let found = results(keys) { probabilities in
        x.withElements { k in
          values.withElements { v in
            var head = kernel_head(
              k: k.baseAddress, v: v.baseAddress, keys: keys, size: 1, key_stride: 1, stride: 1, causal: true)
            var scratch = [Float](repeating: 0, count: kernel_attention_scratch(&head))
            kernel_attention(&y, &head, [1], used - 1, 1, &scratch, probabilities)
          }
        }
      }
      let shares = Reference.softmax(x.elements.prefix(used).map(Double.init))
      let wanted = Tensor(shares.map { Float($0) } + Array(repeating: 0, count: keys - used), [keys])
      expectClose(found, wanted, within: 5e-7, "softmax of \(used) of \(keys)")
      #expect(found.elements[used...].allSatisfy { $0 == 0 })
      let sum = zip(shares, values.elements).reduce(0) { $0 + $1.0 * Double($1.1) }
      expectClose(Tensor([y], [1]), Tensor([Float(sum)], [1]), within: 2e-6, "sum of \(used) of \(keys)")
    }
  }

  // A large mean, and a variance below ε, lose no digits.
  @Test(arguments: [1, 3, 17, 65, 257], [(Float(1), Float(0)), (1, 1000), (1e-4, 0)])
  func layerNorm(width: Int, spread: (scale: Float, shift: Float)) {
    let x = Tensor.random([5, width], scale: spread.scale, plus: spread.shift)
    let (weight, bias) = (Tensor.random([width], seed: 1), Tensor.random([width], seed: 2))
    let y = results(x.count) {
      kernel_layer_norm($0, x.elements, weight.elements, bias.elements, 1e-5, 5, width)
    }
    let wanted = Reference.layerNorm(x, weight: weight, bias: bias, epsilon: 1e-5)
    expectClose(y.reshaped(x.shape), wanted, within: spread.shift > 0 ? 1e-4 : 1e-6, "layer_norm")
  }

  @Test(arguments: [1, 31, 33, 100], [1, 7, 63, 64, 65, 130]) func channelMoments(rows: Int, width: Int) {
    let x = Tensor.random([rows, width], plus: 10)
    let shift = Tensor.random([width], seed: 1, plus: 10)
    var (sum, squares) = ([Double](repeating: 0.5, count: width), [Double](repeating: 1.5, count: width))
    kernel_channel_moments(&sum, &squares, shift.elements, x.elements, rows, width)
    for c in 0..<width {
      let distances = (0..<rows).map { Double(x[$0 * width + c]) - Double(shift[c]) }
      let size = distances.reduce(1) { $0 + $1 * $1 }
      #expect(abs(sum[c] - 0.5 - distances.reduce(0, +)) < 1e-6 * size, "sum of channel \(c)")
      #expect(
        abs(squares[c] - 1.5 - distances.reduce(0) { $0 + $1 * $1 }) < 1e-6 * size, "squares of channel \(c)")
    }
  }

  @Test(arguments: [1, 5], [1, 7, 16, 65]) func normalize(rows: Int, width: Int) {
    let x = Tensor.random([rows, width], plus: 1000)
    let center = Tensor.random([width], seed: 3, plus: 1000)
    let (scale, shift) = (Tensor.random([width], seed: 1), Tensor.random([width], seed: 2))
    for silu in [false, true] {
      let y = results(x.count) {
        kernel_normalize(
          $0, x.elements, center.elements, scale.elements, shift.elements, silu, rows, width)
      }
      let wanted = (0..<x.count).map {
        let c = $0 % width
        let z = (Double(x[$0]) - Double(center[c])) * Double(scale[c]) + Double(shift[c])
        return Float(silu ? Reference.silu(z) : z)
      }
      expectClose(y, Tensor(wanted, [x.count]), within: 4e-7, "normalize")
    }
  }

  @Test(arguments: [(1, 1), (1, 5), (2, 3), (7, 5), (6, 8)], [1, 3]) func patches(
    _ size: (Int, Int), kernel: Int
  ) {
    let (height, width) = size
    let channels = 3
    let x = Tensor.random([height, width, channels])
    for stride in [1, 2] {
      let (tall, wide) = ((height + stride - 1) / stride, (width + stride - 1) / stride)
      var window = kernel_window(
        height: height, width: width, channels: channels, out_width: wide, kernel: kernel, stride: stride,
        padding: kernel / 2)
      let row = kernel * kernel * channels
      let range = tall * wide / 3..<tall * wide
      let y = results(range.count * row) {
        kernel_patches($0, x.elements, &window, range.lowerBound, range.upperBound)
      }
      for place in 0..<y.count {
        let pixel = range.lowerBound + place / row
        let line = pixel / wide * stride + place % row / channels / kernel - kernel / 2
        let column = pixel % wide * stride + place % row / channels % kernel - kernel / 2
        let isInside = (0..<height).contains(line) && (0..<width).contains(column)
        let wanted = isInside ? x[(line * width + column) * channels + place % channels] : 0
        #expect(y[place] == wanted, "pixel \(pixel), place \(place % row), stride \(stride)")
      }
    }
  }

  // The three transforms with the products between them are a convolution, in one go or tile by tile.
  @Test(arguments: [(1, 1), (1, 5), (4, 4), (7, 5), (9, 13)], [(1, 1), (3, 5), (16, 17), (33, 31)])
  func winograd(_ size: (height: Int, width: Int), _ channels: (inputs: Int, outputs: Int)) {
    let (height, width) = size
    let (inputs, outputs) = channels
    let x = Tensor.random([1, height, width, inputs])
    let (weight, bias) = (Tensor.random([outputs, inputs, 3, 3], seed: 1), Tensor.random([outputs], seed: 2))
    let across = (width + 3) / 4
    let tiles = across * ((height + 3) / 4)
    var source = kernel_map(
      height: height, width: width, channels: inputs, tiles_across: across, tiles: tiles)
    var target = kernel_map(
      height: height, width: width, channels: outputs, tiles_across: across, tiles: tiles)
    let plane = outputs * Int(KERNEL_WEIGHT_STRIDE)
    let u = results(36 * plane) { u in
      weight.withElements {
        var weights = kernel_weights(
          elements: $0.baseAddress, format: kernel_f32, outputs: outputs, depth: 9 * inputs)
        let stride = Int(KERNEL_WEIGHT_STRIDE)
        kernel_winograd_weights(u, plane, stride, &weights, 0, 1, 0, inputs)
        kernel_winograd_weights(u + stride, plane, stride, &weights, 1, outputs, 0, inputs)
      }
    }
    // [36][groups of tiles][inputs][16 tiles], in one go or some inputs after the others.
    let groups = (tiles + 15) / 16
    let (group, inputPlane) = (inputs * 16, groups * inputs * 16)
    let v = results(36 * inputPlane) { v in
      for index in 0..<groups {
        kernel_winograd_input(
          v + index * group, inputPlane, x.elements, &source, 0, inputs, index * 16,
          min(tiles, index * 16 + 16))
      }
    }
    let vByParts = results(v.count) { v in
      for some in [0..<inputs / 2, inputs / 2..<inputs] {
        for index in 0..<groups {
          kernel_winograd_input(
            v + index * group + some.lowerBound * 16, inputPlane, x.elements, &source, some.lowerBound,
            some.count, index * 16, min(tiles, index * 16 + 16))
        }
      }
    }
    #expect(v.elements == vByParts.elements)
    let missing = (0..<v.count).filter { $0 / group % groups * 16 + $0 % 16 >= tiles }
    #expect(missing.allSatisfy { v[$0] == 0 }, "behind the last tile")
    // [36][outputs][tiles, filled up].
    let across16 = groups * 16
    let products = (0..<36).flatMap { place in
      let tiles = Tensor(
        (0..<across16 * inputs).map {
          v[place * inputPlane + $0 / inputs / 16 * group + $0 % inputs * 16 + $0 / inputs % 16]
        }, [across16, inputs])
      let kernel = Tensor(
        (0..<outputs).flatMap { output in
          let start = place * plane + output * Int(KERNEL_WEIGHT_STRIDE)
          return u.elements[start..<start + inputs]
        }, [outputs, inputs])
      return Reference.product(kernel, tiles).elements
    }
    let wanted = Reference.convolution(x, weight, bias: bias)
    let outputPlane = outputs * across16
    let set = results(wanted.count) {
      kernel_winograd_output(
        $0, products, outputPlane, across16, bias.elements, false, &target, 0, outputs, 0, tiles)
    }
    expectClose(set.reshaped(wanted.shape), wanted, within: 4e-6, "set")
    let old = Tensor.random(wanted.shape, seed: 3)
    let added = results(wanted.count) { y in
      y.update(from: old.elements, count: old.count)
      products.withUnsafeBufferPointer {
        for some in [0..<outputs / 2, outputs / 2..<outputs] {
          for first in Swift.stride(from: 0, to: tiles, by: 16) {
            kernel_winograd_output(
              y, $0.baseAddress! + some.lowerBound * across16 + first, outputPlane, across16, bias.elements,
              true,
              &target, some.lowerBound, some.count, first, min(tiles, first + 16))
          }
        }
      }
    }
    expectClose(added.reshaped(wanted.shape), wanted + old, within: 4e-6, "added")
  }
}
