import SDLensCore

/// Which features a dictionary takes as active in a vector, of those whose pre-activation is above 0.
public enum Selection: Sendable, Equatable {
  /// The so many largest.
  case topK(Int)
  /// Those above a threshold of their own (a negative one counts as 0), [features].
  case threshold([Float])
}

extension Selection: CustomStringConvertible {
  /// As it stands in tables: `k = 10`.
  public var description: String {
    switch self {
    case .topK(let k): "k = \(k)"
    case .threshold: "thresholds"
    }
  }
}
