import SDLensCore

/// Whether a block's input tells where a vector stands: linear probes for its row and its column (paper, Sec. 4,
/// footnote 4).
public struct PositionProbe: Sendable, Equatable {
  /// The share of held-out vectors whose row is told right.
  public let rows: Double
  /// The share of held-out vectors whose column is told right.
  public let columns: Double

  /// The mean of both.
  public var accuracy: Double { (rows + columns) / 2 }

  /// Learns on the vectors of some pictures and measures on those of others.
  ///
  /// - Parameters:
  ///   - training: [pictures · height · width, channels], row by row of each map; likewise `test`.
  ///   - c: the inverse of the penalty.
  public init(
    training: Matrix, test: Matrix, height: Int, width: Int, c: Double = 1, tolerance: Double = 1e-5
  ) {
    precondition(training.rows % (height * width) == 0 && test.rows % (height * width) == 0, "parts of maps")
    func accuracy(_ count: Int, _ place: (Int) -> Int) -> Double {
      // A map of one row has nothing to tell.
      guard count > 1 else { return 1 }
      let probe = LinearProbe(
        training, classes: (0..<training.rows).map(place), count: count, c: c, tolerance: tolerance)
      return probe.accuracy(test, classes: (0..<test.rows).map(place)) ?? 0
    }
    rows = accuracy(height) { $0 % (height * width) / width }
    columns = accuracy(width) { $0 % width }
  }
}
