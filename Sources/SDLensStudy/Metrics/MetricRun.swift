import SDLensCore
import SDLensDiffusion

/// Some metrics, for all blocks; what was measured before is taken from a file, so that a run that was stopped goes on.
public final class MetricRun {
  /// A metric that cannot be measured at a block, and what it lacks.
  public struct Omission: Sendable, Codable {
    /// The name of the metric.
    public let metric: String
    /// The block.
    public let subject: String
    /// What is lacking, and how to have it.
    public let reason: String
  }

  /// What the metrics share.
  public let session: MetricSession
  /// What is measured.
  public let metrics: [any Metric.Type]
  /// What was found, in the order of the metrics.
  public private(set) var columns: [MeasuredColumn] = []
  /// What was left out.
  public private(set) var omissions: [Omission] = []
  private let done: ResultCache<[MetricOutcome]>
  private var progress: any MetricProgress { session.progress }

  /// Makes ready.
  ///
  /// - Parameter path: the file of the values that are done; made if it is not there.
  public init(_ metrics: [any Metric.Type], in session: MetricSession, keeping path: String) throws {
    (self.metrics, self.session) = (metrics, session)
    done = try ResultCache(path)
  }

  /// Measures everything.
  ///
  /// - Throws: `NothingMeasured` when no metric can be measured anywhere, and what the metrics throw.
  public func run() throws {
    for metric in metrics {
      var isMeasured = false
      for block in session.blocks {
        if let reason = try session.obstacle(to: metric.needs, at: block) {
          leaveOut(metric, block, reason)
        } else {
          isMeasured = true
          try metric.measure(block, in: self)
        }
      }
      if isMeasured { try metric.baselines(in: self) }
    }
    if columns.isEmpty, let omission = omissions.first {
      throw NothingMeasured(metric: omission.metric, block: omission.subject, reason: omission.reason)
    }
  }

  /// Says that something of a metric is not measured at a block.
  public func leaveOut(_ metric: any Metric.Type, _ block: BlockName, _ reason: String) {
    omissions.append(Omission(metric: metric.name, subject: "\(block)", reason: reason))
  }

  // MARK: What metrics call

  /// Measures the chosen features of a block one by one.
  public func features(_ metric: any Metric.Type, _ block: BlockName, _ make: (Int) throws -> MetricOutcome)
    throws
  {
    let features = session.features(of: block)
    progress.count(to: features.count, unit: "features")
    let outcomes = try features.flatMap { feature in
      defer { progress.advance("\(metric.name) of \(block)", by: 1) }
      return try done.value("\(metric.name) \(block) \(feature)") { [try make(feature)] }
    }
    add(metric, "\(block)", outcomes, features: features)
  }

  /// Measures recorded pictures one by one.
  public func pictures(
    _ metric: any Metric.Type, _ block: BlockName, _ numbers: [Int], _ make: (Int) throws -> MetricOutcome
  ) throws {
    progress.count(to: numbers.count, unit: "pictures")
    let outcomes = try numbers.flatMap { number in
      defer { progress.advance("\(metric.name) of \(block)", by: 1) }
      return try done.value("\(metric.name) \(block) \(number)") { [try make(number)] }
    }
    add(metric, "\(block)", outcomes)
  }

  /// Measures a block as a whole.
  public func whole(_ metric: any Metric.Type, _ block: BlockName, _ make: () throws -> [MetricOutcome])
    throws
  {
    add(metric, "\(block)", try done.value("\(metric.name) \(block)", make: make))
  }

  /// Elements of a baseline (paper, Sec. 5.2).
  public static let baselineSize = 100

  /// Measures what blocks are compared with: 100 samples, each with a generator of its own.
  public func baseline(
    _ metric: any Metric.Type, _ name: String, _ make: (inout PCG64, Int) throws -> [Double?]
  ) throws {
    let count = Self.baselineSize
    progress.count(to: count, unit: "samples")
    var random = session.random("\(metric.name) \(name)")
    let seeds = (0..<count).map { _ in random.bits64() }
    let outcomes = try seeds.enumerated().flatMap { index, seed in
      defer { progress.advance("\(metric.name), baseline \(name)", by: 1) }
      return try done.value("\(metric.name) baseline \(name) \(index)") {
        var own = PCG64(seed: seed)
        return [MetricOutcome(values: try make(&own, index))]
      }
    }
    add(metric, name, outcomes, isBaseline: true)
  }

  /// Adds values that need no keeping.
  public func add(
    _ metric: any Metric.Type, _ block: BlockName, _ column: String, values: [Double],
    estimate: Estimate? = nil
  ) {
    columns.append(MeasuredColumn(metric.name, "\(block)", column, values: values, estimate: estimate))
  }

  private func add(
    _ metric: any Metric.Type, _ subject: String, _ outcomes: [MetricOutcome], features: [Int] = [],
    isBaseline: Bool = false
  ) {
    var skipped: [String: Int] = [:]
    for outcome in outcomes { if let skip = outcome.skip { skipped[skip.rawValue, default: 0] += 1 } }
    for (index, column) in metric.columns.enumerated() {
      let found = outcomes.indices.filter {
        index < outcomes[$0].values.count && outcomes[$0].values[index] != nil
      }
      guard !found.isEmpty || index == 0 else { continue }
      columns.append(
        MeasuredColumn(
          metric.name, subject, column, features: features.isEmpty ? [] : found.map { features[$0] },
          values: found.compactMap { outcomes[$0].values[index] }, skipped: skipped, isBaseline: isBaseline))
    }
  }
}

/// A metric that cannot be measured anywhere.
public struct NothingMeasured: UserError {
  let metric: String
  let block: String
  let reason: String
  /// The metric, a block, and what is lacking.
  public var description: String { "\(metric) cannot be measured at \(block): \(reason)" }
}

/// Who is told how far a measurement is.
public protocol MetricProgress {
  /// Begins something new.
  func stage(_ text: String)
  /// Begins to count pieces of work that take about equally long.
  func count(to total: Int, unit: String)
  /// Counts some pieces; says what comes next.
  func advance(_ text: String, by pieces: Int)
  /// Says something that stays.
  func note(_ text: String)
  /// Takes away what does not stay.
  func clear()
}

extension MetricProgress {
  /// Nothing: all stays.
  public func clear() {}
}
