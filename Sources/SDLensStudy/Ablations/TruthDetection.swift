import SDLensShapes

/// How well the truth tells when a feature is active, as a reader would who knows the one value that explains it best.
///
/// A value explains a feature with the balanced accuracy `(P(value | active) + P(no value | silent)) ∕ 2` over pictures. The
/// best value is chosen on one half of the pictures and measured on the other; .5 is chance. Studies of language models
/// measure the same with a model that reads explanations (“detection”).
public enum TruthDetection {
  /// For each feature the balanced accuracy; nil where either half has no picture in which it is active, or none in which
  /// it is silent.
  public static func scores(_ scorer: FactorScorer) -> [Double?] {
    (0..<scorer.choosing.pictures.count).map { feature in
      let chosen = ShapesTruth.labels.indices.compactMap { label in
        accuracy(of: label, feature, scorer.choosing).map { (label: label, accuracy: $0) }
      }
      let best = chosen.max { ($0.accuracy, $1.label) < ($1.accuracy, $0.label) }
      return best.flatMap { accuracy(of: $0.label, feature, scorer.measuring) }
    }
  }

  private static func accuracy(of label: Int, _ feature: Int, _ half: FactorScorer.Half) -> Double? {
    let active = half.pictures[feature]
    let rows = half.pictureLabels.rows.count
    guard 1..<rows ~= active.count else { return nil }
    let hits = active.count { half.pictureLabels.has(label, row: Int($0.row)) }
    let missed = half.pictureLabels.positives[label] - hits
    return (Double(hits) / Double(active.count) + 1 - Double(missed) / Double(rows - active.count)) / 2
  }
}
