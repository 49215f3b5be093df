import Foundation
import SDLensCore
import SDLensSparse
import SDLensTestSupport
import Testing

@Suite struct TrainingRefusalTests {
  private static func settings(_ change: (inout TrainingSettings) -> Void = { _ in }) -> TrainingSettings {
    var settings = TrainingSettings()
    (settings.features, settings.k, settings.batch, settings.steps) = (20, 3, 16, 8)
    change(&settings)
    return settings
  }

  private var source: MemorySource { MemorySource(.random([50, 6], seed: 1)) }

  private func message(_ change: (inout TrainingSettings) -> Void) -> String {
    errorMessage { try Trainer(source: source, settings: [Self.settings(change)]) }
  }

  @Test func settingsThatMakeNoSense() {
    func wanted(_ name: String, _ found: String, _ needed: String) -> String {
      "the training setting '\(name)' is \(found), but it must be \(needed)"
    }
    #expect(
      message { $0.k = 21 } == wanted("k", "21", "from 1 to the number of features, 20"))
    #expect(message { $0.k = 0 } == wanted("k", "0", "from 1 to the number of features, 20"))
    #expect(message { $0.batch = 0 } == wanted("batch", "0", "from 1 to 1048576"))
    #expect(message { $0.features = 0 } == wanted("features", "0", "from 1 to 16777216"))
    #expect(message { $0.learningRate = .nan } == wanted("learningRate", "nan", "above 1e-30 and at most 1"))
    #expect(message { $0.learningRate = 0 } == wanted("learningRate", "0.0", "above 1e-30 and at most 1"))
    #expect(message { $0.beta1 = 1 } == wanted("beta1", "1.0", "from 0 to below 1"))
    #expect(message { $0.beta2 = -1 } == wanted("beta2", "-1.0", "from 0 to below 1"))
    #expect(message { $0.epsilon = 0 } == wanted("epsilon", "0.0", "above 1e-30 and at most 1"))
    #expect(message { $0.decay = 1.5 } == wanted("decay", "1.5", "from 0 to 1"))
    #expect(message { $0.clipping = 0 } == wanted("clipping", "0.0", "above 0 and finite"))
    #expect(message { $0.auxiliaryScale = .infinity } == wanted("auxiliaryScale", "inf", "from 0 to 1000000"))
    #expect(message { $0.auxiliaryK = -1 } == wanted("auxiliaryK", "-1", "from 0 to 16777216"))
    #expect(message { $0.steps = 0 } == wanted("steps", "0", "from 1 to 1099511627776"))
    #expect(message { $0.epochs = 0 } == wanted("epochs", "0", "from 1 to 1048576"))
    #expect(message { $0.warmup = -1 } == wanted("warmup", "-1", "from 0 to 1099511627776"))
    #expect(message { $0.deadAfter = 0 } == wanted("deadAfter", "0", "from 1 to 9007199254740992"))
    #expect(message { $0.medianVectors = 0 } == wanted("medianVectors", "0", "from 1 to 16777216"))
    #expect(message { $0.scaleVectors = 1 } == wanted("scaleVectors", "1", "from 2 to 16777216"))
    #expect(
      message { $0.activationThreshold = .nan } == wanted("activationThreshold", "nan", "from 0 to 1000000"))
  }

  @Test func dataThatCannotBeLearnt() {
    #expect(
      errorMessage { try Trainer(source: MemorySource(Tensor([0, 6])), settings: [Self.settings()]) }
        == "there are no vectors to learn from; collect activations first")
    #expect(
      errorMessage { try Trainer(source: source, settings: []) }
        == "there is no dictionary to train; give the settings of one at least")
    #expect(
      errorMessage {
        try Trainer(source: MemorySource(Tensor(repeating: 3, [50, 6])), settings: [Self.settings()])
      } == "the first 50 vectors are all the same, so there is nothing to learn; check the activations")
    #expect(
      errorMessage {
        try Trainer(source: source, settings: [Self.settings(), Self.settings { $0.batch = 17 }])
      } == "dictionaries that are trained in one pass see the same batches, but their 'batch' is 16, 17; "
        + "make it the same or train them one after the other")
    #expect(
      errorMessage {
        try Trainer(source: source, settings: [Self.settings(), Self.settings { $0.steps = 9 }])
      } == "dictionaries that are trained in one pass see the same batches, but their 'steps' is 8, 9; "
        + "make it the same or train them one after the other")
  }

  @Test(arguments: [Float(3e38), 1e25, 1e-24, 1e-30]) func varianceBeyondFloat(scale: Float) {
    let vectors = Tensor.random([50, 6], seed: 1)
    let scaled = Tensor(vectors.elements.map { max(-1, min(1, $0)) * scale }, [50, 6])
    let message = errorMessage { try Trainer(source: MemorySource(scaled), settings: [Self.settings()]) }
    #expect(message.hasPrefix("the first 50 vectors differ by up to "), "\(message)")
    #expect(
      message.hasSuffix(
        "whose square float32 cannot hold, so they cannot be learned from; scale the activations to about 1"))
  }

  @Test(arguments: [Float.nan, .infinity, -.infinity]) func vectorsThatAreNotFinite(_ value: Float) throws {
    var vectors = Tensor.random([50, 6], seed: 1)
    vectors[40 * 6 + 5] = value
    let trainer = try Trainer(
      source: MemorySource(vectors),
      settings: [
        Self.settings {
          $0.medianVectors = 30; $0.scaleVectors = 30
        }
      ])
    _ = try trainer.step()
    _ = try trainer.step()
    let before = trainer.autoencoder(0)
    #expect(
      errorMessage { try trainer.step() }
        == "the vector at position 40 of the shuffled order of epoch 0 is \(value) in component 5, but vectors "
        + "must be finite; check or collect the activations again")
    #expect(trainer.position == 2)
    expectSame(trainer.autoencoder(0).encoder, before.encoder, "encoder")
    #expect(
      errorMessage { try Trainer(source: MemorySource(vectors), settings: [Self.settings()]) }
        .hasPrefix("the vector at position 40"))
  }

  @Test func aLossThatIsNotFinite() throws {
    // The first vectors, from which the scale is taken, are as they should be.
    var vectors = Tensor.random([50, 6], seed: 1)
    vectors[20 * 6] = 1e25
    let trainer = try Trainer(
      source: MemorySource(vectors),
      settings: [
        Self.settings {
          $0.medianVectors = 10; $0.scaleVectors = 10
        }
      ])
    _ = try trainer.step()
    #expect(
      errorMessage { try trainer.step() }
        == "the loss of dictionary 0 is not finite any more at step 2; resume from the last checkpoint with a "
        + "lower learning rate, or with clipping")
  }

  @Test func resumingWithOtherSettings() throws {
    let trainer = try Trainer(source: source, settings: [Self.settings()])
    for _ in 0..<6 { _ = try trainer.step() }
    let checkpoint = trainer.checkpoint()
    func message(_ settings: [TrainingSettings], _ source: MemorySource) -> String {
      errorMessage { try Trainer(source: source, settings: settings, resuming: checkpoint) }
    }
    #expect(message([Self.settings { $0.steps = 20 }], source) == "")
    for (change, name, now, then) in [
      ({ $0.k = 4 }, "k", "4", "3"), ({ $0.learningRate = 2e-4 }, "learningRate", "0.0002", "0.0001"),
      ({ $0.clipping = 1 }, "clipping", "1.0", "none"), ({ $0.seed = 7 }, "seed", "7", "42"),
    ] as [((inout TrainingSettings) -> Void, String, String, String)] {
      #expect(
        message([Self.settings(change)], source)
          == "'\(name)' of dictionary 0 is \(now), but the training began with \(then); resume with \(then) or "
          + "begin anew with --restart")
    }
    #expect(
      message([Self.settings { $0.steps = 5 }], source)
        == "the training is to end after step 5, but the checkpoint is at step 6; give more steps or epochs, or "
        + "begin anew with --restart")
    #expect(
      message([Self.settings(), Self.settings()], source)
        == "2 dictionaries are to be trained, but the checkpoint holds 1; resume with the same list of settings "
        + "or begin anew with --restart")
    #expect(
      message([Self.settings()], MemorySource(.random([51, 6])))
        == "the number of the vectors is 51, but the training began with 50; resume with the same activations or "
        + "begin anew with --restart")
    #expect(
      message([Self.settings()], MemorySource(.random([50, 7])))
        == "the width of the vectors is 7, but the training began with 6; resume with the same activations or "
        + "begin anew with --restart")
    let falling = try Trainer(source: source, settings: [Self.settings { $0.decay = 0.5 }])
    for _ in 0..<6 { _ = try falling.step() }
    #expect(
      errorMessage {
        try Trainer(
          source: source,
          settings: [
            Self.settings {
              $0.decay = 0.5; $0.steps = 10
            }
          ],
          resuming: falling.checkpoint())
      }
        == "the learning rate has begun to fall towards the end at step 8, so the training cannot end at step "
        + "10; resume with the same steps or epochs, or begin anew with --restart")
  }

  @Test func damagedCheckpoints() throws {
    let folder = try TemporaryFolder()
    let trainer = try Trainer(source: source, settings: [Self.settings()])
    let path = folder("checkpoint")
    try trainer.checkpoint().write(to: path)
    let good = try Safetensors(contentsOf: path)
    let whole = try good.names.map { name -> Safetensors.Item in
      let shape = good.entry(name)!.shape
      return good.entry(name)!.type == .i64
        ? .init(name, try good.integers(name), shape) : .init(name, try good.tensor(name))
    }
    func message(_ change: (inout [Safetensors.Item], inout [String: String]) -> Void) throws -> String {
      var (items, metadata) = (whole, good.metadata.filter { $0.key != "crc32" })
      change(&items, &metadata)
      try Safetensors.write(items, metadata: metadata, to: folder("damaged"))
      return errorMessage { try TrainingCheckpoint(contentsOf: folder("damaged")) }
        .replacingOccurrences(of: folder("damaged"), with: "FILE")
    }
    let start = "'FILE' is not a whole training checkpoint: "
    #expect(try message { _, _ in } == "")
    let sum = String(try Safetensors.checksum(of: whole), radix: 16)
    #expect(try message { _, metadata in metadata["crc32"] = sum } == "")
    #expect(
      try message { _, metadata in metadata["crc32"] = "12" }
        == start + "its checksum is \(sum), but it was written with 12; begin anew with --restart")
    #expect(
      try message { _, metadata in metadata["format"] = "other" }
        == start + "its metadata do not say 'format': 'sdlens training 1'")
    #expect(
      try message { _, metadata in metadata["training"] = "{" }
        == start + "the metadata under 'training' cannot be read")
    #expect(
      try message { _, metadata in
        metadata["training"] = good.metadata["training"]!.replacing("\"k\":3", with: "\"k\":30")
      }
        == start + "the training setting 'k' is 30, but it must be from 1 to the number of features, 20")
    #expect(
      try message { _, metadata in
        metadata["training"] = good.metadata["training"]!.replacing(
          "\"features\":20", with: "\"features\":21")
      } == start + "'0.encoder' has shape [20, 6], but its settings need [21, 6]")
    #expect(
      try message { items, _ in items.removeAll { $0.name == "0.mean.decoder" } }
        == "'0.mean.decoder' is not in 'FILE'; the nearest name there is '0.mean.encoder'")
    #expect(
      try message { items, _ in
        items.removeAll { $0.name == "0.idle" }
        items.append(.init("0.idle", [Int64](repeating: -1, count: 20), [20]))
      } == start + "'0.idle' is not a count for each of 20 features")
    #expect(
      try message { items, _ in
        items.removeAll { $0.name == "0.pre_bias" }
        items.append(.init("0.pre_bias", Tensor(repeating: .nan, [6])))
      } == start + "'0.pre_bias' has values that are not finite")
  }
}
