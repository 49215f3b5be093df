import CKernels
import SDLensCore
import SDLensTestSupport
import Testing

/// Products of floats and of integers, by rows and the other way round.
extension KernelTests {
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
            y, outputs, packed.elements, false, rows, &weights, some.lowerBound, some.upperBound, nil,
            kernel_set)
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
          kernel_shorts_panel(panel + input / chunk * panelSize, 0, &weights, input)
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
          kernel_product($0, outputs, floats.elements, false, rows, &weights, 0, outputs, nil, kernel_set)
        } columns: {
          kernel_columns($0, stride, floats.elements, rows, &weights, accumulate)
        }
        panel.withElements {
          var kept = kernel_weights(
            elements: $0.baseAddress, format: kernel_panel, outputs: outputs, depth: depth)
          check("integers") {
            kernel_shorts_product($0, outputs, integers.elements, rows, &weights, 0, outputs, nil, kernel_set)
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
      for group in 0..<kernel_packed_groups(strassen, rows, depth) {
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
            bias.elements, accumulate ? kernel_add : kernel_set)
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
