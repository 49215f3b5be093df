import SDLensStudy

/// What a metric found for one block or baseline, in one column of its table.
struct Measurement: Codable {
  let metric: EvalMetric
  /// A block, or the name of a baseline.
  let subject: String
  let isBaseline: Bool
  let column: String
  /// The features of the values; empty where they are of something else.
  let features: [Int]
  let values: [Double]
  /// How many features have no value, by the reason.
  let skipped: [String: Int]
  let mean: Double?
  /// Of the population.
  let deviation: Double?
  /// The 95 % interval of the mean by bootstrap.
  let interval: [Double]?

  init(
    _ metric: EvalMetric, _ subject: String, _ column: String, features: [Int] = [], values: [Double],
    skipped: [String: Int] = [:], isBaseline: Bool = false
  ) {
    (self.metric, self.subject, self.column, self.isBaseline) = (metric, subject, column, isBaseline)
    (self.features, self.values, self.skipped) = (features, values, skipped)
    let summary = MeanAndDeviation(values)
    (mean, deviation) = (summary?.mean, summary?.deviation)
    // One value tells nothing of its spread.
    interval = values.count > 1 ? Bootstrap().interval(values).map { [$0.lowerBound, $0.upperBound] } : nil
  }

  /// M (S), or the value alone where there is one only; a dash without any.
  var text: String {
    guard let summary = MeanAndDeviation(values) else { return "–" }
    let text = summary.text(decimals: metric.decimals)
    return values.count > 1 ? text : String(text.prefix { $0 != " " })
  }
}

/// The values of a feature (or picture) in all columns, or why it has none.
struct FeatureOutcome: Codable {
  /// One for each column; nil for a column that was not measured.
  var values: [Double?] = []
  var skip: FeatureValues.Skip?

  /// The values, or the reason where one of them is nil.
  static func found(_ values: [Double]?, else reason: FeatureValues.Skip) -> FeatureOutcome {
    values.map { FeatureOutcome(values: $0) } ?? FeatureOutcome(skip: reason)
  }

  /// A single value, or the reason where it is nil.
  static func found(_ value: Double?, else reason: FeatureValues.Skip) -> FeatureOutcome {
    found(value.map { [$0] }, else: reason)
  }
}
