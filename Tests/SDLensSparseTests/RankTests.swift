import Foundation
import SDLensCore
import SDLensSparse
import SDLensTestSupport
import Synchronization
import Testing

/// Trainings that several ranks share, which are threads here.
@Suite struct RankTests {
  private func settings(_ change: (inout TrainingSettings) -> Void = { _ in }) -> TrainingSettings {
    var settings = TrainingSettings()
    (settings.features, settings.k, settings.auxiliaryK, settings.batch) = (150, 4, 6, 300)
    (settings.deadAfter, settings.steps, settings.learningRate) = (900, 8, 1e-2)
    (settings.medianVectors, settings.scaleVectors, settings.clipping) = (100, 90, 0.5)
    change(&settings)
    return settings
  }

  private var source: MemorySource { MemorySource(.random([710, 70], seed: 9, plus: 0.5), isShuffled: true) }

  private struct Outcome: Equatable {
    var reports: [StepReport]
    var checkpoint: Data
  }

  /// What the first rank has at a step; the others must have the same.
  private func train(
    _ settings: [TrainingSettings], ranks: Int, until position: Int = .max, resuming: Data? = nil
  ) throws -> Outcome {
    let folder = try TemporaryFolder()
    if let resuming { try resuming.write(to: URL(fileURLWithPath: folder("before"))) }
    let outcomes = ThreadRanks.run(ranks) { rank in
      let checkpoint = try resuming.map { _ in try TrainingCheckpoint(contentsOf: folder("before")) }
      let trainer = try Trainer(source: source, settings: settings, resuming: checkpoint, ranks: rank)
      var reports: [StepReport] = []
      while !trainer.isDone, trainer.position < position { reports += try trainer.step() }
      try trainer.compareRanks()
      let path = folder("after-\(rank.rank)")
      try trainer.checkpoint().write(to: path)
      return Outcome(reports: reports, checkpoint: try Data(contentsOf: URL(fileURLWithPath: path)))
    }
    let all = try outcomes.map { try $0.get() }
    for other in all.dropFirst() { #expect(other == all[0]) }
    return all[0]
  }

  private static let architectures = ["topk", "batch-topk", "matryoshka", "jumprelu"]

  @Test(arguments: architectures) func anyNumberTrainsTheSame(architecture: String) throws {
    let architecture = try Architecture(architecture)
    let several = [
      settings { $0.architecture = architecture },
      settings {
        ($0.architecture, $0.features, $0.freeze) = (architecture, 41, .decoder)
      },
    ]
    let alone = try train(several, ranks: 1)
    #expect(
      architecture != .topK || alone.reports.contains { $0.dead > 0 && ![0, 1].contains($0.auxiliary) })
    for ranks in [2, 3, 5] { #expect(try train(several, ranks: ranks) == alone, "\(ranks) ranks") }
  }

  @Test(arguments: architectures) func anyNumberGoesOn(architecture: String) throws {
    let architecture = try Architecture(architecture)
    let several = [settings { $0.architecture = architecture }]
    let whole = try train(several, ranks: 1)
    let first = try train(several, ranks: 4, until: 3)
    let second = try train(several, ranks: 2, until: 5, resuming: first.checkpoint)
    let third = try train(several, ranks: 1, resuming: second.checkpoint)
    #expect(third.checkpoint == whole.checkpoint)
    #expect(first.reports + second.reports + third.reports == whole.reports)
  }

  @Test func everyRankReadsItsPart() throws {
    let reads = ThreadRanks.run(2) { rank in
      let source = source
      let trainer = try Trainer(source: source, settings: [settings()], ranks: rank)
      let before = source.reads.count
      _ = try trainer.step()
      return source.reads[before...].map(\.range)
    }
    #expect(try reads.map { try $0.get() } == [[0..<128], [128..<300]])
  }

  @Test func tooSmallABatchIsRefused() {
    let outcomes = ThreadRanks.run(3) { rank in
      errorMessage { try Trainer(source: source, settings: [settings { $0.batch = 128 }], ranks: rank) }
    }
    for outcome in outcomes {
      #expect(
        (try? outcome.get())
          == "3 ranks are to share a batch of 128 vectors, which can be cut into 2 pieces of 64; run fewer, or train "
          + "with a larger batch")
    }
  }

  @Test func ranksThatDifferAreRefused() {
    let outcomes = ThreadRanks.run(3) { rank in
      errorMessage {
        try Trainer(
          source: source, settings: [settings { $0.learningRate = rank.rank == 1 ? 0.1 : 0.2 }], ranks: rank)
      }
    }
    for outcome in outcomes {
      #expect(
        (try? outcome.get())
          == "at step 0 rank 1 of this training has other numbers than rank 0, but all must compute the same; run the "
          + "same program with the same files, on processors of one kind")
    }
  }
}

/// Ranks that are threads of one process.
private final class ThreadRanks: Sendable {
  private struct State {
    var places: [UInt]
    var arrived = 0
    var turn = 0
  }
  private let state: Mutex<State>
  private let count: Int

  private init(_ count: Int) {
    self.count = count
    state = Mutex(State(places: Array(repeating: 0, count: count)))
  }

  /// What `body` makes on each rank, all side by side.
  static func run<Value: Sendable>(
    _ count: Int, _ body: @escaping @Sendable (any Communicator) throws -> Value
  ) -> [Result<Value, any Error>] {
    let ranks = ThreadRanks(count)
    let results = Results<Value>(count)
    let group = DispatchGroup()
    for rank in 0..<count {
      group.enter()
      let thread = Thread {
        let result = Result { try body(Member(all: ranks, rank: rank)) }
        results.all.withLock { $0[rank] = result }
        group.leave()
      }
      thread.stackSize = 8 << 20
      thread.start()
    }
    group.wait()
    return results.all.withLock { $0.map { $0! } }
  }

  private final class Results<Value: Sendable>: Sendable {
    let all: Mutex<[Result<Value, any Error>?]>
    init(_ count: Int) { all = Mutex(Array(repeating: nil, count: count)) }
  }

  private struct Member: Communicator {
    let all: ThreadRanks
    let rank: Int
    var count: Int { all.count }

    func gather(_ start: UnsafeMutableRawPointer, _ parts: [Range<Int>]) {
      all.state.withLock { $0.places[rank] = UInt(bitPattern: start) }
      wait()
      let places = all.state.withLock { $0.places }
      for (other, part) in parts.enumerated() where other != rank && !part.isEmpty {
        (start + part.lowerBound * 4).copyMemory(
          from: UnsafeRawPointer(bitPattern: places[other])! + part.lowerBound * 4, byteCount: part.count * 4)
      }
      wait()
    }

    func wait() {
      let turn = all.state.withLock { state in
        let turn = state.turn
        state.arrived += 1
        if state.arrived == all.count { (state.arrived, state.turn) = (0, turn + 1) }
        return turn
      }
      while all.state.withLock({ $0.turn == turn }) { sched_yield() }
    }
  }
}
