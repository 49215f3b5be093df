import SDLensCore

/// Whether a block's input tells where a vector stands: linear probes for its row and its column (paper, Sec. 4,
/// footnote 4).
public struct PositionProbe: Sendable {
  /// For each held-out picture the share of its vectors whose row is told right, and whose column is.
  public let pictures: [(rows: Double, columns: Double)]
  /// The share of held-out vectors whose row is told right.
  public var rows: Double { Bootstrap.mean(pictures.map(\.rows)) }
  /// The share of held-out vectors whose column is told right.
  public var columns: Double { Bootstrap.mean(pictures.map(\.columns)) }

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
    let places = height * width
    func shares(_ count: Int, _ place: (Int) -> Int) -> [Double] {
      // A map of one row has nothing to tell.
      guard count > 1 else { return Array(repeating: 1, count: test.rows / places) }
      let probe = LinearProbe(
        training, classes: (0..<training.rows).map(place), count: count, c: c, tolerance: tolerance)
      let told = probe.predictions(test)
      return stride(from: 0, to: test.rows, by: places).map { start in
        Double((start..<start + places).count { told[$0] == place($0) }) / Double(places)
      }
    }
    pictures = zip(shares(height) { $0 % places / width }, shares(width) { $0 % width }).map {
      (rows: $0, columns: $1)
    }
  }
}
