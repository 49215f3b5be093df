/// The figure of a metric for each of some features, and why others have none.
public struct FeatureValues: Sendable, Equatable {
  /// Why a feature has no figure.
  public enum Skip: String, Sendable, Codable, CaseIterable {
    case tooFewPictures = "too few pictures"
    case dead = "never active"
    case noCaption = "no caption"
    case noArea = "no area inside or outside"

    /// As in `3 features were active in too few pictures`.
    public var phrase: String {
      switch self {
      case .tooFewPictures: "active in too few pictures"
      case .dead: "never active"
      case .noCaption: "without a caption"
      case .noArea: "without a part of the picture inside or outside their area"
      }
    }
  }

  /// The features that have a figure, in the order in which they came, and their figures.
  public private(set) var values: [(feature: Int, value: Double)] = []
  /// How many features were left out for each reason.
  public private(set) var skipped: [Skip: Int] = [:]

  /// Nothing yet.
  public init() {}

  /// Adds a feature's figure; nil counts it as left out.
  public mutating func add(_ value: Double?, of feature: Int, else reason: Skip) {
    if let value, value.isFinite {
      values.append((feature, value))
    } else {
      skipped[reason, default: 0] += 1
    }
  }

  /// Mean and standard deviation over the features; nil without any.
  public var summary: MeanAndDeviation? { MeanAndDeviation(values.map(\.value)) }

  /// Whether both hold the same features, figures and reasons.
  public static func == (a: Self, b: Self) -> Bool {
    a.skipped == b.skipped && a.values.elementsEqual(b.values) { $0 == $1 }
  }
}
