import CKernels
import SDLensCore

/// Trains one or several dictionaries in one pass over the data: all see the same batches.
///
/// Epoch follows epoch as one long sequence of vectors, which is cut into batches: a batch may begin in one epoch
/// and end in the next, so that all are full and no vector is left out. Result and reports are the same bytes on
/// any number of threads and ranks, and after any number of interruptions.
public final class Trainer {
  /// The vectors.
  public let source: any RowSource
  /// The number of steps of the whole training.
  public let steps: Int
  /// The number of batches consumed, which is the number of steps done.
  public private(set) var position: Int
  private var states: [DictionaryState]
  private let ranks: any Communicator
  /// Who trains which dictionary; nil where all ranks share every step.
  private let owners: Owners?

  /// Begins a training, or goes on with one.
  ///
  /// - Parameters:
  ///   - settings: of each dictionary; batch and length must be the same in all.
  ///   - checkpoint: where an earlier run stopped. The settings must be those of that run, but `steps` and `epochs`
  ///     may be higher as long as the learning rate has not begun to fall.
  ///   - ranks: the processes that train together; all make the same trainer and take every step together.
  ///   - use: how they do. Spread, each has in memory what all dictionaries were at the last checkpoint.
  /// - Throws: `BadTrainingSetting`, `TrainingError` and the errors of the source.
  public init(
    source: any RowSource, settings: [TrainingSettings], resuming checkpoint: TrainingCheckpoint? = nil,
    ranks: any Communicator = Alone(), use: RankUse? = nil
  ) throws {
    guard let first = settings.first else { throw TrainingError.noDictionaries }
    for each in settings { try each.check() }
    guard source.count > 0 else { throw TrainingError.noVectors }
    try Self.requireSame("batch", settings.map { "\($0.batch)" })
    let isSpread = try RankUse.isSpread(use, dictionaries: settings.count, ranks: ranks.count)
    owners = isSpread ? Owners(settings.map(\.features), among: ranks) : nil
    guard Shares.blocks(first.batch) >= ranks.count else {
      throw TrainingError.tooManyRanks(batch: first.batch, ranks: ranks.count)
    }
    (self.source, self.ranks) = (source, ranks)
    steps = first.steps(over: source.count)
    try Self.requireSame("steps", settings.map { "\($0.steps(over: source.count))" })
    position = checkpoint?.position ?? 0
    states = []
    if let checkpoint {
      try checkpoint.check(against: settings, width: source.width, count: source.count)
      states = zip(checkpoint.states, settings).map { state, settings in
        var state = state
        state.settings = settings
        return state
      }
    } else {
      states = try begin(settings)
    }
    try compareRanks(withStates: true)
  }

  /// Checks that all ranks, who must all ask for it, have come to the same numbers.
  ///
  /// - Throws: `TrainingError.ranksDiffer`.
  public func compareRanks() throws { try compareRanks(withStates: owners == nil) }

  private func compareRanks(withStates: Bool) throws {
    guard ranks.count > 1 else { return }
    var state = Fingerprint()
    state.add("\(position) \(source.count) \(steps)".utf8)
    for each in states {
      state.add(try JSON.line(each.settings))
      guard withStates else { continue }
      // The matrices are the same: each rank has got their rows from the others.
      for tensor in [each.autoencoder.preBias, each.autoencoder.latentBias] {
        tensor.withElements { state.add(UnsafeRawBufferPointer($0)) }
      }
    }
    let all = ranks.joined([state.value])
    if let other = all.firstIndex(where: { $0 != all[0] }) {
      throw TrainingError.ranksDiffer(rank: other, position: position)
    }
  }

  private static func requireSame(_ name: String, _ values: [String]) throws {
    guard Set(values).count == 1 else { throw TrainingError.differentData(name: name, values: values) }
  }

  /// Whether all steps are done.
  public var isDone: Bool { position >= steps }

  /// Trains all dictionaries on the next batch.
  ///
  /// - Returns: a report for each dictionary.
  /// - Throws: `TrainingError` for vectors that are not finite, before anything changes, or a loss that is not, and
  ///   the errors of the source.
  public func step() throws -> [StepReport] {
    precondition(!isDone, "the training is over")
    let batch = states[0].settings.batch
    let first = position * batch
    let h = try vectors(first..<first + batch)
    var reports: [StepReport] = []
    let group = owners == nil ? ranks : Alone() as any Communicator
    for index in states.indices where trains(index) {
      do {
        var report = try states[index].learn(
          from: h, step: position + 1, of: steps, vectors: first + batch, group)
        report.dictionary = index
        reports.append(report)
      } catch TrainingError.diverged(_, let step) {
        throw TrainingError.diverged(dictionary: index, step: step)
      }
    }
    position += 1
    return owners == nil ? reports : ranks.joined(reports).sorted { $0.dictionary < $1.dictionary }
  }

  /// Whether each dictionary is trained by one rank.
  public var isSpread: Bool { owners != nil }

  /// Whether this rank takes part in the training of a dictionary.
  public func trains(_ index: Int) -> Bool { owners?.isOwn(index) ?? true }

  /// The number of dictionaries.
  public var count: Int { states.count }

  /// The rank that trains a dictionary, where each is trained by one; else the first.
  public func rank(of index: Int) -> Int { owners?.list[index] ?? 0 }

  /// A dictionary as it is now; that of another rank, as it was at the last checkpoint.
  public func autoencoder(_ index: Int) -> SparseAutoencoder { states[index].finished }

  /// Vectors since each feature of a dictionary was last active, counted in whole batches; 0 in its own.
  public func lastActive(_ index: Int) -> [Int64] { states[index].idle }

  /// In how many vectors each feature of a dictionary was active since the beginning.
  public func activations(_ index: Int) -> [Int64] { states[index].activations }

  /// Where the time went, by dictionary, in this process.
  public func times(_ index: Int) -> TrainingTimes { states[index].times }

  /// Everything that is needed to go on from here, on any number of ranks; all of them must ask for it.
  public func checkpoint() -> TrainingCheckpoint {
    if let owners {
      for index in states.indices { states[index].share(from: owners.list[index], ranks) }
    }
    var states = states
    if owners == nil {
      for index in states.indices { states[index].gather(ranks) }
    }
    return TrainingCheckpoint(position: position, width: source.width, count: source.count, states: states)
  }

  /// The vectors at some places of the sequence of all epochs, of which each rank reads a part, or makes one.
  private func vectors(_ range: Range<Int>) throws -> Tensor {
    guard !source.isCollective else { return try read(range) }
    let shares = Shares(range.count, among: ranks)
    let own = shares.own
    let read = try read(range.lowerBound + own.lowerBound..<range.lowerBound + own.upperBound)
    guard ranks.count > 1 else { return read }
    var all = Tensor(uninitialized: [range.count, source.width])
    all.withMutableElements { all in
      read.withElements { _ = all[(own.lowerBound * source.width)...].update(fromContentsOf: $0) }
    }
    shares.gather(&all)
    return all
  }

  /// The vectors at some places of the sequence of all epochs, checked.
  private func read(_ range: Range<Int>) throws -> Tensor {
    var result = Tensor(uninitialized: [range.count, source.width])
    var place = range.lowerBound
    while place < range.upperBound {
      let (epoch, start) = place.quotientAndRemainder(dividingBy: source.count)
      let end = min(source.count, start + range.upperBound - place)
      let piece = try source.rows(start..<end, epoch: epoch)
      precondition(piece.shape == [end - start, source.width], "\(piece.shape) of \(start..<end)")
      try check(piece, epoch: epoch, from: start)
      if piece.rows == range.count { return piece }
      result.withMutableElements { target in
        piece.withElements {
          let offset = (place - range.lowerBound) * source.width
          (target.baseAddress! + offset).update(from: $0.baseAddress!, count: $0.count)
        }
      }
      place += piece.rows
    }
    return result
  }

  private func check(_ h: Tensor, epoch: Int, from start: Int) throws {
    let width = h.width
    var isFinite = [Bool](repeating: true, count: h.rows)
    isFinite.withUnsafeMutableBufferPointer { isFinite in
      h.withElements { h in
        Parallel.forRanges(isFinite.count, grain: 64) { rows in
          for row in rows { isFinite[row] = kernel_all_finite_float(h.baseAddress! + row * width, width) }
        }
      }
    }
    guard let row = isFinite.firstIndex(of: false) else { return }
    let component = (0..<width).first { !h[row * width + $0].isFinite }!
    throw TrainingError.notFinite(
      origin: try source.origin(of: start + row, epoch: epoch), epoch: epoch, row: start + row,
      component: component, value: h[row * width + component])
  }

  /// The dictionaries before the first step.
  private func begin(_ settings: [TrainingSettings]) throws -> [DictionaryState] {
    var medians: [Int: Tensor] = [:]
    var scales: [Int: Float] = [:]
    return try settings.map { settings in
      let (forMedian, forScale) = (settings.medianVectors, settings.scaleVectors)
      if medians[forMedian] == nil {
        medians[forMedian] = GeometricMedian.of(try vectors(0..<min(source.count, forMedian)))
      }
      if scales[forScale] == nil {
        let sample = try vectors(0..<min(source.count, forScale))
        scales[forScale] = try Self.scale(of: sample, around: medians[forMedian]!)
      }
      var state = DictionaryState(settings, preBias: medians[forMedian]!, mseScale: scales[forScale]!)
      if settings.start == .vectors {
        let some = state.autoencoder.centered(
          try vectors(0..<min(source.count, max(forScale, settings.features))))
        state.autoencoder.start(from: some, k: settings.k, seed: settings.seed)
      }
      return state
    }
  }

  /// `1 ∕ mean((h − mean h)²)` over some vectors.
  private static func scale(of sample: Tensor, around median: Tensor) throws -> Float {
    // Around the median, so that sums of squares do not cancel.
    let around = SparseAutoencoder(untrained: 1, k: 1, seed: 0, preBias: median).centered(sample)
    let variance = ColumnMoments(StripedMatrix(around)).deviations.reduce(0, +) / Double(sample.count)
    let scale = Float(1 / variance)
    guard !scale.isNormal else { return scale }
    let width = sample.width
    let difference =
      (0..<sample.count).map { abs(Double(sample[$0]) - Double(sample[$0 % width])) }.max() ?? 0
    throw difference > 0
      ? TrainingError.varianceBeyondFloat(count: sample.rows, difference: difference)
      : TrainingError.noVariance(count: sample.rows)
  }
}
