import SDLensCore
import SDLensDiffusion

/// Whether a feature is active where its caption says it should be (paper, Sec. 5.2, "Sensitivity").
public enum Sensitivity {
  /// A feature counts as active on a picture when it is on more than such a share of its area.
  public static let areas = [0, 0.1, 0.3]
  /// Prompts for a caption.
  public static let prompts = 100

  /// For each of `areas` the share of pictures in which the feature is active on more than that; nil without
  /// pictures.
  ///
  /// - Parameter active: for each picture the share of places at which the feature is active.
  public static func shares(_ active: [Double]) -> [Double]? {
    guard !active.isEmpty else { return nil }
    return areas.map { area in Double(active.count { $0 > area }) / Double(active.count) }
  }

  /// The share of places at which a feature is active.
  public static func activeShare(of map: [Float]) -> Double {
    map.isEmpty ? 0 : Double(map.count { $0 > 0 }) / Double(map.count)
  }

  /// The prompts nearest to a caption that are not nearly equal to each other.
  ///
  /// Prompts are taken in the order of their cosine with the caption, of equal ones the earlier first; one is
  /// passed over when its cosine with one already taken is above `mostAlike`.
  public static func nearest(
    to caption: Tensor, among prompts: UnitVectors, count: Int = prompts, mostAlike: Double = 0.95
  ) -> [Int] {
    let cosines = prompts.cosines(with: UnitVectors(caption)).elements
    var chosen: [Int] = []
    for prompt in cosines.indices.sorted(by: { (-cosines[$0], $0) < (-cosines[$1], $1) }) {
      guard chosen.count < count else { break }
      if chosen.allSatisfy({ prompts.cosine(prompt, with: $0, of: prompts) <= mostAlike }) {
        chosen.append(prompt)
      }
    }
    return chosen
  }
}

/// `sensitivity`, as `eval` measures it.
enum SensitivityMetric: Metric {
  static let name = "sensitivity"
  static let abstract = "Whether a feature is active where its caption says."
  static let discussion = """
    Of the 100 recorded prompts nearest to the caption, the share on whose pictures the feature is \
    active on more than 0, 10 and 30 % of the area.
    """
  static let columns = ["over 0 %", "over 10 %", "over 30 %"]
  static let needs: Set<MetricNeed> = [.clip, .captions, .store, .recorded]
  static let paper = [
    "down.2.1": [".60 (.32)", ".40 (.34)", ".27 (.30)"],
    "random": [".06 (.09)", ".003 (.006)", ".001 (.003)"],
  ]

  static func measure(_ block: BlockName, in run: MetricRun) throws {
    let session = run.session
    if session.sentences == nil, !run.columns.contains(where: { $0.metric == name }) {
      session.progress.note("no --sentences: prompts near a caption are found by the texts of CLIP")
    }
    var table: (numbers: [Int], units: UnitVectors)?
    try run.features(self, block) { feature in
      guard let caption = try session.captions(of: block)[feature] else {
        return MetricOutcome(skip: .noCaption)
      }
      let prompts = try table ?? promptTable(session)
      table = prompts
      // CLIP's texts lie closer together than sentences: with them only equal prompts are passed over.
      let chosen = Sensitivity.nearest(
        to: try session.sentenceEmbeddings(of: [caption]), among: prompts.units,
        mostAlike: session.sentences == nil ? 0.9999 : 0.95)
      let shares = try chosen.compactMap { index in
        try session.codes(of: prompts.numbers[index], at: block).map {
          Sensitivity.activeShare(of: $0.map(of: feature))
        }
      }
      return MetricOutcome(Sensitivity.shares(shares), else: .tooFewPictures)
    }
  }

  /// The recorded prompts, each once with its first picture, and their embeddings.
  private static func promptTable(_ session: MetricSession) throws -> (numbers: [Int], units: UnitVectors) {
    var (seen, numbers): (Set<String>, [Int]) = ([], [])
    let prompts = session.recorded?.prompts ?? [:]
    for number in session.numbers where seen.insert(prompts[number] ?? "").inserted { numbers.append(number) }
    let table = try session.sentenceEmbeddings(of: numbers.map { prompts[$0] ?? "" })
    return (numbers, UnitVectors(table))
  }

  /// Random prompts.
  static func baselines(in run: MetricRun) throws {
    let session = run.session
    let numbers = session.numbers
    guard numbers.count > 1 else { return }
    for block in session.blocks where try session.obstacle(to: needs, at: block) == nil {
      let features = session.features(of: block)
      guard !features.isEmpty else { continue }
      try run.baseline(self, "random at \(block)") { random, index in
        let feature = features[index % features.count]
        let shares = try session.draw(Sensitivity.prompts, of: numbers, &random).compactMap { number in
          try session.codes(of: number, at: block).map { Sensitivity.activeShare(of: $0.map(of: feature)) }
        }
        return Sensitivity.shares(shares) ?? []
      }
    }
  }
}
