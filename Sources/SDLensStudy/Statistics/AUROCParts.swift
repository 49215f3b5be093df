import SDLensCore

/// What each of several groups of rows, such as the places of one picture, adds to an area under the ROC curve.
///
/// With `A = Σ_p V(p) / P`, `V(p)` the share of negatives below a positive and `W(n)` the share of positives above a
/// negative, the part of a group is `ψ = Σ_p (V(p) − A) / P + Σ_n (W(n) − A) / N` over its rows; the parts add up to 0,
/// and `C / (C − 1) Σ ψ²` over `C` groups is the variance of `A` when whole groups are drawn. Of one row each that is
/// DeLong's, of more Obuchowski's ("Nonparametric analysis of clustered ROC curve data", 1997) up to its factors
/// `C / (C − 1)` of the three sums. The parts of a mean of areas are the means of their parts.
public struct AUROCParts: Sendable, Equatable {
  /// The area, or the mean of several.
  public let area: Double
  /// The part of each group.
  public let parts: [Double]

  /// Of dense scores, not NaN, in groups of `rows` one after the other; nil when no row or every row is positive.
  public init?(_ scores: [Float], positive: [Bool], rows: Int) {
    precondition(scores.count == positive.count && rows > 0 && scores.count % rows == 0, "parts of groups")
    let positives = positive.count { $0 }
    let (p, n) = (Double(positives), Double(scores.count - positives))
    guard p > 0, n > 0 else { return nil }
    let order = scores.indices.sorted { scores[$0] < scores[$1] }
    var shares = [Double](repeating: 0, count: scores.count)
    var (start, positivesBelow, doubled) = (0, 0, 0)
    while start < order.count {
      let score = scores[order[start]]
      let end = order[start...].firstIndex { scores[$0] != score } ?? order.count
      let tied = order[start..<end].count { positive[$0] }
      // A tie counts half.
      let below = (Double(start - positivesBelow) + Double(end - start - tied) / 2) / n
      let above = (p - Double(positivesBelow) - Double(tied) / 2) / p
      for row in order[start..<end] { shares[row] = positive[row] ? below : above }
      doubled += tied * (2 * (start - positivesBelow) + end - start - tied)
      positivesBelow += tied
      start = end
    }
    let area = Double(doubled) / (2 * p * n)
    self.area = area
    parts = stride(from: 0, to: scores.count, by: rows).map { start in
      (start..<start + rows).reduce(0) { $0 + (shares[$1] - area) / (positive[$1] ? p : n) }
    }
  }

  private init(area: Double, parts: [Double]) { (self.area, self.parts) = (area, parts) }

  /// The mean of areas over the same groups; nil of none.
  public init?(meanOf all: [AUROCParts]) {
    guard let first = all.first else { return nil }
    let count = Double(all.count)
    area = all.reduce(0) { $0 + $1.area } / count
    parts = first.parts.indices.map { group in all.reduce(0) { $0 + $1.parts[group] } / count }
  }

  /// That of the opposite scores.
  var negated: AUROCParts { AUROCParts(area: 1 - area, parts: parts.map { -$0 }) }

  /// The area with its 95 % interval, that of a normal distribution within 0…1; n is the number of groups.
  public var estimate: Estimate {
    let count = Double(parts.count)
    let variance = parts.reduce(0) { $0 + $1 * $1 } * count / max(1, count - 1)
    let reach = 1.959964 * variance.squareRoot()
    return Estimate(area, n: parts.count, interval: max(0, area - reach)...min(1, area + reach))
  }
}
