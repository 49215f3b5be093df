import SDLensCore
import SDLensSparse

/// How much too short reconstructions are: the factor by which they would have to be divided to fit best.
///
/// `γ = argmin_γ' Σ‖x̂ / γ' − x‖² = Σ‖x̂‖² / Σ⟨x̂, x⟩`, with `b_pre` taken off both; below 1 they are too short. Source:
/// Rajamanoharan et al., "Improving dictionary learning with gated sparse autoencoders", 2024, eq. 10 (there without
/// taking off the bias).
public struct Shrinkage: Sendable {
  private var pairs: [(part: Double, whole: Double)] = []

  /// No pictures yet.
  public init() {}

  /// Adds a picture by its vectors, [places, width], and their codes.
  public mutating func add(_ rows: Tensor, _ codes: Codes, _ autoencoder: SparseAutoencoder) {
    let (x, y) = (autoencoder.centered(rows), autoencoder.centered(autoencoder.decode(codes)))
    pairs.append(
      x.withElements { x in
        y.withElements { y in
          y.indices.reduce((part: 0, whole: 0)) { sums, index in
            (
              sums.part + Double(y[index]) * Double(y[index]),
              sums.whole + Double(y[index]) * Double(x[index])
            )
          }
        }
      })
  }

  /// `γ`, with the interval of pictures drawn anew; nil where nothing is reconstructed.
  public var estimate: Estimate? { Estimate(ratioOf: pairs) }
}
