/// How long the parts of a run took, in seconds.
struct Stopwatch {
  /// The seconds of each part; a part that came several times counts together.
  private(set) var seconds: [String: Double] = [:]
  private let begin = ContinuousClock.now

  /// Runs a piece of work as a part.
  mutating func time<Result>(_ part: String, _ body: () throws -> Result) rethrows -> Result {
    let start = ContinuousClock.now
    defer { seconds[part, default: 0] += (ContinuousClock.now - start) / .seconds(1) }
    return try body()
  }

  /// Everything since the watch was made.
  var total: Duration { ContinuousClock.now - begin }
}
