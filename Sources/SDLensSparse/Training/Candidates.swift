import CKernels
import SDLensCore

/// The pre-activations of the features that may be dead, of every row of a batch.
struct Candidates {
  /// The features, in order.
  let features: [Int32]
  /// [rows of this rank, features.count]
  private let values: Tensor
  private let first: Int

  /// Computes them at the vectors `x = h − b_pre` [rows, width] that this rank has.
  init(_ features: [Int32], at x: Tensor, _ sae: SparseAutoencoder, _ shares: Shares) {
    (self.features, first) = (features, shares.own.lowerBound)
    let x = x.rows(shares.own)
    guard !features.isEmpty else {
      values = Tensor([x.rows, 0])
      return
    }
    var (weights, bias) = (Tensor(uninitialized: [features.count, x.width]), Tensor([features.count]))
    for (place, feature) in features.map(Int.init).enumerated() {
      bias[place] = sae.latentBias[feature]
      weights.withMutableElements { target in
        sae.encoder.withElements { encoder in
          let row = UnsafeBufferPointer(rebasing: encoder[feature * x.width..<(feature + 1) * x.width])
          _ = target[(place * x.width)...].update(fromContentsOf: row)
        }
      }
    }
    values = Linear(weight: WeightMatrix(weights), bias: bias)(x)
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
            let value = z[(row - first) * width + place]
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
