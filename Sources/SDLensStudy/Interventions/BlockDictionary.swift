import SDLensCore
import SDLensSparse

/// What edits need to know of a block's features.
public struct BlockDictionary: Sendable {
  /// The dictionary.
  public let autoencoder: SparseAutoencoder
  /// `μ_ρ`, the mean of the positive activations of each feature, [features]; 0 or NaN for a dead one. Nil when
  /// nobody measured it, so that only edits without a unit of strength can be done.
  public let means: Tensor?
  /// How many features are active in a vector: k, and where thresholds decide the mean of the data it was measured on;
  /// nil when nobody measured it.
  public let l0: Double?
  /// What of the block its vectors are, as in `RecordedSite`; nil when nobody knows.
  public let site: String?

  /// Puts all together; there must be a mean for every feature.
  public init(_ autoencoder: SparseAutoencoder, means: Tensor?, l0: Double? = nil, site: String? = nil) {
    precondition(means.map { $0.shape == [autoencoder.features] } ?? true)
    (self.autoencoder, self.means, self.site) = (autoencoder, means, site)
    self.l0 = autoencoder.k.map(Double.init) ?? l0
  }

  /// That of a folder.
  public init(_ folder: DictionaryFolder) {
    self.init(folder.autoencoder, means: folder.means, l0: folder.l0, site: folder.saved.site)
  }

  /// `f_ρ`.
  func direction(of feature: Int) -> [Float] { autoencoder.decoder.rows(feature..<feature + 1).elements }
}
