import CKernels
import SDLensCore
import SDLensTestSupport
import Testing

/// Every C kernel equals the formula in CKernels.h, at lengths around those of vector registers.
@Suite struct KernelTests {
  static let counts = [0, 1, 3, 7, 8, 15, 16, 17, 31, 33, 63, 64, 65, 257, 5000]

  /// `count` results of a kernel, checked for not writing behind them.
  private func results(_ count: Int, _ kernel: (UnsafeMutablePointer<Float>) -> Void) -> Tensor {
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
    let y = results(rows * width) { kernel_geglu($0, x.elements, rows, width) }
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

  @Test(arguments: [(1, 1), (7, 3), (16, 16), (17, 5), (40, 33), (256, 96)], [1, 7, 257, 520])
  func products(_ size: (rows: Int, outputs: Int), depth: Int) {
    for type in [ElementType.f32, .f16, .bf16] { product(size, type, depth: depth, strassen: false) }
  }

  @Test func aPanelGivesTheProductOfItsMatrix() {
    let (rows, outputs, depth) = (40, 17, 520)
    let (strip, stride) = (Int(KERNEL_DEPTH), Int(KERNEL_WEIGHT_STRIDE))
    let (x, weight) = (Tensor.random([rows, depth]), Tensor.random([outputs, depth], seed: 1))
    var panel = [Float](repeating: .nan, count: (depth + strip - 1) / strip * outputs * stride)
    for place in 0..<outputs * depth {
      let (output, input) = (place / depth, place % depth)
      panel[(input / strip * outputs + output) * stride + input % strip] = weight[place]
    }
    let packed = packed(x, strassen: false)
    let y = results(rows * outputs) { y in
      panel.withUnsafeBytes {
        var weights = kernel_weights(
          elements: $0.baseAddress, format: kernel_panel, outputs: outputs, depth: depth)
        for some in [0..<5, 5..<outputs] {
          kernel_product(
            y, outputs, packed.elements, false, rows, &weights, some.lowerBound, some.upperBound, nil, false)
        }
      }
    }
    expectClose(y.reshaped([rows, outputs]), Reference.product(x, weight), within: 2e-6, "panel")
  }

  // What is packed from rows that lie side by side is what is packed from rows, and columns are a product turned round.
  @Test(arguments: [(16, 128), (40, 520), (19, 130), (3, 7)]) func columns(_ size: (rows: Int, depth: Int)) {
    let (rows, depth) = size
    let outputs = 21
    let x = Self.roundedExactly(rows, depth)
    let weight = Tensor.random([outputs, depth], seed: 1)
    let groups = (rows + 15) / 16
    let sideBySide = Tensor(
      (0..<groups * depth * 16).map {
        let (row, input) = ($0 / depth / 16 * 16 + $0 % 16, $0 / 16 % depth)
        return row < rows ? x[row * depth + input] : 0
      }, [groups, depth, 16])
    func each(_ body: (_ group: Int, _ input: Int, _ count: Int, _ x: UnsafePointer<Float>) -> Void) {
      sideBySide.withElements { x in
        for group in 0..<groups {
          for input in stride(from: 0, to: depth, by: Int(KERNEL_INPUTS)) {
            body(
              group, input, min(Int(KERNEL_INPUTS), depth - input),
              x.baseAddress! + (group * depth + input) * 16)
          }
        }
      }
    }
    let floats = packed(x, strassen: false)
    let floatsSideBySide = results(floats.count) { packed in
      each { group, input, count, x in
        (packed + kernel_packed_offset(rows, depth, group, input)).update(from: x, count: count * 16)
      }
    }
    #expect(bits(floats) == bits(floatsSideBySide))
    let integers = results(kernel_shorts_size(rows, depth)) {
      kernel_shorts_pack($0, x.elements, rows, depth, 0, groups)
    }
    let integersSideBySide = results(integers.count) { packed in
      each { group, input, _, x in kernel_shorts_pack_lanes(packed, x, rows, depth, group, input) }
    }
    #expect(bits(integers) == bits(integersSideBySide))

    weight.withElements {
      var weights = kernel_weights(
        elements: $0.baseAddress, format: kernel_f32, outputs: outputs, depth: depth)
      let chunk = Int(KERNEL_SHORTS_DEPTH)
      let panelSize = kernel_shorts_panel_size(outputs)
      let panel = results((depth + chunk - 1) / chunk * panelSize) { panel in
        for input in Swift.stride(from: 0, to: depth, by: chunk) {
          kernel_shorts_panel(panel + input / chunk * panelSize, &weights, 0, outputs, input)
        }
      }
      let (stride, room) = (groups * 16 + 5, 32)
      for accumulate in [false, true] {
        let old = Tensor.random([room, stride], seed: 3)
        func check(
          _ name: String, product: (UnsafeMutablePointer<Float>) -> Void,
          columns: (UnsafeMutablePointer<Float>) -> Void
        ) {
          let wanted = results(rows * outputs, product)
          let found = results(old.count) {
            $0.update(from: old.elements, count: old.count)
            columns($0)
          }
          let wrong = (0..<rows * outputs).filter { place in
            let (row, output) = (place / outputs, place % outputs)
            let (sum, before) = (found[output * stride + row], accumulate ? old[output * stride + row] : 0)
            let all = before + wanted[place]
            // Sums of several chunks are added to what was there in another order.
            let isClose = depth > chunk && accumulate && abs(sum - all) <= 3e-5 * max(1, abs(all))
            return !(sum == all || isClose || sum.isNaN && all.isNaN)
          }
          #expect(wrong.isEmpty, "\(name), \(accumulate): \(wrong.prefix(3)) of \(rows) × \(outputs)")
        }
        check("floats") {
          kernel_product($0, outputs, floats.elements, false, rows, &weights, 0, outputs, nil, false)
        } columns: {
          kernel_columns($0, stride, floats.elements, rows, &weights, accumulate)
        }
        panel.withElements {
          var kept = kernel_weights(
            elements: $0.baseAddress, format: kernel_panel, outputs: outputs, depth: depth)
          check("integers") {
            kernel_shorts_product($0, outputs, integers.elements, rows, &weights, 0, outputs, nil, false)
          } columns: {
            kernel_shorts_columns($0, stride, integers.elements, rows, &kept, accumulate)
          }
        }
      }
    }
  }

  private func bits(_ x: Tensor) -> [UInt32] { x.elements.map(\.bitPattern) }

  /// Rows whose squares have the same sum in any order, as ordinary, very large, very small and no numbers.
  private static func roundedExactly(_ rows: Int, _ depth: Int) -> Tensor {
    var x = Tensor.random([rows, depth], seed: 7)
    for place in 0..<x.count {
      x[place] = (x[place] * 8).rounded() * [1, 0x1p-140, 0x1p-70, 0x1p100, 0][place / depth % 5]
    }
    if rows > 5 { (x[5 * depth], x[depth + depth / 2]) = (.nan, .infinity) }
    return x
  }

  private func packed(_ x: Tensor, strassen: Bool) -> Tensor {
    let (rows, depth) = (x.shape[0], x.shape[1])
    return results(kernel_packed_size(strassen, rows, depth)) { packed in
      for group in 0..<kernel_packed_groups(strassen, rows) {
        kernel_pack(packed, strassen, x.elements, rows, depth, group, group + 1)
      }
    }
  }

  @Test(arguments: [2, 66, 96], [2, 34, 514])
  func strassensProducts(outputs: Int, depth: Int) {
    for type in [ElementType.f32, .f16, .bf16] {
      product((Int(KERNEL_BLOCK), outputs), type, depth: depth, strassen: true)
    }
  }

  private func product(_ size: (rows: Int, outputs: Int), _ type: ElementType, depth: Int, strassen: Bool) {
    let (rows, outputs) = size
    let x = Tensor.random([rows, depth])
    let weight = Tensor.random([outputs, depth], seed: 1).rounded(to: type)
    let bias = Tensor.random([outputs], seed: 2)
    let packed = packed(x, strassen: strassen)
    let width = outputs + 3
    let old = Tensor.random([rows, width], seed: 3)
    let wanted = Reference.product(x, weight, bias: bias)
    // All outputs and some of them: by Strassen's scheme of both halves.
    let half = strassen ? outputs / 2 : outputs
    for (some, accumulate) in [(0..<half, true), (half / 2..<half, false)] {
      let y = results(old.count) { y in
        y.update(from: old.elements, count: old.count)
        safetensorsBytes(of: weight.elements, as: type).withUnsafeBytes {
          var weights = kernel_weights(
            elements: $0.baseAddress,
            format: type == .f32 ? kernel_f32 : type == .f16 ? kernel_f16 : kernel_bf16,
            outputs: outputs, depth: depth)
          kernel_product(
            y, width, packed.elements, strassen, rows, &weights, some.lowerBound, some.upperBound,
            bias.elements, accumulate)
        }
      }
      let expected = (0..<old.count).map { place in
        let (row, output) = (place / width, place % width)
        guard output < outputs, some.contains(output % half) else { return old[place] }
        return wanted[row * outputs + output] + (accumulate ? old[place] : 0)
      }
      expectClose(
        y.reshaped(old.shape), Tensor(expected, old.shape), within: strassen ? 4e-6 : 2e-6,
        "outputs \(some) of \(size), \(depth), \(type)")
    }
  }
}
