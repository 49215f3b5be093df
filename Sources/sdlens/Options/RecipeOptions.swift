import ArgumentParser
import SDLensCore
import SDLensSparse

/// Numbers in one word, as in `5,10,20`.
struct IntList: ExpressibleByArgument {
  let values: [Int]

  init?(argument: String) {
    let numbers = argument.split(separator: ",", omittingEmptySubsequences: false).map { Int($0) }
    guard numbers.allSatisfy({ $0 != nil }) else { return nil }
    values = numbers.compactMap(\.self)
  }

  var defaultValueDescription: String { values.map { "\($0)" }.joined(separator: ",") }
}

/// How a dictionary is trained.
struct RecipeOptions: ParsableArguments {
  /// Settings that belong together.
  enum Recipe: String, CaseIterable, ExpressibleByArgument {
    case paper, small

    /// The settings for vectors of `width`; `small` is for stores of up to some million vectors, as `shapes` has
    /// them: where there is less to learn, most of many features are never active.
    func settings(width: Int) -> TrainingSettings {
      var settings = TrainingSettings()
      guard self == .small else { return settings }
      settings.features = 2 * width
      settings.learningRate = 1e-3
      settings.steps = 500
      settings.warmup = 20
      settings.decay = 0.3
      settings.deadAfter = 200_000
      return settings
    }
  }

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Features active in a vector; several make several dictionaries.", valueName: "n,…"))
  var k = IntList(argument: "10")!

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Size of the dictionary, instead of the recipe's; several make several dictionaries.", valueName: "n,…")
  )
  var features: IntList?

  @Option(
    help: ArgumentHelp(
      "paper: 5120 features, learning rate 1e-4, 1 epoch, dead after 10,000,000 vectors. small: features twice the "
        + "width of a vector (256 on shapes), 1e-3, 500 steps, 20 of warm-up and 30 % of decay, dead after 200,000. "
        + "(default: small below 10,000,000 vectors)"
    ))
  var recipe: Recipe?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Passes over the data, instead of the recipe's length.", valueName: "n"))
  var epochs: Int?

  @Option(
    parsing: .unconditional, help: ArgumentHelp("Steps, instead of the recipe's length.", valueName: "n"))
  var steps: Int?

  @Option(parsing: .unconditional, help: ArgumentHelp("Vectors a step. (default: 4096)", valueName: "n"))
  var batch: Int?

  @Option(parsing: .unconditional, help: ArgumentHelp("Step size of Adam.", valueName: "x"))
  var learningRate: Double?

  @Option(
    parsing: .unconditional, help: ArgumentHelp("Steps in which the learning rate rises.", valueName: "n"))
  var warmup: Int?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Share of the steps, the last, in which the learning rate falls to 0.", valueName: "share"))
  var decay: Double?

  @Option(parsing: .unconditional, help: ArgumentHelp("Largest norm of the gradient.", valueName: "x"))
  var clip: Double?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Vectors without activation after which a feature is dead.", valueName: "n"))
  var deadAfter: Int?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Dead features in the auxiliary loss; 0 for none. (default: 256)", valueName: "n"))
  var auxK: Int?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Weight of the auxiliary loss. (default: 1/32)", valueName: "x"))
  var auxScale: Double?

  func validate() throws {
    if epochs != nil && steps != nil {
      throw ValidationError("--epochs and --steps both say how long to train; give one of them")
    }
    do {
      // Of a width that is wide enough for every k: with the true one they are checked again.
      for settings in settings(vectors: 1, width: 1 << 16, seed: 0) { try settings.check() }
    } catch let problem as BadTrainingSetting {
      throw ValidationError(problem.description)
    }
  }

  /// The settings of every dictionary, for so many vectors of a width.
  func settings(vectors: Int, width: Int, seed: Seed) -> [TrainingSettings] {
    var common = (recipe ?? (vectors < 10_000_000 ? .small : .paper)).settings(width: width)
    if let epochs { (common.epochs, common.steps) = (epochs, nil) }
    if let steps { common.steps = steps }
    common.batch = batch ?? common.batch
    common.learningRate = learningRate ?? common.learningRate
    common.warmup = warmup ?? common.warmup
    common.decay = decay ?? common.decay
    common.clipping = clip
    common.deadAfter = deadAfter ?? common.deadAfter
    common.auxiliaryK = auxK ?? common.auxiliaryK
    common.auxiliaryScale = auxScale ?? common.auxiliaryScale
    common.seed = seed
    return (features?.values ?? [common.features]).flatMap { features in
      k.values.map { k in
        var settings = common
        (settings.features, settings.k) = (features, k)
        return settings
      }
    }
  }
}
