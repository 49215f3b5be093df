/// How long the parts of a run took, in seconds.
public struct Stopwatch {
  /// The seconds of each part; a part that came several times counts together.
  public private(set) var seconds: [String: Double] = [:]
  private let begin = ContinuousClock.now

  /// Begins now.
  public init() {}

  /// Runs a piece of work as a part.
  public mutating func time<Result>(_ part: String, _ body: () throws -> Result) rethrows -> Result {
    let start = ContinuousClock.now
    defer { seconds[part, default: 0] += (ContinuousClock.now - start) / .seconds(1) }
    return try body()
  }

  /// Everything since the watch was made.
  public var total: Duration { ContinuousClock.now - begin }
}
