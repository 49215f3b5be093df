import Foundation
import SDLensCore
import SDLensSparse
import SDLensTestSupport
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
    _ settings: [TrainingSettings], ranks: Int, use: RankUse? = .share, until position: Int = .max,
    resuming: Data? = nil
  ) throws -> Outcome {
    let folder = try TemporaryFolder()
    if let resuming { try resuming.write(to: URL(fileURLWithPath: folder("before"))) }
    let outcomes = ThreadRanks.run(ranks) { rank in
      let checkpoint = try resuming.map { _ in try TrainingCheckpoint(contentsOf: folder("before")) }
      let trainer = try Trainer(
        source: source, settings: settings, resuming: checkpoint, ranks: rank, use: use)
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

  /// Three dictionaries of other sizes.
  private func three(_ architecture: String) throws -> [TrainingSettings] {
    let architecture = try Architecture(architecture)
    return [60, 150, 41].map { features in
      settings { ($0.architecture, $0.features) = (architecture, features) }
    }
  }

  @Test(arguments: architectures) func dictionariesThatAreSpreadAreTheSame(architecture: String) throws {
    let several = try three(architecture)
    let alone = try train(several, ranks: 1)
    for ranks in [2, 3] { #expect(try train(several, ranks: ranks, use: .spread) == alone, "\(ranks) ranks") }
  }

  @Test(arguments: architectures) func sharedOrSpreadTheyGoOn(architecture: String) throws {
    let several = try three(architecture)
    let whole = try train(several, ranks: 1)
    let first = try train(several, ranks: 3, use: .spread, until: 3)
    let second = try train(several, ranks: 2, use: .share, until: 5, resuming: first.checkpoint)
    let third = try train(several, ranks: 2, use: .spread, resuming: second.checkpoint)
    #expect(third.checkpoint == whole.checkpoint)
    #expect(first.reports + second.reports + third.reports == whole.reports)
  }

  @Test func theLargestDictionaryHasARankForItself() throws {
    let ranks = ThreadRanks.run(2) { rank in
      let trainer = try Trainer(source: source, settings: three("topk"), ranks: rank)
      return (0..<3).map(trainer.trains)
    }
    #expect(try ranks.map { try $0.get() } == [[false, true, false], [true, false, true]])
  }

  @Test func fewerDictionariesThanRanksShareEveryStep() throws {
    let spread = ThreadRanks.run(3) { rank in
      try Trainer(source: source, settings: [settings(), settings()], ranks: rank).isSpread
    }
    #expect(try spread.map { try $0.get() } == [false, false, false])
    let refused = ThreadRanks.run(3) { rank in
      errorMessage { try Trainer(source: source, settings: [settings()], ranks: rank, use: .spread) }
    }
    for outcome in refused {
      #expect(
        (try? outcome.get())
          == "3 ranks are too many for 1 dictionary, of which each trains some; run at most as many ranks, or let them share each step"
      )
    }
  }

  @Test func textsOfAllRanks() throws {
    let texts = ThreadRanks.run(4) { $0.texts(Array("éa".utf8.prefix($0.rank == 2 ? 0 : $0.rank + 1))) }
    for found in texts { #expect(try found.get() == [[0xC3], [0xC3, 0xA9], [], [0xC3, 0xA9, 0x61]]) }
  }

  /// Ranks that make vectors together must all ask for all of them.
  @Test func whatIsMadeTogetherIsReadByAll() throws {
    let reads = ThreadRanks.run(2) { rank in
      let source = MemorySource(
        .random([710, 70], seed: 9, plus: 0.5), isShuffled: true, isCollective: true)
      let trainer = try Trainer(source: source, settings: [settings()], ranks: rank)
      let before = source.reads.count
      _ = try trainer.step()
      return source.reads[before...].map(\.range)
    }
    #expect(try reads.map { try $0.get() } == [[0..<300], [0..<300]])
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
