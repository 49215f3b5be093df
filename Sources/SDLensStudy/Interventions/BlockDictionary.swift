import SDLensCore
import SDLensSparse

/// What edits need to know of a block's features.
public struct BlockDictionary: Sendable {
  /// The dictionary.
  public let autoencoder: SparseAutoencoder
  /// `μ_ρ`, the mean of the positive activations of each feature, [features]; 0 or NaN for a dead one. Nil when
  /// nobody measured it, so that only edits without a unit of strength can be done.
  public let means: Tensor?

  /// Puts both together; there must be a mean for every feature.
  public init(_ autoencoder: SparseAutoencoder, means: Tensor?) {
    precondition(means.map { $0.shape == [autoencoder.features] } ?? true)
    (self.autoencoder, self.means) = (autoencoder, means)
  }

  /// `f_ρ`.
  func direction(of feature: Int) -> [Float] { autoencoder.decoder.rows(feature..<feature + 1).elements }
}
