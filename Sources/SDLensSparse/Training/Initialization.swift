import CKernels
import Foundation
import SDLensCore

extension SparseAutoencoder {
  /// A dictionary before training: encoder rows uniform in ±1/√width, decoder rows the same at unit length,
  /// `b_pre` as given ([width]) and `b_act` 0.
  ///
  /// The uniform numbers are those of `torch.empty(features, width).uniform_(-1/√width, 1/√width)` of a CPU
  /// generator with that seed.
  package init(untrained features: Int, k: Int, seed: Int, preBias: Tensor) {
    let width = preBias.count
    let bound = Float(1 / Double(width).squareRoot())
    var generator = MersenneTwister(seed: seed)
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

  /// The same with the directions of some of `vectors` ([rows, width]) around `b_pre` in place of random ones.
  ///
  /// A vector is chosen with a probability that grows with its squared distance from `b_pre`, none twice. Its
  /// decoder row has length 1, its encoder row length 1/k: were the k features of a vector all like it, they would
  /// reconstruct it. When there are fewer vectors than features, the directions of the others are random.
  package init(startingFrom vectors: Tensor, features: Int, k: Int, seed: Int, preBias: Tensor) {
    self.init(untrained: features, k: k, seed: seed, preBias: preBias)
    let directions = centered(vectors)
    var generator = MersenneTwister(seed: seed)
    // The smallest of exponential variates whose rates are the squared lengths: a draw without replacement.
    let keys = (0..<directions.rows).map { row in
      let length = directions.withElements {
        kernel_dot($0.baseAddress! + row * width, $0.baseAddress! + row * width, width)
      }
      let uniform = (Double(generator.bits32()) + 1) * 0x1p-32
      return (row: row, key: length > 0 ? -log(uniform) / Double(length) : .infinity)
    }
    let chosen = keys.filter { $0.key.isFinite }.sorted { ($0.key, $0.row) < ($1.key, $1.row) }.prefix(
      features)
    var unit = directions
    unit.normalizeRows()
    for (feature, choice) in chosen.enumerated() {
      for column in 0..<width { decoder[feature * width + column] = unit[choice.row * width + column] }
    }
    encoder = decoder.scaled(by: 1 / Float(k))
  }
}

extension Tensor {
  /// Scales every row to length 1; a row of zeros stays.
  mutating func normalizeRows() {
    let (rows, width) = (rows, width)
    withMutableElements { x in
      nonisolated(unsafe) let x = x.baseAddress!
      Parallel.forRanges(rows, grain: 16) { for row in $0 { Self.normalize(x + row * width, width) } }
    }
  }

  /// Scales one row to length 1; zeros stay.
  static func normalize(_ row: UnsafeMutablePointer<Float>, _ width: Int) {
    let length = kernel_dot(row, row, width).squareRoot()
    if length > 0 { kernel_scale_shift(row, 1 / length, 0, row, width) }
  }
}
