import SDLensCore
import SDLensDiffusion
import SDLensSparse

/// What is compared: kinds of dictionaries, each trained several times and measured on pictures that none has seen.
public struct Ablation: Sendable {
  /// A kind of dictionary.
  public struct Variant: Sendable, Equatable {
    /// What it is called in tables.
    public let name: String
    /// What of a block it is of.
    public let site: RecordedSite
    /// How it comes about.
    public let recipe: AblationRecipe
    /// Its size.
    public let features: Int
    /// How many features are active in a vector; of recipes with thresholds on average.
    public let k: Int

    /// Puts all together; without a name as in `topk-k5-n1280`.
    public init(
      named name: String? = nil, site: RecordedSite = .update, _ recipe: AblationRecipe, features: Int, k: Int
    ) {
      (self.site, self.recipe, self.features, self.k) = (site, recipe, features, k)
      self.name = name ?? "\(recipe)-k\(k)-n\(features)"
    }

    /// What tells its dictionaries from others of a block.
    var place: String { "\(site)-\(recipe)-k\(k)-n\(features)" }
  }

  /// The name of the comparison.
  public var name: String
  /// Where.
  public var blocks: [BlockName]
  /// What.
  public var variants: [Variant]
  /// Of the trainings: first weights and order of the vectors.
  public var seeds: [Seed]
  /// What all trainings have in common.
  public var training: TrainingSettings
  /// Pictures to learn from: the first of the list of prompts.
  public var pictures = 3000
  /// Pictures to measure on: the next ones.
  public var testPictures = 1000
  /// The seed of the first picture.
  public var firstPicture: Seed = 42
  /// What is measured.
  public var measures = AblationMeasure.allCases
  /// Features of each dictionary that are measured one by one, at random from those that are active.
  public var features = 100

  /// Compares variants at blocks.
  public init(
    _ name: String, of variants: [Variant], at blocks: [BlockName], seeds: [Seed], training: TrainingSettings
  ) {
    (self.name, self.blocks) = (name, blocks)
    self.variants = variants.reduce(into: []) { if !$0.contains($1) { $0.append($1) } }
    (self.seeds, self.training) = (seeds, training)
  }

  /// A dictionary: one variant at a block, trained once.
  struct Unit: Hashable {
    let block: BlockName
    let variant: Int
    let seed: Seed
  }

  /// All dictionaries, each variant once before any is there twice.
  var units: [Unit] {
    seeds.flatMap { seed in
      blocks.flatMap { block in variants.indices.map { Unit(block: block, variant: $0, seed: seed) } }
    }
  }

  /// The settings of a dictionary's training.
  func settings(of unit: Unit) -> TrainingSettings {
    let variant = variants[unit.variant]
    return variant.recipe.settings(training, features: variant.features, k: variant.k, seed: unit.seed)
  }

  /// Checks the settings of all trainings.
  ///
  /// - Throws: `BadTrainingSetting`.
  public func check() throws { for unit in units { try settings(of: unit).check() } }
}
