/// What the edits of all targets did, over their pictures and over features.
public struct SteeringSummary: Sendable, Codable, Equatable {
  /// What is averaged over the pictures of a feature.
  public enum Quantity: String, Sendable, CaseIterable {
    /// The probability of the value: without edits, with −β and with β.
    case probability, loweredProbability = "probability_lowered", raisedProbability = "probability_raised"
    /// Whether −β lowers it and β keeps or raises it.
    case works
    /// The change of the picture on the object and on the rest.
    case loweredInside = "inside_lowered"
    case loweredOutside = "outside_lowered"
    case raisedInside = "inside_raised"
    case raisedOutside = "outside_raised"
    /// The probability of any object.
    case presence, loweredPresence = "presence_lowered", raisedPresence = "presence_raised"

    /// Of one picture.
    func callAsFunction(_ result: Steering.PictureResult) -> Double? {
      switch self {
      case .probability: result.before.probability
      case .loweredProbability: result.lowered.probability
      case .raisedProbability: result.raised.probability
      case .works: result.isLowered && result.isKept ? 1 : 0
      case .loweredInside: result.lowered.inside
      case .loweredOutside: result.lowered.outside
      case .raisedInside: result.raised.inside
      case .raisedOutside: result.raised.outside
      case .presence: result.before.presence
      case .loweredPresence: result.lowered.presence
      case .raisedPresence: result.raised.presence
      }
    }
  }

  /// One feature.
  public struct Row: Sendable, Codable, Equatable {
    /// The feature and its value.
    public let target: Steering.Target
    /// On how many pictures with the value the feature was active there.
    public let pictures: Int
    /// The means over pictures, by `Quantity`; empty when there were too few pictures.
    public let means: [String: Estimate]

    /// The mean of a quantity.
    public subscript(quantity: Quantity) -> Double? { means[quantity.rawValue]?.value }
  }

  /// Fewer pictures than this tell nothing of a feature.
  public static let fewest = 5

  /// The features, in the order of the targets.
  public let rows: [Row]
  /// The means over those with enough pictures, by `Quantity`: each feature counts once.
  public let means: [String: Estimate]
  /// How many features were active in too few pictures.
  public let skipped: Int
  /// The pictures of the features that have means.
  public var pictures: Int { rows.reduce(0) { $0 + ($1.means.isEmpty ? 0 : $1.pictures) } }

  /// Sums up the results of all prompts.
  public init(_ targets: [Steering.Target], _ results: [Steering.PictureResult]) {
    func means(_ values: (Quantity) -> [Double]) -> [String: Estimate] {
      Dictionary(
        uniqueKeysWithValues: Quantity.allCases.compactMap { quantity in
          Estimate(meanOf: values(quantity)).map { (quantity.rawValue, $0) }
        })
    }
    let rows = targets.enumerated().map { number, target in
      let own = results.filter { $0.target == number }
      return Row(
        target: target, pictures: own.count,
        means: own.count < Self.fewest ? [:] : means { quantity in own.compactMap { quantity($0) } })
    }
    self.rows = rows
    skipped = rows.count { $0.means.isEmpty }
    self.means = means { quantity in rows.compactMap { $0[quantity] } }
  }
}
