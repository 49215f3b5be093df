import SDLensStudy

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
