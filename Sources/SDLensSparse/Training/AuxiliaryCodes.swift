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

  /// ReLU of the `k` largest pre-activations of each row among the features for which `isDead`.
  func codes(k: Int, isDead: (Int32) -> Bool) -> Codes {
    let dead = features.indices.filter { isDead(features[$0]) }
    let slots = max(1, min(k, dead.count))
    var codes = Codes(rows: values.shape[0], slots: slots)
    guard !dead.isEmpty else { return codes }
    let width = features.count
    codes.withSlots { indices, values in
      nonisolated(unsafe) let (indices, values) = (indices.baseAddress!, values.baseAddress!)
      self.values.withElements { z in
        Parallel.forRanges(z.count / width, grain: 16) { rows in
          var positive = [Int32](repeating: 0, count: dead.count)
          var amounts = [Float](repeating: 0, count: dead.count)
          var order = [Int32](repeating: 0, count: slots)
          for row in rows {
            var count = 0
            for place in dead where z[row * width + place] > 0 {
              (positive[count], amounts[count]) = (features[place], z[row * width + place])
              count += 1
            }
            let slot = row * slots
            if count <= slots {
              for j in 0..<count { (indices[slot + j], values[slot + j]) = (positive[j], amounts[j]) }
            } else {
              kernel_top_k(&order, values + slot, amounts, count, slots)
              for j in 0..<slots { indices[slot + j] = positive[Int(order[j])] }
            }
          }
        }
      }
    }
    return codes
  }
}
