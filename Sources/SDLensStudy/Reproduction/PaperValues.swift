/// What the paper measured, for SDXL-Turbo.
enum PaperValues {
  /// The figures of a subject of a metric by column, as they stand in the paper; nil where it has none.
  static func of(_ metric: String, _ subject: String) -> [String: String]? {
    if let known = Metrics.all.first(where: { $0.name == metric }) { return known.paperValues(for: subject) }
    return own[metric]?[subject]
  }

  /// The name of a column of `GridMetrics`.
  static func column(k: Int, isLarge: Bool) -> String { "k \(k), \(isLarge ? "large" : "small")" }

  /// What no metric of `eval` has: explained variance of the paper's Table 2, in percent there; and its "no dead features".
  private static let own: [String: [String: [String: String]]] = [
    TrainingPart.variance: [
      "down.2.1": row(["0.560", "0.678", "0.628", "0.737", "0.699", "0.788"]),
      "mid.0": row(["0.434", "0.508", "0.515", "0.588", "0.600", "0.665"]),
      "up.0.0": row(["0.448", "0.572", "0.525", "0.642", "0.609", "0.706"]),
      "up.0.1": row(["0.503", "0.595", "0.587", "0.671", "0.667", "0.742"]),
    ],
    TrainingPart.dead: Dictionary(
      uniqueKeysWithValues: PaperClaim.blocks.map { ($0, row(Array(repeating: "0", count: 6))) }),
  ]

  /// By k, and within it by size.
  private static func row(_ values: [String]) -> [String: String] {
    let columns = [5, 10, 20].flatMap { k in [false, true].map { column(k: k, isLarge: $0) } }
    return Dictionary(uniqueKeysWithValues: zip(columns, values))
  }
}
