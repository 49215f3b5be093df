import CKernels
import SDLensCore

/// The pre-activations of the features that may be dead, of every row of a batch.
struct Candidates {
  /// The features, in order.
  let features: [Int32]
  private let places: Places
  /// [rows, features.count]
  private var values: Tensor

  /// Room for a batch.
  init(_ features: [Int32], of all: Int, rows: Int) {
    self.features = features
    places = Places(features, of: all)
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

  /// ReLU of the `k` largest pre-activations of each row among `chosen` features, in any order.
  func codes(k: Int, of chosen: Places) -> Codes {
    let dead = chosen.list.map { places[$0] }
    let slots = max(1, min(k, dead.count))
    var codes = Codes(rows: values.shape[0], slots: slots)
    guard !dead.isEmpty else { return codes }
    let width = features.count
    codes.withSlots { indices, values in
      nonisolated(unsafe) let (indices, values) = (indices.baseAddress!, values.baseAddress!)
      self.values.withElements { z in
        Parallel.forRanges(z.count / width, grain: 16) { rows in
          var positive = [Int32](repeating: 0, count: dead.count + 1)
          var amounts = [Float](repeating: 0, count: dead.count + 1)
          var order = [Int32](repeating: 0, count: slots)
          for row in rows {
            var count = 0
            // Without a branch, which would go one way as often as the other.
            for place in dead {
              let value = z[row * width + place]
              (positive[count], amounts[count]) = (features[place], value)
              count += value > 0 ? 1 : 0
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
