import CKernels
import Foundation
import SDLensCore

extension SparseAutoencoder {
  /// A dictionary before training: encoder rows uniform in ±1/√width, decoder rows the same at unit length,
  /// `b_pre` as given ([width]) and `b_act` 0.
  ///
  /// The uniform numbers are those of `torch.empty(features, width).uniform_(-1/√width, 1/√width)` of a CPU
  /// generator with that seed.
  package init(untrained features: Int, k: Int, seed: Seed, preBias: Tensor) {
    let width = preBias.count
    let bound = Float(1 / Double(width).squareRoot())
    var generator = MersenneTwister(seed: seed.bits)
    var encoder = Tensor(uninitialized: [features, width])
    encoder.withMutableElements { elements in
      for index in elements.indices {
        elements[index] = Float(generator.bits32() & 0xFF_FFFF) * 0x1p-24 * (bound + bound) - bound
      }
    }
    var decoder = encoder
    decoder.normalizeRows()
    self.init(
      k: k, encoder: encoder, decoder: decoder, preBias: preBias, latentBias: Tensor([features]))
  }
}

extension SparseAutoencoder {
  /// Takes some of the vectors `x = h − b_pre` as directions, each once as long as there are others, and a k-th of each as
  /// the encoder's row: the k nearest directions together then reach as far as the vector.
  mutating func start(from vectors: Tensor, k: Int, seed: Seed) {
    var random = PCG64(seed: seed.bits)
    let order = random.permutation(vectors.rows)
    for feature in 0..<features {
      let row = vectors.rows(order[feature % order.count]..<order[feature % order.count] + 1).elements
      decoder.withMutableElements { _ = $0[(feature * row.count)...].update(fromContentsOf: row) }
    }
    decoder.normalizeRows()
    encoder = decoder
    encoder.withMutableElements { for place in $0.indices { $0[place] /= Float(k) } }
  }
}

extension Tensor {
  /// Scales every row to length 1; a row of zeros stays.
  mutating func normalizeRows() {
    let width = width
    updateRows(grain: 16) { x, rows in
      for index in 0..<rows.count { Self.normalize(x + index * width, width) }
    }
  }

  /// Scales one row to length 1; zeros stay.
  static func normalize(_ row: UnsafeMutablePointer<Float>, _ width: Int) {
    let length = kernel_dot(row, row, width).squareRoot()
    if length > 0 { kernel_scale_shift(row, 1 / length, 0, row, width) }
  }
}
