/// What is put into a block's update to make or unmake a value of `shapes`, and in which form.
public struct SteeringMethod: Hashable, Sendable, Codable {
  /// Whose part of the difference between with and without.
  public enum Source: String, Sendable, Codable, CaseIterable {
    /// At most eight features of the dictionary.
    case features
    /// All of its features.
    case dictionary = "all features"
    /// The whole update: what the block says at all.
    case update = "whole update"
    /// The difference of the means of labelled pictures.
    case means = "mean difference"
    /// At most eight of as many random directions as the dictionary has features, with its k.
    case random = "random directions"
    /// At most eight principal components.
    case components = "principal components"
  }
  /// How it is put there.
  public enum Form: String, Sendable, Codable, CaseIterable {
    /// One vector, at the places that the object covers.
    case direction
    /// A mean of labelled pictures, a vector for each place.
    case map
    /// What the run of the other prompt has, in place of this one's.
    case transplant

    /// How often it is added, at choice.
    var strengths: [Double] {
      switch self {
      case .direction: [1, 2, 4]
      case .map: [1, 2]
      case .transplant: [1]
      }
    }
  }
  /// Whether the value is to come or to go.
  public enum Side: String, Sendable, Codable, CaseIterable {
    case on, off

    /// Whether a mean probability is where it is wanted: at least .8, at most .1.
    public func isReached(_ probability: Double) -> Bool {
      self == .on ? probability >= 0.8 : probability <= 0.1
    }
    /// The same with room for what other pictures may change: what a choice must reach.
    func isSafe(_ probability: Double) -> Bool { self == .on ? probability >= 0.9 : probability <= 0.05 }
    /// Whether a probability is nearer to where it is wanted.
    func isBetter(_ a: Double, than b: Double) -> Bool { self == .on ? a > b : a < b }
  }

  /// Whose part.
  public let source: Source
  /// In which form.
  public let form: Form

  /// Whether there is anything to choose: a strength, or how many features.
  var isChosen: Bool { form.strengths.count > 1 || source == .features }

  /// All that are tried, in the order of the table.
  public static let all: [SteeringMethod] = [
    (.features, .direction), (.features, .map), (.features, .transplant), (.dictionary, .transplant),
    (.update, .transplant), (.means, .direction), (.means, .map), (.random, .direction),
    (.random, .transplant), (.components, .direction), (.components, .transplant),
  ].map(SteeringMethod.init)

  private init(_ source: Source, _ form: Form) { (self.source, self.form) = (source, form) }

  /// As in `features, map`.
  public var description: String { "\(source.rawValue), \(form.rawValue)" }
}

extension SteeringMethod: CustomStringConvertible {}
