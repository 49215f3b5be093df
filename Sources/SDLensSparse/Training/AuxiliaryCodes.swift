import CKernels
import SDLensCore

/// The pre-activations of the features that may be dead, of every row of a batch.
struct Candidates {
  /// The features, in order.
  let features: [Int32]
  /// [rows, features.count]
  private var values: Tensor

  /// Room for a batch.
  init(_ features: [Int32], rows: Int) {
    self.features = features
    values = Tensor(uninitialized: [rows, features.count])
  }

  /// Keeps what is needed of the pre-activations `z` [some rows, all features] of the rows from `start` on.
  mutating func keep(_ z: Tensor, from start: Int) {
    guard !features.isEmpty else { return }
    let (features, width) = (features, z.width)
    values.withMutableElements { values in
      nonisolated(unsafe) let values = values.baseAddress! + start * features.count
      z.withElements { z in
        Parallel.forRanges(z.count / width, grain: 16) { rows in
          for row in rows {
            for (place, feature) in features.enumerated() {
              values[row * features.count + place] = z[row * width + Int(feature)]
            }
          }
        }
      }
    }
  }

  /// ReLU of the `k` largest pre-activations of some rows among the features at some `places`, and 0 for the others:
  /// [rows.count, places.count].
  func activations(_ rows: Range<Int>, k: Int, among places: [Int]) -> [Float] {
    let (width, count) = (features.count, places.count)
    var order = [Int32](repeating: 0, count: k)
    var largest = [Float](repeating: 0, count: k)
    return [Float](unsafeUninitializedCapacity: rows.count * count) { result, size in
      size = rows.count * count
      values.withElements { z in
        for (line, row) in rows.enumerated() {
          let target = UnsafeMutableBufferPointer(rebasing: result[line * count..<(line + 1) * count])
          var positive = 0
          for (j, place) in places.enumerated() {
            let value = z[row * width + place]
            target[j] = value > 0 ? value : 0
            positive += value > 0 ? 1 : 0
          }
          guard positive > k else { continue }
          kernel_top_k(&order, &largest, target.baseAddress!, count, k)
          target.update(repeating: 0)
          for (index, value) in zip(order, largest) { target[Int(index)] = value }
        }
      }
    }
  }
}
