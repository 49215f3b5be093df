import SDLensCore
import SDLensDiffusion
import SDLensSparse

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

/// `position`, as `eval` measures it.
enum PositionProbeMetric: Metric {
  static let name = "position"
  static let abstract = "Whether a block's input tells where a vector stands."
  static let discussion =
    "The accuracy of linear probes for row and column, on pictures that they did not learn from."
  static let columns = ["row", "column", "both"]
  static let decimals = 3
  static let needs: Set<MetricNeed> = [.recorded]
  static let paper = [
    "down.2.1": ["", "", "0.979"], "mid.0": ["", "", "0.985"], "up.0.0": ["", "", "0.994"],
    "up.0.1": ["", "", "0.956"],
  ]

  static func measure(_ block: BlockName, in run: MetricRun) throws {
    try run.whole(self, block) {
      let (training, test, size) = try inputs(of: block, run.session)
      let probe = PositionProbe(
        training: training, test: test, height: size.height, width: size.width, c: 0.1, tolerance: 1e-4)
      return probe.pictures.map { MetricOutcome(values: [$0.rows, $0.columns, ($0.rows + $0.columns) / 2]) }
    }
  }

  /// What enters a block (`D_in`) in the last step of some runs: 3 of 5 to learn from, the rest to measure on.
  private static func inputs(of block: BlockName, _ session: MetricSession) throws
    -> (training: Matrix, test: Matrix, size: (height: Int, width: Int))
  {
    let numbers = session.sample(of: session.settings.pictures ?? MetricRun.baselineSize, name)
    session.progress.count(to: numbers.count, unit: "pictures")
    var (rows, size): ([Tensor], (height: Int, width: Int)) = ([], (1, 1))
    for number in numbers {
      guard let (prompt, settings) = try session.run(of: number) else { continue }
      let (text, pipeline) = (
        try session.laboratory.embeddings(of: prompt, settings), try session.laboratory.pipeline
      )
      var run = try pipeline.start(text, settings)
      let steps = try pipeline.stepCount(settings)
      while run.step + 1 < steps {
        var pass = run.pass()
        run.advance(by: pass.finish())
      }
      var pass = run.pass()
      pass.run(before: block)
      let input = pass.stream
      let last = settings.isGuided ? input.picture(1) : input
      rows.append(last.reshaped([last.rows, last.width]))
      size = (input.shape[1], input.shape[2])
      session.progress.advance("position at \(block)", by: 1)
    }
    let split = max(1, rows.count * 3 / 5)
    func matrix(_ part: ArraySlice<Tensor>) -> Matrix {
      Matrix(Tensor.stacked(part.map { $0.reshaped([1, $0.rows, $0.width]) }))
    }
    return (matrix(rows[..<split]), matrix(rows[split...]), size)
  }
}
