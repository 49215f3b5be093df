import SDLensCore

/// What one pass of a dictionary over vectors tells, wherever they are from.
public struct VectorEvaluation {
  /// How the features behave.
  public let statistics: FeatureStatistics
  /// How well the dictionary explains the vectors.
  public let variance: ExplainedVariance
  /// The principal components of the same vectors, to compare with; nil of vectors that are all equal.
  public let components: PrincipalComponents?

  /// That part of what a pass over a store tells.
  public init(_ evaluation: DictionaryEvaluation) {
    (statistics, variance, components) = (evaluation.statistics, evaluation.variance, evaluation.components)
  }

  /// Encodes every vector of a file.
  ///
  /// - Parameters:
  ///   - limit: to take the first vectors only; nil for all.
  ///   - known: the components of these vectors, where another evaluation has found them.
  ///   - progress: called with the number of vectors that were added.
  /// - Throws: `DecompositionFailed`.
  public init(
    of autoencoder: SparseAutoencoder, in file: VectorFile, limit: Int? = nil,
    components known: PrincipalComponents? = nil, progress: (Int) -> Void = { _ in }
  ) throws {
    precondition(file.width == autoencoder.width)
    var counts = FeatureCounts(features: autoencoder.features)
    var variance = ExplainedVariance(width: autoencoder.width)
    var moments = VectorMoments(width: autoencoder.width)
    let count = min(file.pictures, limit ?? .max)
    for start in stride(from: 0, to: count, by: 1024) {
      let vectors = file.rows(start..<min(count, start + 1024))
      let codes = autoencoder.encode(vectors)
      counts.add(codes)
      variance.add(vectors, autoencoder.decode(codes))
      if known == nil { moments.add(vectors) }
      progress(vectors.rows)
    }
    (statistics, self.variance) = (counts.statistics, variance)
    components = try known ?? (variance.global == nil ? nil : PrincipalComponents(moments))
  }
}
