import SDLensCore
import SDLensShapes
import SDLensSparse
import SDLensStudy
import SDLensTestSupport
import Testing

/// What is around the trainings: recipes, intervals over seeds, detection by the truth.
@Suite struct AblationTests {
  /// `scipy.stats.t.interval(.95, n - 1, mean, scipy.stats.sem(values))`, SciPy 1.16.
  @Test(
    arguments: [
      ([1, 2, 4], -1.461249700263426, 6.1279163669300925),
      ([0.9, 0.95], 0.6073448815956332, 1.2426551184043668),
      ([3, 1, 4, 1, 5], 0.5788439158417655, 5.021156084158234),
      ([2, 7, 1, 8, 2, 8], 1.175551114877846, 8.157782218455488),
    ] as [([Double], Double, Double)]) func seedsHaveStudentsInterval(
      values: [Double], low: Double, high: Double
    ) throws
  {
    let found = try #require(Estimate(ofRepetitions: values))
    let ends = try #require(found.interval)
    #expect(abs(ends[0] - low) < 1e-9 && abs(ends[1] - high) < 1e-9, "\(ends)")
    #expect(found.n == values.count && abs(found.value - (low + high) / 2) < 1e-9)
  }

  @Test func oneSeedHasNoInterval() {
    #expect(Estimate(ofRepetitions: [0.5]) == Estimate(0.5, n: 1, interval: nil))
    #expect(Estimate(ofRepetitions: []) == nil)
  }

  @Test func recipesAreKnownByTheirNames() {
    let names = AblationRecipe.all.map(\.description)
    #expect(
      names == Architecture.all.map(\.description) + ["frozen-decoder", "frozen-encoder", "random"])
    for recipe in AblationRecipe.all { #expect(AblationRecipe("\(recipe)") == recipe) }
    #expect(AblationRecipe("frozen") == nil)
    #expect(AblationRecipe.topK.description == "topk")
  }

  /// Feature 0 is active exactly where red is, feature 1 where it is not blue, feature 2 everywhere, feature 3 once.
  @Test func theTruthTellsWhenAFeatureIsActive() throws {
    let labels = ShapesTruth.labels
    let red = try #require(labels.firstIndex { $0.factor == .colour && $0.value == "red" })
    let blue = try #require(labels.firstIndex { $0.factor == .colour && $0.value == "blue" })
    let green = try #require(labels.firstIndex { $0.factor == .colour && $0.value == "green" })
    var scorer = FactorScorer(features: 4)
    let shown = [red, red, blue, blue, green, green, red, red, blue, blue]
    for (picture, label) in shown.enumerated() {
      var features: [Int32] = [2]
      if label == red { features.append(0) }
      if label != blue { features.append(1) }
      if picture == 0 { features.append(3) }
      scorer.add(
        Codes(
          starts: [0, features.count, features.count], indices: features, values: features.map { _ in 1 }),
        ShapesTruth(picture: 1 << UInt64(label), places: [1 << UInt64(label), 0]))
    }
    let found = TruthDetection.scores(scorer)
    // Of each half two pictures are red, two blue, one green. Red tells feature 1 with (2/3 + 1) / 2.
    #expect(found[0] == 1)
    #expect(abs(try #require(found[1]) - 5.0 / 6) < 1e-12)
    #expect(found[2] == nil && found[3] == nil)
  }

  @Test func trainingsThatMakeNoSenseAreRefused() {
    let ablation = Ablation(
      "architecture", of: [.init(.topK, features: 4, k: 5)], at: [.studied[0]], seeds: [1],
      training: TrainingSettings())
    #expect(
      errorMessage { try ablation.check() }
        == "the training setting 'k' is 5, but it must be from 1 to the number of features, 4")
  }
}
