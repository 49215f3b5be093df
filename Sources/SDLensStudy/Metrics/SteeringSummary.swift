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
    /// The means, by `Quantity`; empty when there were too few pictures.
    public let means: [String: Double]

    /// The mean of a quantity.
    public subscript(quantity: Quantity) -> Double? { means[quantity.rawValue] }
  }

  /// A mean over features.
  public struct Mean: Sendable, Codable, Equatable {
    /// The mean.
    public let value: Double
    /// Its 95 % interval by bootstrap over features; nil of one feature.
    public let interval: [Double]?
  }

  /// Fewer pictures than this tell nothing of a feature.
  public static let fewest = 5

  /// The features, in the order of the targets.
  public let rows: [Row]
  /// The means over those with enough pictures, by `Quantity`.
  public let means: [String: Mean]
  /// How many features were active in too few pictures.
  public let skipped: Int

  /// Sums up the results of all prompts.
  public init(_ targets: [Steering.Target], _ results: [Steering.PictureResult]) {
    func means(_ own: [Steering.PictureResult]) -> [String: Double] {
      Dictionary(
        uniqueKeysWithValues: Quantity.allCases.compactMap { quantity in
          let values = own.compactMap { quantity($0) }
          return values.isEmpty ? nil : (quantity.rawValue, Bootstrap.mean(values))
        })
    }
    let rows = targets.enumerated().map { number, target in
      let own = results.filter { $0.target == number }
      return Row(target: target, pictures: own.count, means: own.count < Self.fewest ? [:] : means(own))
    }
    self.rows = rows
    skipped = rows.count { $0.means.isEmpty }
    self.means = Dictionary(
      uniqueKeysWithValues: Quantity.allCases.compactMap { quantity in
        let values = rows.compactMap { $0[quantity] }
        guard !values.isEmpty else { return nil }
        let interval = values.count > 1 ? Bootstrap().interval(values) : nil
        return (
          quantity.rawValue,
          Mean(
            value: Bootstrap.mean(values), interval: interval.map { [$0.lowerBound, $0.upperBound] })
        )
      })
  }
}
