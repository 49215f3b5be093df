import SDLensCore
import SDLensEncoders
import SDLensSparse

/// Names a feature by the phrase of a vocabulary that tells its pictures best from others, in CLIP's space.
///
/// With the cosines c of a phrase and the n strongest pictures, c' of it and m pictures in which the feature is not
/// active, the phrase with the largest Welch statistic `(mean c − mean c') ∕ √(var c ∕ n + var c' ∕ m + ε²)` is taken,
/// of equal ones the first: what fits all pictures with the feature and none of the others beats what fits some of
/// them better. Only a phrase that fits them better on average is taken at all.
public struct CLIPAnnotator: Annotator {
  /// `clip`.
  public var source: String { "clip" }
  /// The fingerprint of its weights.
  public var model: String? { "clip \(encoder.clip.fingerprint)" }
  /// Many pictures: they cost little.
  public var plan: SheetPlan { SheetPlan(unrelated: 40, strongest: 10, unrelatedPool: 200) }

  private let encoder: CaptionEncoder
  private let texts: UnitVectors
  /// Differences of cosines that tell nothing.
  static let noise = 0.01

  /// With an encoder and the phrases of its vocabulary.
  ///
  /// - Throws: `FileError` when an embedding cannot be kept.
  public init(_ encoder: CaptionEncoder) throws {
    self.encoder = encoder
    texts = UnitVectors(try encoder.embeddings(of: encoder.vocabulary.entries.map(\.caption)))
  }

  /// The best phrase.
  ///
  /// - Throws: `FileError` when an embedding cannot be kept.
  public func caption(of sheet: FeatureSheet) throws -> FeatureCaption? {
    let with = try encoder.embeddings(of: sheet.strongest.map(\.picture))
    let without = try encoder.embeddings(of: sheet.unrelated)
    return Self.best(with: with, without: without, among: texts).map {
      caption(encoder.vocabulary.entries[$0].caption, of: sheet)
    }
  }

  /// The number of the text that tells pictures [n, width] best from others [m, width]; nil where none fits better.
  static func best(with: Tensor, without: Tensor, among texts: UnitVectors) -> Int? {
    guard with.rows > 0 else { return nil }
    let found = UnitVectors(with).cosines(with: texts)
    let others = without.rows > 0 ? UnitVectors(without).cosines(with: texts) : nil
    func moments(_ cosines: Matrix?, _ text: Int) -> (mean: Double, error: Double) {
      guard let cosines else { return (0, 0) }
      let values = (0..<cosines.rows).map { cosines[$0, text] }
      let mean = Bootstrap.mean(values)
      let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(max(1, values.count - 1))
      return (mean, variance / Double(values.count))
    }
    let scores = (0..<texts.count).map { text in
      let (own, other) = (moments(found, text), moments(others, text))
      return (own.mean - other.mean) / (own.error + other.error + noise * noise).squareRoot()
    }
    return scores.indices.max { (scores[$0], -$0) < (scores[$1], -$1) }.flatMap { scores[$0] > 0 ? $0 : nil }
  }
}

/// CLIP, for pictures and captions.
public struct CaptionEncoder: Sendable {
  /// What encodes.
  public let clip: CLIP
  /// The phrases that captions may be.
  public let vocabulary: Vocabulary
  let cache: EmbeddingCache?

  /// Pictures [pictures, width].
  func embeddings(of pictures: [Picture]) throws -> Tensor { try clip.embeddings(of: pictures, cache: cache) }

  /// Captions [captions, width]: of each the mean direction of what CLIP reads for it.
  func embeddings(of captions: [String]) throws -> Tensor {
    let means = try captions.flatMap { caption in
      let units = UnitVectors(try clip.embeddings(of: vocabulary.texts(for: caption), cache: cache))
      return (0..<clip.width).map { column in
        Float((0..<units.count).reduce(0) { $0 + units.matrix[$1, column] } / Double(units.count))
      }
    }
    return Tensor(means, [captions.count, clip.width])
  }
}

extension MetricSession {
  /// CLIP with a vocabulary; nil where there is no CLIP.
  public func captionEncoder(_ vocabulary: Vocabulary) -> CaptionEncoder? {
    clip.map { CaptionEncoder(clip: $0, vocabulary: vocabulary, cache: clipCache) }
  }
}
