import SDLensCore

/// What the matched features of some labels reach on average, with intervals of pictures drawn anew.
public struct MatchSummary: Sendable, Codable, Equatable {
  /// The mean correlation coefficient.
  public let mcc: Estimate
  /// How many different features are the best of a label, per label.
  public let uniqueness: Double
  /// Of the features as detectors, the mean over labels.
  public let precision: Estimate
  /// Likewise.
  public let recall: Estimate
  /// Likewise, of each label's F1.
  public let f1: Estimate
  /// Nil where features have no directions.
  public let absorption: Estimate?

  /// Over labels that have a match; nil of none.
  public init?(_ found: MatchedFeatures, _ labels: some Sequence<Int>, hasDirections: Bool) {
    let labels = labels.filter { found.matches[$0] != nil }
    let matches = labels.compactMap { found.matches[$0] }
    guard let first = matches.first, let uniqueness = found.uniqueness(of: labels) else { return nil }
    let width = MatchedFeatures.Sums().values.count
    let pictures = first.parts.count
    // [pictures, labels · sums], so that a draw of pictures is a product.
    let table = Matrix(
      (0..<pictures).flatMap { picture in matches.flatMap { $0.parts[picture].values } }, rows: pictures,
      columns: matches.count * width)
    let draws = Bootstrap().counts(pictures) * table
    func means(_ row: ArraySlice<Double>, _ figure: (MatchedFeatures.Figures) -> Double) -> Double {
      let values = (0..<matches.count).compactMap { label -> Double? in
        let start = row.startIndex + label * width
        let value = figure(.init(MatchedFeatures.Sums(row[start..<start + width])))
        // Nothing to tell in this draw.
        return value.isFinite ? value : nil
      }
      return Bootstrap.mean(values)
    }
    let all = Matrix([Double](repeating: 1, count: pictures), rows: 1, columns: pictures) * table
    func estimate(_ figure: (MatchedFeatures.Figures) -> Double) -> Estimate {
      let drawn = (0..<draws.rows).map { means(draws.row($0), figure) }.sorted()
      return Estimate(
        means(all.row(0), figure), n: pictures,
        interval: Bootstrap.quantile(drawn, 0.025)...Bootstrap.quantile(drawn, 0.975))
    }
    mcc = estimate(\.correlation)
    (precision, recall, f1) = (estimate(\.precision), estimate(\.recall), estimate(\.f1))
    absorption = hasDirections ? estimate(\.absorption) : nil
    self.uniqueness = uniqueness
  }
}

extension Bootstrap {
  /// How often each of `count` things is drawn, [samples, count]: the draws of `interval`.
  func counts(_ count: Int) -> Matrix {
    var random = PCG64(seed: seed)
    var counts = Matrix(rows: samples, columns: count)
    for sample in 0..<samples { for _ in 0..<count { counts[sample, random.integer(below: count)] += 1 } }
    return counts
  }
}
