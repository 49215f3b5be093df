import SDLensCore

/// How a dictionary is trained; the defaults are the paper's.
public struct TrainingSettings: Codable, Equatable, Sendable {
  /// What is learnt, and how.
  public var architecture = Architecture.topK
  /// The size of the dictionary.
  public var features = 5120
  /// How many features may be active in a vector.
  public var k = 10
  /// How many dead features explain what is left of a vector; 0 trains without the auxiliary loss.
  public var auxiliaryK = 256
  /// The weight of the auxiliary loss, `α`.
  public var auxiliaryScale = 1.0 / 32
  /// A feature is dead when it was not active for so many vectors.
  public var deadAfter = 10_000_000
  /// What is added to `b_act` of a dead feature in every step until it is active, over the deviation of the vectors; nil for
  /// nothing.
  public var revival: Double?
  /// The activation above which a feature counts as active, where dead features are told from others.
  public var activationThreshold = 1e-3
  /// Vectors a step.
  public var batch = 4096
  /// The step size of Adam.
  public var learningRate = 1e-4
  /// How much of the mean of the gradient Adam keeps each step, `β₁`.
  public var beta1 = 0.9
  /// How much of the mean of the squared gradient Adam keeps each step, `β₂`.
  public var beta2 = 0.999
  /// What Adam adds to the root of the mean square.
  public var epsilon = 6.25e-10
  /// Passes over the data, unless `steps` says otherwise; the last batch is filled up from one more.
  public var epochs = 1
  /// The number of steps; the data are gone through as often as that takes.
  public var steps: Int?
  /// Over so many steps the learning rate rises linearly to its full value.
  public var warmup = 0
  /// Over this share of all steps, the last, the learning rate falls linearly to 0.
  public var decay = 0.0
  /// The largest norm of all gradients together; larger ones are scaled down to it.
  public var clipping: Double?
  /// Of the initial weights.
  public var seed: Seed = 42
  /// `b_pre` starts as the geometric median of so many first vectors.
  public var medianVectors = 32_768
  /// The reconstruction loss is measured in units of the variance of so many first vectors.
  public var scaleVectors = 32_768

  /// Of `matryoshka`: the numbers of features that must also do alone; absent, its own choice.
  public var levels: [Int]?
  /// Of `jumprelu`: the weight of the mean number of active features, in place of k as the wanted number.
  public var l0Penalty: Double?
  /// Of `jumprelu`: how far from a threshold an activation moves it, over the deviation of the vectors; absent, 0.05.
  public var bandwidth: Double?
  /// What directions begin as, where that is not random.
  public var start: Start?
  /// What stays as it begins, for a baseline.
  public var freeze: Frozen?

  /// Where directions come from before the first step.
  public enum Start: String, Codable, Sendable, CaseIterable {
    /// Vectors of the data, so that each is active from the beginning on.
    case vectors
  }

  /// A parameter that does not learn; its rows are random, of length 1.
  public enum Frozen: String, Codable, Sendable, CaseIterable { case decoder, encoder }

  /// The paper's recipe.
  public init() {}

  /// The learning rate of a step (from 1) of `total`.
  func learningRate(step: Int, of total: Int) -> Double {
    let rise = warmup > 0 ? min(1, Double(step) / Double(warmup)) : 1
    let falling = decay * Double(total)
    let fall = falling > 0 ? min(1, Double(total - step + 1) / falling) : 1
    return learningRate * rise * fall
  }

  /// The number of steps over data of `count` vectors.
  package func steps(over count: Int) -> Int { steps ?? (epochs * count + batch - 1) / batch }

  /// The vectors that all steps take, over data of `count` vectors.
  public func vectors(over count: Int) -> Int { steps(over: count) * batch }

  /// What a dictionary of these settings is called: `k10-n256`.
  public var title: String {
    (architecture == .topK ? "" : "\(architecture)-") + (l0Penalty.map { "l0-\($0)" } ?? "k\(k)")
      + "-n\(features)"
      + (freeze.map { "-frozen-\($0.rawValue)" } ?? "")
  }

  /// Checks every value.
  ///
  /// - Throws: `BadTrainingSetting` naming the first that makes no sense.
  public func check() throws {
    try require("features", features, in: ConfigFile.sizes)
    guard 1...features ~= k else {
      throw BadTrainingSetting(
        name: "k", found: "\(k)", needed: "from 1 to the number of features, \(features)")
    }
    try require("auxiliaryK", auxiliaryK, in: 0...ConfigFile.sizes.upperBound)
    try require("deadAfter", deadAfter, in: 1...1 << 53)
    try require("batch", batch, in: 1...1 << 20)
    try require("epochs", epochs, in: 1...1 << 20)
    try require("steps", steps ?? 1, in: 1...1 << 40)
    try require("warmup", warmup, in: 0...1 << 40)
    try require("medianVectors", medianVectors, in: 1...1 << 24)
    try require("scaleVectors", scaleVectors, in: 2...1 << 24)
    try require("auxiliaryScale", auxiliaryScale, "from 0 to 1000000") { 0...1e6 ~= $0 }
    try require("activationThreshold", activationThreshold, "from 0 to 1000000") { 0...1e6 ~= $0 }
    try require("learningRate", learningRate, "above 1e-30 and at most 1") { $0 > 1e-30 && $0 <= 1 }
    try require("beta1", beta1, "from 0 to below 1") { 0..<1 ~= $0 }
    try require("beta2", beta2, "from 0 to below 1") { 0..<1 ~= $0 }
    try require("epsilon", epsilon, "above 1e-30 and at most 1") { $0 > 1e-30 && $0 <= 1 }
    try require("decay", decay, "from 0 to 1") { 0...1 ~= $0 }
    try require("revival", revival ?? 1, "above 0 and at most 1") { $0 > 0 && $0 <= 1 }
    try require("clipping", clipping ?? 1, "above 0 and finite") { $0 > 0 && $0.isFinite }
    if let start, let freeze {
      throw BadTrainingSetting(
        name: "start", found: "\(start)", needed: "left out: the frozen \(freeze) of a baseline is random")
    }
    let own: [(name: String, value: Any?)] = [
      ("levels", levels), ("l0Penalty", l0Penalty), ("bandwidth", bandwidth),
    ]
    for (name, value) in own where !architecture.recipe.ownSettings.contains(name) {
      guard let value else { continue }
      throw BadTrainingSetting(
        name: name, found: "\(value)", needed: "left out: the architecture \(architecture) has none")
    }
    try architecture.recipe.check(self)
  }

  private func require(_ name: String, _ value: Int, in range: ClosedRange<Int>) throws {
    guard range ~= value else {
      throw BadTrainingSetting(
        name: name, found: "\(value)", needed: "from \(range.lowerBound) to \(range.upperBound)")
    }
  }

  func require(_ name: String, _ value: Double, _ needed: String, _ isGood: (Double) -> Bool) throws {
    guard isGood(value) else { throw BadTrainingSetting(name: name, found: "\(value)", needed: needed) }
  }
}

extension TrainingSettings {
  /// All settings by name, each as it reads in a message.
  private var values: [(name: String, value: String)] {
    Mirror(reflecting: self).children.map { child in
      let value = (child.value as? any OptionalValue)?.wrapped ?? child.value
      return (child.label ?? "", "\(value)")
    }
  }

  /// What may change when a training is taken up again.
  package static let extended: Set<String> = ["steps", "epochs"]

  /// The first setting, but for those in `ignoring`, that is not the same in both.
  package func difference(from other: TrainingSettings, ignoring: Set<String> = []) -> (
    name: String, mine: String, other: String
  )? {
    zip(values, other.values).first { $0.value != $1.value && !ignoring.contains($0.name) }
      .map { ($0.name, $0.value, $1.value) }
  }
}

/// What a reflected optional holds.
private protocol OptionalValue { var wrapped: Any { get } }
extension Optional: OptionalValue {
  fileprivate var wrapped: Any { map { $0 as Any } ?? "none" }
}
