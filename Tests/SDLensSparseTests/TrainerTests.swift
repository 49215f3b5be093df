import Foundation
import SDLensCore
import SDLensSparse
import SDLensTestSupport
import Testing

@Suite struct TrainerTests {
  private func settings(_ change: (inout TrainingSettings) -> Void = { _ in }) -> TrainingSettings {
    var settings = TrainingSettings()
    (settings.features, settings.k, settings.auxiliaryK, settings.batch) = (40, 4, 6, 64)
    (settings.deadAfter, settings.steps, settings.learningRate) = (300, 12, 1e-2)
    (settings.medianVectors, settings.scaleVectors) = (100, 90)
    change(&settings)
    return settings
  }

  private func source(_ count: Int = 210, width: Int = 70) -> MemorySource {
    MemorySource(.random([count, width], seed: 9, plus: 0.5), isShuffled: true)
  }

  private func expectSame(_ a: SparseAutoencoder, _ b: SparseAutoencoder, _ name: String) {
    SDLensTestSupport.expectSame(a.encoder, b.encoder, name + " encoder")
    SDLensTestSupport.expectSame(a.decoder, b.decoder, name + " decoder")
    SDLensTestSupport.expectSame(a.latentBias, b.latentBias, name + " latent bias")
    SDLensTestSupport.expectSame(a.preBias, b.preBias, name + " pre bias")
  }

  private func run(_ trainer: Trainer, until position: Int = .max) throws -> [StepReport] {
    var reports: [StepReport] = []
    while !trainer.isDone, trainer.position < position { reports += try trainer.step() }
    return reports
  }

  @Test func learns() throws {
    // Sums of three of 20 directions.
    let directions = SparseAutoencoder(untrained: 20, k: 1, seed: 1, preBias: Tensor([24])).decoder
    var generator = MersenneTwister(seed: 3)
    let rows = (0..<1000).flatMap { _ in
      var row = [Float](repeating: 0.3, count: 24)
      for _ in 0..<3 {
        let (feature, value) = (Int(generator.bits32() % 20), 1 + Float(generator.bits32() % 100) / 100)
        for c in 0..<24 { row[c] += value * directions[feature * 24 + c] }
      }
      return row
    }
    let trainer = try Trainer(
      source: MemorySource(Tensor(rows, [1000, 24]), isShuffled: true),
      settings: [
        settings {
          $0.steps = 400; $0.deadAfter = 2000
        }
      ])
    let reports = try run(trainer)
    #expect(reports.count == 400)
    #expect(reports[0].explainedVariance! < 0.6)
    #expect(reports.last!.explainedVariance! > 0.95, "\(reports.last!)")
    let sae = trainer.autoencoder(0)
    // Every direction has been found.
    for direction in 0..<20 {
      let best = (0..<40).map { feature in
        (0..<24).reduce(Float(0)) { $0 + sae.decoder[feature * 24 + $1] * directions[direction * 24 + $1] }
      }.max()!
      #expect(best > 0.9, "direction \(direction): \(best)")
    }
  }

  @Test func sameOnAnyNumberOfThreads() throws {
    let several = [
      settings(),
      settings {
        $0.features = 100; $0.k = 7; $0.clipping = 0.5
      },
    ]
    let results = try [1, 2, 5].map { threads in
      try withThreads(threads) {
        let trainer = try Trainer(source: source(), settings: several)
        return (try run(trainer), trainer.autoencoder(0), trainer.autoencoder(1))
      }
    }
    for result in results.dropFirst() {
      #expect(result.0 == results[0].0)
      expectSame(result.1, results[0].1, "first")
      expectSame(result.2, results[0].2, "second")
    }
    #expect(results[0].0.contains { $0.dead > 0 && $0.auxiliary != 1 })
  }

  /// A dictionary learns the same alone and beside others.
  @Test func dictionariesDoNotMeet() throws {
    let other = settings { $0.k = 2 }
    let both = try Trainer(source: source(), settings: [settings(), other])
    let alone = try Trainer(source: source(), settings: [other])
    _ = try run(both)
    _ = try run(alone)
    expectSame(both.autoencoder(1), alone.autoencoder(0), "second")
  }

  @Test(arguments: [0, 1, 5, 12]) func resumesAsIfNeverInterrupted(at position: Int) throws {
    let folder = try TemporaryFolder()
    let several = [
      settings {
        $0.warmup = 4; $0.decay = 0.3; $0.clipping = 1
      }, settings { $0.features = 41 },
    ]
    let whole = try Trainer(source: source(), settings: several)
    let wanted = try run(whole)
    let first = try Trainer(source: source(), settings: several)
    let before = try run(first, until: position)
    var checkpoint = first.checkpoint()
    checkpoint.notes = ["data": "x"]
    try checkpoint.write(to: folder("a"))
    let read = try TrainingCheckpoint(contentsOf: folder("a"))
    #expect(read.notes == ["data": "x"] && read.settings == several && read.position == position)
    let second = try Trainer(source: source(), settings: several, resuming: read)
    #expect(before + (try run(second)) == wanted)
    for index in 0..<2 {
      expectSame(second.autoencoder(index), whole.autoencoder(index), "\(index)")
      #expect(second.lastActive(index) == whole.lastActive(index))
      #expect(second.activations(index) == whole.activations(index))
    }
    try second.checkpoint().write(to: folder("b"))
    try whole.checkpoint().write(to: folder("c"))
    #expect(
      FileManager.default.contents(atPath: folder("b")) == FileManager.default.contents(atPath: folder("c")))
  }

  @Test func batchesRunOnOverTheEndOfAnEpoch() throws {
    let source = source(100, width: 8)
    let trainer = try Trainer(
      source: source,
      settings: [
        settings {
          $0.steps = nil; $0.epochs = 2; $0.batch = 60
        }
      ])
    #expect(trainer.steps == 4)
    let reads = source.reads.count
    _ = try run(trainer)
    let found = source.reads.dropFirst(reads).map { "\($0.epoch): \($0.range)" }
    #expect(found == ["0: 0..<60", "0: 60..<100", "1: 0..<20", "1: 20..<80", "1: 80..<100", "2: 0..<40"])
  }

  @Test func countsActivations() throws {
    let trainer = try Trainer(source: source(), settings: [settings()])
    let reports = try run(trainer)
    let total = reports.reduce(0) { $0 + $1.l0 * 64 }
    #expect(abs(Double(trainer.activations(0).reduce(0, +)) - total) < 1e-6)
    let idle = trainer.lastActive(0)
    #expect(idle.allSatisfy { $0 % 64 == 0 } && idle.contains(0))
    #expect(idle.count { $0 >= 300 } == reports.last!.dead)
  }

  @Test func raisedStepsGoOn() throws {
    let short = try Trainer(source: source(), settings: [settings { $0.steps = 5 }])
    _ = try run(short)
    let longer = try Trainer(source: source(), settings: [settings()], resuming: short.checkpoint())
    _ = try run(longer)
    let whole = try Trainer(source: source(), settings: [settings()])
    _ = try run(whole)
    expectSame(longer.autoencoder(0), whole.autoencoder(0), "raised")
  }

  @Test func geometricMedianOfPlaces() {
    // Of an equilateral triangle the middle; of points on a line the middle one, however far the others are.
    let triangle = Tensor([0, 1, -0.866_025_4, -0.5, 0.866_025_4, -0.5], [3, 2])
    #expect(GeometricMedian.of(triangle).elements.allSatisfy { abs($0) < 1e-6 })
    let line = GeometricMedian.of(Tensor([0, 0, 1, 1, 1, 1, 2, 2, 100, 100], [5, 2])).elements
    #expect(line.allSatisfy { abs($0 - 1) < 1e-3 }, "\(line)")
  }
}
