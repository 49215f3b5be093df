import SDLensCore

/// What decides a report, besides the model.
public struct ReproductionSettings: Sendable {
  /// Prompts that are recorded and learned from; nil for the model's own.
  public var prompts: PromptList?
  /// At most so many of the model's own prompts.
  public var limit = 5000
  /// Numbers of active features.
  public var k = [5, 10, 20]
  /// Sizes of dictionaries; nil for half the width of a vector and the usual size.
  public var features: [Int]?
  /// Steps of training; nil for what suits the data.
  public var steps: Int?
  /// Features of each block that are measured.
  public var measured = 50
  /// Pictures of each feature, or prompts of a block; nil for what each metric takes.
  public var pictures: Int?
  /// Of pictures, order, first weights and choices.
  public var seed: Seed = 42
  /// Folders or ids of what compares pictures and texts, as in `MetricSettings`.
  public var clip, lpips, sentences, textures: String?

  /// The usual ones.
  public init() {}

  /// How many prompts each figure over prompts is of.
  var promptCount: Int { pictures ?? MetricRun.baselineSize }

  /// By name, as reports say them.
  var facts: [Fact] {
    var facts = [
      Fact("prompts", prompts?.fingerprint ?? "of the model, at most \(limit)"),
      Fact("k", k.map { "\($0)" }.joined(separator: ",")),
      Fact("features", features?.map { "\($0)" }.joined(separator: ",") ?? "by the width of vectors"),
      Fact("steps", steps.map { "\($0)" } ?? "by the number of vectors"), Fact("measured", "\(measured)"),
      Fact("pictures", pictures.map { "\($0)" } ?? "by metric"), Fact("seed", "\(seed)"),
    ]
    for (name, value) in [("clip", clip), ("lpips", lpips), ("sentences", sentences), ("textures", textures)]
    {
      if let value { facts.append(Fact(name, value)) }
    }
    return facts
  }
}
