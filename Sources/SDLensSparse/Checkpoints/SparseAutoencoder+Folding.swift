import Foundation
import SDLensCore

// What other projects do beside `z = W_enc (h − b_pre) + b_act` and the selection, as part of these.
extension SparseAutoencoder {
  /// Makes of a dictionary for vectors that were multiplied by a factor one for the vectors themselves.
  mutating func foldScale(_ factor: Double) {
    encoder = Tensor(encoder.elements.map { Float(Double($0) * factor) }, encoder.shape)
    decoder = Tensor(decoder.elements.map { Float(Double($0) / factor) }, decoder.shape)
    preBias = Tensor(preBias.elements.map { Float(Double($0) / factor) }, preBias.shape)
  }

  /// Makes `W_enc (h − b_pre) + b_act` of what was `W_enc h + b_act`.
  mutating func foldMissingCentre() {
    let (encoder, preBias) = (encoder, preBias)
    for feature in 0..<features {
      let product = (0..<width).reduce(0) {
        $0 + Double(encoder[feature * width + $1]) * Double(preBias[$1])
      }
      latentBias[feature] = Float(Double(latentBias[feature]) + product)
    }
  }

  /// Whether every direction has length 1 by `torch.allclose`.
  var hasUnitDirections: Bool {
    (0..<features).allSatisfy { feature in
      let norm = (feature * width..<(feature + 1) * width).reduce(0) {
        $0 + Double(decoder[$1]) * Double(decoder[$1])
      }.squareRoot()
      return abs(norm - 1) <= 1.001e-5
    }
  }

  /// Gives every direction length 1 and its length to encoder and bias; returns how many are zero.
  mutating func foldDecoderNorms() -> Int {
    var silent = 0
    var (encoder, decoder) = (encoder, decoder)
    for feature in 0..<features {
      let row = feature * width..<(feature + 1) * width
      let norm = row.reduce(0) { $0 + Double(decoder[$1]) * Double(decoder[$1]) }.squareRoot()
      silent += norm == 0 ? 1 : 0
      latentBias[feature] = Float(Double(latentBias[feature]) * norm)
      for index in row {
        encoder[index] = Float(Double(encoder[index]) * norm)
        if norm > 0 { decoder[index] = Float(Double(decoder[index]) / norm) }
      }
    }
    (self.encoder, self.decoder) = (encoder, decoder)
    return silent
  }

  /// A dictionary whose features are gated: `a = ReLU(e^r ∘ (W_enc (h − b_pre)) + b_mag)` where
  /// `W_enc (h − b_pre) + b_gate > 0`, else 0 (Rajamanoharan et al. 2024, eq. 6 and 9).
  ///
  /// As a pre-activation is `z = e^r x + b_mag` of the gate's `x`, a gate is open where `z > b_mag − e^r b_gate`: thresholds.
  ///
  /// - Parameters:
  ///   - scales: `r`, [features].
  ///   - gates: `b_gate`, [features].
  ///   - magnitudes: `b_mag`, [features].
  init(
    gatedEncoder encoder: Tensor, scales: Tensor, gates: Tensor, magnitudes: Tensor, decoder: Tensor,
    preBias: Tensor
  ) {
    let (features, width) = (encoder.shape[0], encoder.shape[1])
    let factors = scales.elements.map { exp(Double($0)) }
    let thresholds = (0..<features).map { Float(Double(magnitudes[$0]) - factors[$0] * Double(gates[$0])) }
    self.init(
      .threshold(thresholds),
      encoder: Tensor(
        (0..<encoder.count).map { Float(Double(encoder[$0]) * factors[$0 / width]) }, encoder.shape),
      decoder: decoder, preBias: preBias, latentBias: magnitudes)
  }
}
