import ArgumentParser
import SDLensDiffusion
import SDLensSparse
import SDLensStudy

/// `sdlens ablate architecture`.
struct AblateArchitecture: ResumableCommand {
  static let configuration = CommandConfiguration(
    commandName: "architecture",
    abstract: "Sizes, and recipes with the same number of active features.",
    discussion: """
      The sizes are trained as the paper's dictionaries are, with TopK. The recipes have one size, and one number of \
      active features: those with thresholds reach it on average, and L0 says how well. Their baselines are TopK with \
      a decoder or an encoder that stays at random, and random directions that never learn.
      """)

  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp("Features and k of the sizes. (default: 1280:5 2560:10 5120:20)", valueName: "n:k"))
  var sizes: [DictionarySize] = []

  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp(
      "Recipes: \(AblationRecipe.all.map(\.description).joined(separator: ", ")). (default: all)",
      valueName: "name"))
  var recipes: [AblationRecipe] = []

  @Option(help: ArgumentHelp("Features and k of the recipes.", valueName: "n:k"))
  var recipeSize = DictionarySize(features: 2560, k: 10)

  @Flag(help: "Compare the recipes only.")
  var onlyRecipes = false

  @OptionGroup var options: AblationOptions

  func validate() throws {
    if onlyRecipes && !sizes.isEmpty {
      throw ValidationError("--only-recipes leaves the sizes out; leave out --sizes, or --only-recipes")
    }
    for size in sizes + [recipeSize] { try size.check() }
  }

  func run() throws {
    let sizes =
      onlyRecipes
      ? [] : self.sizes.isEmpty ? [(1280, 5), (2560, 10), (5120, 20)].map(DictionarySize.init) : self.sizes
    let variants =
      sizes.map { Ablation.Variant(.topK, features: $0.features, k: $0.k) }
      + (recipes.isEmpty ? AblationRecipe.all : recipes).map {
        Ablation.Variant($0, features: recipeSize.features, k: recipeSize.k)
      }
    try options.run("architecture", of: variants)
  }
}

/// A number of features and of active ones, as in `5120:20`.
struct DictionarySize: ExpressibleByArgument {
  let features, k: Int

  init(features: Int, k: Int) { (self.features, self.k) = (features, k) }

  init?(argument: String) {
    let parts = argument.split(separator: ":", omittingEmptySubsequences: false).map { Int($0) }
    guard parts.count == 2, let features = parts[0], let k = parts[1] else { return nil }
    self.init(features: features, k: k)
  }

  var defaultValueDescription: String { "\(features):\(k)" }

  /// Refuses what no dictionary can have.
  func check() throws {
    guard 1...1 << 20 ~= features, 1...features ~= k else {
      throw ValidationError(
        "a size is \(features):\(k), but it must be n:k with n from 1 to \(1 << 20) and k from 1 to n, as in 5120:20"
      )
    }
  }
}

extension AblationRecipe: ExpressibleByArgument {
  /// The one of that name.
  public init?(argument: String) { self.init(argument) }

  /// The names of all.
  public static var allValueStrings: [String] { all.map(\.description) }
}
