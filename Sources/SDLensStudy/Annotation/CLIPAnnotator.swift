import SDLensCore
import SDLensEncoders
import SDLensSparse

/// Names a feature by the phrase of a vocabulary that tells its pictures best from others, in CLIP's space.
///
/// Of the strongest pictures and of some in which the feature is not active, the phrase is taken whose cosines correlate
/// best with whether the feature is active (Pearson), of equal ones the first: what fits all pictures with the feature
/// and none of the others beats what fits some of them better. None is taken that does not correlate.
public struct CLIPAnnotator: Annotator {
  /// `clip`.
  public var source: String { "clip" }
  /// The fingerprint of its weights.
  public var model: String? { "clip \(encoder.clip.fingerprint)" }
  /// Many pictures: they cost little.
  public var plan: SheetPlan { SheetPlan(unrelated: 40, strongest: 10, unrelatedPool: 200) }

  private let encoder: CaptionEncoder
  private let texts: UnitVectors
  /// Correlations up to this are those of rounding.
  private static let least = 1e-6

  /// With an encoder and the phrases of its vocabulary.
  ///
  /// - Parameter count: takes the first phrases only, as an estimate does.
  /// - Throws: `FileError` when an embedding cannot be kept.
  public init(_ encoder: CaptionEncoder, phrases count: Int = .max) throws {
    self.encoder = encoder
    texts = UnitVectors(try encoder.embeddings(of: encoder.vocabulary.entries.prefix(count).map(\.caption)))
  }

  /// All that CLIP reads in the stead of phrases, each once.
  var phrases: [String] { Set(encoder.vocabulary.entries.flatMap(\.texts)).sorted() }

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

  /// The number of the text that tells pictures [n, width] best from others [m, width]; without others the one nearest
  /// to the pictures. Nil without pictures, and where no text tells them.
  package static func best(with: Tensor, without: Tensor, among texts: UnitVectors) -> Int? {
    guard with.rows > 0 else { return nil }
    let own = UnitVectors(with).cosines(with: texts)
    let others = without.rows > 0 ? UnitVectors(without).cosines(with: texts) : nil
    let scores = (0..<texts.count).map { text in
      let found = (0..<own.rows).map { own[$0, text] }
      guard let others else { return Bootstrap.mean(found) }
      return correlation(found, (0..<others.rows).map { others[$0, text] })
    }
    return scores.indices.max { (scores[$0], -$0) < (scores[$1], -$1) }.flatMap {
      scores[$0] > least ? $0 : nil
    }
  }

  /// Pearson's correlation of values with which of two lists they are in; 0 where all are equal.
  private static func correlation(_ with: [Double], _ without: [Double]) -> Double {
    let mean = Bootstrap.mean(with + without)
    let variance = Bootstrap.mean((with + without).map { ($0 - mean) * ($0 - mean) })
    guard variance > 1e-18 else { return 0 }
    let share = Double(with.count) / Double(with.count + without.count)
    return (Bootstrap.mean(with) - Bootstrap.mean(without)) * (share * (1 - share) / variance).squareRoot()
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
