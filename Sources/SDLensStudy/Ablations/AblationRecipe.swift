import SDLensCore
import SDLensSparse

/// How a dictionary of an ablation comes about: by a recipe of training, or as one of the baselines for them.
public struct AblationRecipe: Sendable, Equatable, CustomStringConvertible {
  private let architecture: Architecture
  private let freeze: TrainingSettings.Frozen?
  /// Whether it learns at all.
  let isTrained: Bool

  /// All recipes of training, those of the paper's with a half that does not learn, and random directions as they are
  /// before training.
  public static let all =
    Architecture.all.map { AblationRecipe(architecture: $0) }
    + TrainingSettings.Frozen.allCases.map { AblationRecipe(freeze: $0) } + [AblationRecipe(isTrained: false)]

  private init(
    architecture: Architecture = .topK, freeze: TrainingSettings.Frozen? = nil, isTrained: Bool = true
  ) {
    (self.architecture, self.freeze, self.isTrained) = (architecture, freeze, isTrained)
  }

  /// The one of that name; nil where there is none.
  public init?(_ name: String) {
    guard let found = Self.all.first(where: { $0.description == name }) else { return nil }
    self = found
  }

  /// The paper's.
  public static let topK = all[0]

  /// Its name: `topk`, …, `frozen-decoder`, `frozen-encoder` or `random`.
  public var description: String {
    isTrained ? freeze.map { "frozen-\($0.rawValue)" } ?? architecture.description : "random"
  }

  /// The settings of a training.
  func settings(_ base: TrainingSettings, features: Int, k: Int, seed: Seed) -> TrainingSettings {
    var settings = base
    (settings.architecture, settings.freeze) = (architecture, freeze)
    (settings.features, settings.k, settings.seed) = (features, k, seed)
    return settings
  }
}
