import SDLensCore
import SDLensDiffusion
import SDLensSparse

/// How alike all pictures are in which a feature is active, each pair weighted by both activations.
///
/// `MS = Σ_{n<m} a_n a_m cos(e_n, e_m) / Σ_{n<m} a_n a_m`; dividing the activations by their maximum, as the source
/// does, changes nothing. Source: Pach et al., "Sparse Autoencoders Learn Monosemantic Features in Vision-Language
/// Models", 2025.
public enum Monosemanticity {
  /// The score of a feature; nil when fewer than two activations are above 0.
  ///
  /// - Parameters:
  ///   - embeddings: of pictures.
  ///   - strengths: of the feature in each of them, never negative.
  public static func value(of embeddings: UnitVectors, strengths: [Float]) -> Double? {
    precondition(embeddings.count == strengths.count)
    guard strengths.count(where: { $0 > 0 }) > 1 else { return nil }
    // Σ over pairs from the square of the sum: a dictionary's feature may have thousands of pictures.
    var sum = [Double](repeating: 0, count: embeddings.matrix.columns)
    var (own, total, squares) = (0.0, 0.0, 0.0)
    for (row, strength) in strengths.enumerated() where strength > 0 {
      let weight = Double(strength)
      var length = 0.0
      for (column, value) in embeddings.matrix.row(row).enumerated() {
        sum[column] += weight * value
        length += value * value
      }
      own += weight * weight * length
      total += weight
      squares += weight * weight
    }
    return (sum.reduce(0) { $0 + $1 * $1 } - own) / (total * total - squares)
  }
}

/// `monosemanticity`, as `eval` measures it.
enum MonosemanticityMetric: FeatureMetric {
  static let name = "monosemanticity"
  static let abstract = "How alike all pictures of a feature are, by activation."
  static let discussion = """
    The mean CLIP similarity of all pairs of up to 100 pictures in which a feature is active, weighted \
    by both activations (Pach et al., 2025).
    """
  static let needs: Set<MetricNeed> = [.clip, .examples, .weakExamples, .recorded]
  /// It looks at most of the recorded pictures.
  static let isSlow = true
  /// Pictures whose pairs are compared.
  private static let pictures = 100

  static func outcome(of feature: Int, at block: BlockName, in session: MetricSession) throws
    -> MetricOutcome
  {
    guard let examples = session.dictionaries[block]?.examples else {
      return MetricOutcome(skip: .tooFewPictures)
    }
    let all = examples[feature]
    var random = session.random("monosemanticity \(feature)")
    let chosen = random.permutation(all.count).prefix(pictures).sorted().map { all[$0] }
    guard chosen.count > 1 else { return MetricOutcome(skip: .tooFewPictures) }
    let units = UnitVectors(try session.embeddings(ofPictures: chosen.map(\.picture)))
    return MetricOutcome(
      Monosemanticity.value(of: units, strengths: chosen.map(\.strength)), else: .tooFewPictures)
  }
}
