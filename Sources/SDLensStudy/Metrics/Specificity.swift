import SDLensCore
import SDLensDiffusion
import SDLensSparse

/// How much the pictures have in common in which a feature is most active (paper, Sec. 5.2, "Interpretability").
public enum Specificity {
  /// Pictures that are compared for a feature.
  public static let pictures = 10

  /// The mean cosine over all pairs of different embeddings [pictures, width]; nil for fewer than two.
  public static func value(of embeddings: Tensor) -> Double? {
    guard embeddings.rows > 1 else { return nil }
    let (units, count) = (UnitVectors(embeddings), embeddings.rows)
    var sum = 0.0
    for first in 0..<count {
      for second in first + 1..<count { sum += units.cosine(first, with: second, of: units) }
    }
    return sum / Double(count * (count - 1) / 2)
  }

  /// Up to `count` of the feature's top 5 % pictures, chosen by a seed; the ranks go up.
  ///
  /// The rank of a picture is its place among all in which the feature is active, the strongest being 0.
  public static func sample(
    of feature: Int, in examples: FeatureExamples, count: Int = pictures, seed: Seed
  ) -> [(rank: Int, example: FeatureExamples.Example)] {
    let top = examples.top(of: feature)
    // Features draw independently: which others are asked for does not change a feature's pictures.
    var random = PCG64(seed: seed.bits &* 0x9E37_79B9_7F4A_7C15 ^ UInt64(feature))
    return random.permutation(top.count).prefix(count).sorted().map { ($0, top[$0]) }
  }
}

/// `specificity`, as `eval` measures it.
enum SpecificityMetric: FeatureMetric {
  static let name = "specificity"
  static let abstract = "How alike the pictures are in which a feature is most active."
  static let discussion =
    "The mean CLIP similarity of all pairs of 10 random pictures of a feature's top 5 %."
  static let needs: Set<MetricNeed> = [.clip, .examples, .recorded]
  static let paperTable: String? = "Table 1a"
  static let paper = [
    "down.2.1": [".71 (.11)"], "mid.0": [".62 (.11)"], "up.0.0": [".66 (.12)"], "up.0.1": [".65 (.11)"],
    "random": [".50 (.10)"], "same prompt": [".89 (.06)"],
  ]

  static func outcome(of feature: Int, at block: BlockName, in session: MetricSession) throws
    -> MetricOutcome
  {
    let numbers = session.sample(of: feature, at: block).map(\.example.picture)
    guard numbers.count > 1 else { return MetricOutcome(skip: .tooFewPictures) }
    return MetricOutcome(
      Specificity.value(of: try session.embeddings(ofPictures: numbers)), else: .tooFewPictures)
  }

  /// Pairs of random pictures, and of pictures of one prompt.
  static func baselines(in run: MetricRun) throws {
    let session = run.session
    guard session.pool.count > 1 else { return }
    try run.baseline(self, "random") { random, _ in
      [Specificity.value(of: try session.embeddings(ofPictures: session.draw(2, of: session.pool, &random)))]
    }
    try run.baseline(self, "same prompt") { random, index in
      let number = session.draw(1, of: session.pool, &random)[0]
      guard let (prompt, own) = try session.run(of: number) else { return [nil] }
      // Seeds far from those of recorded pictures.
      var settings = own
      settings.seed = 1_000_000_000 + index
      let other = try session.archive.picture(.init(prompt, settings))
      return [Specificity.value(of: try session.embeddings(of: [try session.picture(number), other]))]
    }
  }
}
