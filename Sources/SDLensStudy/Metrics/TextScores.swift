import SDLensCore
import SDLensDiffusion

/// Whether features alone make textures (paper, Sec. 5.2).
enum TextureScore: FeatureMetric {
  static let name = "texture"
  static let abstract = "Whether features alone make textures."
  static let discussion =
    "The CLIP similarity of \"texture\" and the picture of a feature alone, on the empty prompt."
  static let needs: Set<MetricNeed> = [.clip, .means]
  static let paperTable: String? = "Table 1a"
  static let paper = [
    "down.2.1": [".16 (.02)"], "mid.0": [".14 (.01)"], "up.0.0": [".18 (.03)"], "up.0.1": [".20 (.02)"],
    "random": [".13 (.02)"], "textures": [".18 (.02)"],
  ]

  static func outcome(of feature: Int, at block: BlockName, in session: MetricSession) throws
    -> MetricOutcome
  {
    try TextSimilarity.alone(feature, at: block, text: TextSimilarity.texture, in: session)
  }

  /// Random pictures, and pictures of textures.
  static func baselines(in run: MetricRun) throws {
    let session = run.session
    guard session.pool.count > 1 else { return }
    let word = try session.embeddings(of: [TextSimilarity.texture])
    try run.baseline(self, "random") { random, _ in
      let picture = session.draw(1, of: session.pool, &random)
      return [TextSimilarity.value(of: try session.embeddings(ofPictures: picture), with: word)]
    }
    guard !session.textures.isEmpty else { return }
    try run.baseline(self, "textures") { random, _ in
      let picture = try PNG.read(session.textures[random.integer(below: session.textures.count)])
      return [TextSimilarity.value(of: try session.embeddings(of: [picture]), with: word)]
    }
  }
}

/// Whether captions of features fit the pictures in which they are active (paper, Sec. 5.2).
enum Interpretability: FeatureMetric {
  static let name = "interpretability"
  static let abstract = "How well captions of features fit their pictures."
  static let discussion = """
    The CLIP similarity of a feature's caption and 10 random pictures of its top 5 %. Captions come from \
    captions.jsonl in the dictionary's folder; on shapes those that are missing there are made by a rule and \
    written beside the results.
    """
  static let needs: Set<MetricNeed> = [.clip, .captions, .examples, .recorded]
  static let paper = [
    "down.2.1": [".21 (.03)"], "random": [".12 (.02)"], "from the caption": [".25 (.03)"],
  ]

  static func outcome(of feature: Int, at block: BlockName, in session: MetricSession) throws
    -> MetricOutcome
  {
    guard let caption = try session.captions(of: block)[feature] else {
      return MetricOutcome(skip: .noCaption)
    }
    let numbers = session.sample(of: feature, at: block).map(\.example.picture)
    let pictures = try session.embeddings(ofPictures: numbers)
    let text = try session.embeddings(of: [caption])
    return MetricOutcome(TextSimilarity.value(of: pictures, with: text), else: .tooFewPictures)
  }

  /// Random pictures, and pictures made from captions.
  static func baselines(in run: MetricRun) throws {
    let session = run.session
    guard session.pool.count > 1 else { return }
    let captions = try session.blocks.flatMap { block in
      try session.captions(of: block).sorted { $0.key < $1.key }.map(\.value)
    }
    func caption(_ random: inout PCG64) -> String { captions[random.integer(below: captions.count)] }
    try run.baseline(self, "random") { random, _ in
      let text = try session.embeddings(of: [caption(&random)])
      let picture = session.draw(1, of: session.pool, &random)
      return [TextSimilarity.value(of: try session.embeddings(ofPictures: picture), with: text)]
    }
    try run.baseline(self, "from the caption") { random, _ in
      let text = caption(&random)
      let picture = try session.archive.picture(
        .init(text, try session.ownSettings(session.settings.seed)))
      return [
        TextSimilarity.value(
          of: try session.embeddings(of: [picture]), with: try session.embeddings(of: [text]))
      ]
    }
  }
}

/// Whether features alone make what their captions say (paper, Sec. 5.2).
enum Causality: FeatureMetric {
  static let name = "causality"
  static let abstract = "Whether a feature alone makes what its caption says."
  static let discussion =
    "The CLIP similarity of a feature's caption and its picture on the empty prompt."
  static let needs: Set<MetricNeed> = [.clip, .captions, .means]
  static let paper = ["down.2.1": [".19 (.04)"]]

  static func outcome(of feature: Int, at block: BlockName, in session: MetricSession) throws
    -> MetricOutcome
  {
    guard let caption = try session.captions(of: block)[feature] else {
      return MetricOutcome(skip: .noCaption)
    }
    return try TextSimilarity.alone(feature, at: block, text: caption, in: session)
  }
}

extension TextSimilarity {
  /// The picture of a feature alone, against a text.
  fileprivate static func alone(
    _ feature: Int, at block: BlockName, text: String, in session: MetricSession
  ) throws -> MetricOutcome {
    guard let picture = try session.emptyContextPicture(of: feature, at: block) else {
      return MetricOutcome(skip: .dead)
    }
    return MetricOutcome(
      value(of: try session.embeddings(of: [picture]), with: try session.embeddings(of: [text])),
      else: .dead)
  }
}
