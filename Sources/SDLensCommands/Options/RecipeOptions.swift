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

extension Architecture: ExpressibleByArgument {
  /// The one of that name.
  public init?(argument: String) {
    guard let found = try? Architecture(argument) else { return nil }
    self = found
  }

  /// The names of all.
  public static var allValueStrings: [String] { all.map(\.description) }

  /// Its name.
  public var defaultValueDescription: String { description }
}

extension TrainingSettings.Frozen: ExpressibleByArgument {}
extension TrainingSettings.Preset: ExpressibleByArgument {}
extension TrainingSettings.Start: ExpressibleByArgument {}

/// How a dictionary is trained.
struct RecipeOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      Architecture.all.map { "\($0): \($0.summary)." }.joined(separator: " "), valueName: "name"))
  var architecture = Architecture.topK

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
    parsing: .unconditional,
    help: ArgumentHelp(
      "Of matryoshka: numbers of features that grow, each of which must also do alone. (default: a sixteenth, an eighth, a "
        + "quarter and half)", valueName: "n,…"))
  var levels: IntList?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Of jumprelu: weight of the mean number of active features in the loss, instead of k as the wanted number.",
      valueName: "x"))
  var l0Penalty: Double?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Of jumprelu: how wide the window around a threshold is in which activations move it, over the deviation of the "
        + "vectors. (default: 0.05)", valueName: "x"))
  var bandwidth: Double?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Raise the bias of dead features by so much in every step, over the deviation of the vectors, until they are active. "
        + "(default: leave it)", valueName: "x"))
  var revive: Double?

  @Option(
    help: ArgumentHelp(
      "vectors: begin with vectors of the data as directions, so that no feature begins dead. (default: random "
        + "directions)", valueName: "what"))
  var start: TrainingSettings.Start?

  @Option(
    help: ArgumentHelp(
      "Leave one half as it begins, random directions of length 1, for a baseline.", valueName: "half"))
  var freeze: TrainingSettings.Frozen?

  @Option(
    help: ArgumentHelp(
      "paper: 5120 features, learning rate 1e-4, 1 epoch, dead after 10,000,000 vectors. small: features twice the "
        + "width of a vector (256 on shapes), 1e-3, 500 steps, 20 of warm-up and 30 % of decay, dead after 200,000. "
        + "(default: small below 10,000,000 vectors)"
    ))
  var recipe: TrainingSettings.Preset?

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
    if l0Penalty != nil && k.values.count > 1 {
      throw ValidationError("--l0-penalty takes the place of k; give one k, or leave --l0-penalty out")
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
    var common = (recipe ?? .usual(vectors: vectors)).settings(width: width)
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
    common.revival = revive
    common.seed = seed
    (common.architecture, common.freeze, common.start) = (architecture, freeze, start)
    (common.levels, common.l0Penalty, common.bandwidth) = (levels?.values, l0Penalty, bandwidth)
    return (features?.values ?? [common.features]).flatMap { features in
      k.values.map { k in
        var settings = common
        (settings.features, settings.k) = (features, k)
        return settings
      }
    }
  }
}
