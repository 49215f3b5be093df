import ArgumentParser
import SDLensCore
import SDLensSparse

/// Times steps of training a dictionary, for comparison with other programs.
struct StepBench: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "sae-step",
    abstract: "Times steps of training a sparse autoencoder on random vectors.",
    discussion: "Prints the seconds of every step after the first, and of its parts.")

  @Option(help: "How it is trained: \(Architecture.all.map(\.description).joined(separator: ", ")).")
  var architecture = "topk"
  @Option(help: "Vectors a step.") var batch = 4096
  @Option(help: "The width of the vectors.") var width = 1280
  @Option(help: "The size of the dictionary.") var features = 5120
  @Option(help: "Active features per vector.") var k = 10
  @Option(help: "Dead features that explain the rest of a vector.") var aux = 256
  @Option(help: "The share of the features that is dead.") var deadShare = 0.05
  @Option(help: "Counted steps.") var repeats = 5
  @Option(help: "Threads (default: all cores).") var threads = Parallel.threads
  @Flag(help: "Print JSON.") var json = false

  func run() throws {
    Parallel.threads = threads
    var settings = TrainingSettings()
    (settings.features, settings.k, settings.auxiliaryK, settings.batch) = (features, k, aux, batch)
    settings.architecture = try Architecture(architecture)
    (settings.medianVectors, settings.scaleVectors) = (min(batch, 1024), min(batch, 1024))
    settings.steps = repeats + 1
    let source = RandomVectors(count: batch, width: width)
    let trainer = try Trainer(source: source, settings: [settings], resuming: try start(source, settings))
    _ = try trainer.step()
    let warm = trainer.times(0)
    let seconds = try (0..<repeats).map { _ in
      let start = ContinuousClock.now
      let report = try trainer.step()[0]
      precondition(abs(Double(report.dead) - deadShare * Double(features)) <= 0.5, "\(report.dead) are dead")
      return (ContinuousClock.now - start) / .seconds(1)
    }
    let parts = [
      ("product", \TrainingTimes.product), ("selection", \.selection),
      ("reconstruction", \.reconstruction), ("auxiliary", \.auxiliary), ("gradient", \.gradient),
      ("update", \.update),
    ].map { ($0, (trainer.times(0)[keyPath: $1] - warm[keyPath: $1]) / Double(repeats)) }
    if json {
      let shares = parts.map { "\"\($0)\": \($1)" }.joined(separator: ", ")
      print("{\"step_seconds\": \(seconds), \"parts\": {\(shares)}}")
    } else {
      print("step", seconds.map { "\(($0 * 1e4).rounded() / 10) ms" }.joined(separator: "  "))
      for (name, seconds) in parts { print(name, "\((seconds * 1e4).rounded() / 10) ms") }
    }
  }

  /// A training in which a share of the features is dead and stays so: too short to be among the k largest, their
  /// pre-activations positive as often as negative.
  private func start(_ source: RandomVectors, _ settings: TrainingSettings) throws -> TrainingCheckpoint {
    var checkpoint = try Trainer(source: source, settings: [settings]).checkpoint()
    let dead = Int((deadShare * Double(features)).rounded())
    for index in 0..<dead {
      let feature = index * features / dead
      checkpoint.states[0].idle[feature] = Int64(settings.deadAfter)
      checkpoint.states[0].autoencoder.encoder.withMutableElements { encoder in
        for place in feature * width..<(feature + 1) * width { encoder[place] *= 0.05 }
      }
    }
    return checkpoint
  }
}

/// Normal numbers, the same in every epoch.
private final class RandomVectors: RowSource {
  private let vectors: Tensor
  var width: Int { vectors.width }
  var count: Int { vectors.rows }

  init(count: Int, width: Int) {
    var generator = MersenneTwister(seed: 1)
    vectors = Tensor(generator.normal(count * width), [count, width])
  }

  func rows(_ range: Range<Int>, epoch: Int) -> Tensor { vectors.rows(range) }
}
