import CKernels
import SDLensCore

extension ScreenedProduct {
  /// The `k` largest pre-activations of each row, the largest first; those of 0 and below are left out.
  func codes(largest k: Int, _ times: inout TrainingTimes) -> Codes {
    let bias = sae.latentBias.elements
    var indices = [Int32](repeating: 0, count: x.rows * k)
    var values = [Float](repeating: 0, count: x.rows * k)
    // A piece at a time: its bounds are still in the cache when the largest are looked for.
    for start in stride(from: 0, to: x.rows, by: Self.rowsAtOnce) {
      let piece = start..<min(x.rows, start + Self.rowsAtOnce)
      let bounds = times.measure(\.product) { self.bounds(piece, bias: bias) }
      times.measure(\.selection) { keepLargest(k, of: piece, bounds, bias, &indices, &values) }
    }
    return times.measure(\.selection) {
      Codes(rows: x.rows, slots: k, indices: indices, values: values).joined(by: ranks)
    }
  }

  private func keepLargest(
    _ k: Int, of range: Range<Int>, _ bounds: Tensor, _ bias: [Float], _ indices: inout [Int32],
    _ values: inout [Float]
  ) {
    let (features, width, units) = (sae.features, sae.width, units)
    indices.withUnsafeMutableBufferPointer { indices in
      values.withUnsafeMutableBufferPointer { values in
        let (indices, values) = (indices.baseAddress!, values.baseAddress!)
        Tensor.withElements(bounds, x, sae.encoder) { bounds, x, encoder in
          // Disjoint: each row has its own slots.
          Parallel.forRanges(range.count, grain: 8) { lines in
            var found = [Int32](repeating: 0, count: features)
            var z = [Float](repeating: 0, count: features)
            for line in lines {
              let row = range.lowerBound + line
              let (index, value) = (indices + row * k, values + row * k)
              let bound = bounds + line * features
              kernel_top_k(index, value, bound, features, k)
              let least = value[k - 1] - 1e-6 * abs(value[k - 1])
              let count = kernel_screened(
                &found, bound, 2 * slack * units.rows[row], units.features, least, features)
              kernel_row_dots(&z, x + row * width, found, count, encoder, width, width)
              for j in 0..<count { z[j] += bias[Int(found[j])] }
              kernel_top_k(index, value, z, count, k)
              for j in 0..<k { index[j] = found[Int(index[j])] }
            }
          }
        }
      }
    }
  }
}
