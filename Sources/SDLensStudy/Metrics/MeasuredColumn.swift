/// What a metric found for one block or baseline, in one column of its table.
public struct MeasuredColumn: Sendable, Codable, Equatable {
  /// The name of the metric.
  public let metric: String
  /// A block, or the name of a baseline.
  public let subject: String
  /// Whether the subject is a baseline.
  public let isBaseline: Bool
  /// The column of the table.
  public let column: String
  /// The features of the values; empty where they are of something else.
  public let features: [Int]
  /// A value for each feature, picture or sample, or one for all.
  public let values: [Double]
  /// How many features have no value, by the reason.
  public let skipped: [String: Int]
  /// The mean of the values; nil without any.
  public let mean: Double?
  /// Their standard deviation, of the population.
  public let deviation: Double?
  /// Of how many the mean is: values, or where there is only one what that is made of.
  public let n: Int
  /// The 95 % interval of the mean.
  public let interval: [Double]?

  /// Sums up values; `estimate` tells of how many a single one is, and its interval.
  public init(
    _ metric: String, _ subject: String, _ column: String, features: [Int] = [], values: [Double],
    estimate: Estimate? = nil, skipped: [String: Int] = [:], isBaseline: Bool = false
  ) {
    (self.metric, self.subject, self.column, self.isBaseline) = (metric, subject, column, isBaseline)
    (self.features, self.values, self.skipped) = (features, values, skipped)
    let summary = MeanAndDeviation(values)
    (mean, deviation) = (summary?.mean, summary?.deviation)
    let estimate = estimate ?? Estimate(meanOf: values)
    (n, interval) = (estimate?.n ?? 0, estimate?.interval)
  }

  /// M (S), or the value alone where there is one only; a dash without any.
  public func text(decimals: Int) -> String {
    guard let summary = MeanAndDeviation(values) else { return "–" }
    let text = summary.text(decimals: decimals)
    return values.count > 1 ? text : String(text.prefix { $0 != " " })
  }
}
