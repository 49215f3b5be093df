import SDLensShapes

/// For every value of every factor the single feature that tells it best, as `FactorScorer` finds them.
public struct FactorScores: Sendable, Equatable {
  /// A feature and how well it tells a value.
  public struct Best: Sendable, Equatable {
    /// The feature or direction.
    public let feature: Int
    /// Whether it is the direction's opposite.
    public let isNegative: Bool
    /// Its AUROC on the pictures on which it was chosen.
    public let chosen: Double
    /// Its AUROC on the other pictures, and what each of them adds: the one to report.
    public let parts: AUROCParts
    /// Its AUROC on the other pictures.
    public var measured: Double { parts.area }
    /// How many of the rows it was measured on have the value.
    public let positives: Int
    /// How many rows it was measured on.
    public let rows: Int
  }

  /// Over whole pictures, in the order of `ShapesTruth.labels`; nil where a half has no picture with the value,
  /// or none without.
  public let pictures: [Best?]
  /// Over places, likewise.
  public let places: [Best?]

  /// The mean measured AUROC over a factor's values, or over all, per picture or per place; nil when none was measured.
  public func mean(of factor: ShapesWorld.Factor?, in level: KeyPath<FactorScores, [Best?]>) -> Estimate? {
    AUROCParts(
      meanOf: zip(ShapesTruth.labels, self[keyPath: level]).compactMap { label, best in
        factor == nil || label.factor == factor ? best?.parts : nil
      })?.estimate
  }
}
