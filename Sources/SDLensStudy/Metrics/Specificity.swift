import SDLensCore
import SDLensSparse

/// How much the pictures have in common in which a feature is most active (paper, Sec. 5.2, "Interpretability").
public enum Specificity {
  /// Pictures that are compared for a feature.
  public static let pictures = 10

  /// The mean cosine over all pairs of different embeddings [pictures, width]; nil for fewer than two.
  public static func value(of embeddings: Tensor) -> Double? {
    guard embeddings.rows > 1 else { return nil }
    let (units, count) = (UnitVectors(embeddings), embeddings.rows)
    var sum = 0.0
    for first in 0..<count {
      for second in first + 1..<count { sum += units.cosine(first, with: second, of: units) }
    }
    return sum / Double(count * (count - 1) / 2)
  }

  /// Up to `count` of the feature's top 5 % pictures, chosen by a seed; the ranks go up.
  ///
  /// The rank of a picture is its place among all in which the feature is active, the strongest being 0.
  public static func sample(
    of feature: Int, in examples: FeatureExamples, count: Int = pictures, seed: Seed
  ) -> [(rank: Int, example: FeatureExamples.Example)] {
    let top = examples.top(of: feature)
    // Features draw independently: which others are asked for does not change a feature's pictures.
    var random = PCG64(seed: seed.bits &* 0x9E37_79B9_7F4A_7C15 ^ UInt64(feature))
    return random.permutation(top.count).prefix(count).sorted().map { ($0, top[$0]) }
  }
}
