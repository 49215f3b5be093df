import SDLensCore
import SDLensDiffusion
import SDLensSparse

/// Whether the features that tell a value of `shapes` best also make it: modulated by −β and β where they are
/// active, on prompts with that value.
public struct Steering: Sendable {
  /// A feature and the value that it tells.
  public struct Target: Sendable, Codable, Equatable {
    /// The feature.
    public let feature: Int
    /// The value.
    public let value: ShapesWorld.FactorValue
    /// How well it tells the value per place, on the pictures on which it was not chosen.
    public let auroc: Double

    /// Names both.
    public init(feature: Int, value: ShapesWorld.FactorValue, auroc: Double) {
      (self.feature, self.value, self.auroc) = (feature, value, auroc)
    }
  }

  /// What an edit did to one picture.
  public struct Effect: Sendable, Codable, Equatable {
    /// How likely the judge finds the value at the object's place.
    public let probability: Double
    /// How likely it finds any object there; of a background nil.
    public let presence: Double?
    /// The mean absolute difference of samples (0…1) to the picture without edits on the object; of a background, on
    /// the background.
    public let inside: Double?
    /// The same on the rest of the picture.
    public let outside: Double?
  }

  /// What both edits of one feature did to one picture.
  public struct PictureResult: Sendable, Codable, Equatable {
    /// Which of the targets.
    public let target: Int
    /// Without edits.
    public let before: Effect
    /// With −β.
    public let lowered: Effect
    /// With β.
    public let raised: Effect

    /// Changes of a probability up to this are none.
    public static let margin = 0.01

    /// Whether the value became less likely with −β.
    public var isLowered: Bool { lowered.probability < before.probability - Self.margin }
    /// Whether the value stayed as likely with β, or became more likely.
    public var isKept: Bool { raised.probability >= before.probability - Self.margin }
  }

  private let block: BlockName
  private let autoencoder: SparseAutoencoder
  private let targets: [Target]
  private let interventions: [[Intervention]]
  private let prompts: JudgedPrompts

  /// Makes edits ready.
  ///
  /// - Parameter beta: above 0.
  /// - Throws: `EditError`, `WidthMismatch`.
  public init(
    _ targets: [Target], by beta: Double, at block: BlockName, _ autoencoder: SparseAutoencoder,
    of prompts: JudgedPrompts
  ) throws {
    (self.targets, self.block, self.autoencoder, self.prompts) = (targets, block, autoencoder, prompts)
    let dictionary = BlockDictionary(autoencoder, means: nil)
    interventions = try targets.map { target in
      try [-beta, beta].map { beta in
        try Intervention(
          EditList([Edit(.modulate(feature: target.feature, beta: beta), at: block)]), [block: dictionary],
          for: prompts.pipeline, prompts.settings(of: 0))
      }
    }
  }

  /// The features that tell the values of a factor best per place, each value's best before any second best; those
  /// better than chance, chosen as `FactorScorer` does.
  ///
  /// - Parameters:
  ///   - limit: pictures of the store to look at, from the first on.
  ///   - progress: called for each picture.
  /// - Throws: as `FactorStudy`.
  public static func targets(
    _ count: Int, of factor: ShapesWorld.Factor, at block: BlockName, in store: ActivationStore,
    _ autoencoder: SparseAutoencoder, limit: Int, progress: () -> Void = {}
  ) throws -> [Target] {
    let updates = try LabelledUpdates(of: "\(block)", in: store, limit: limit)
    try updates.check(autoencoder)
    var scorer = FactorScorer(features: autoencoder.features)
    for picture in 0..<updates.count {
      scorer.add(try autoencoder.encode(updates.vectors(picture)), updates.truth(picture))
      progress()
    }
    let ranking = zip(ShapesTruth.labels, scorer.bestOfPlaces(count)).filter { $0.0.factor == factor }
    var (targets, used) = ([Target](), Set<Int>())
    for rank in 0..<count {
      let round = ranking.compactMap { value, best in
        rank < best.count && best[rank].chosen > 0.5 ? (value: value, best: best[rank]) : nil
      }
      for (value, best) in round.sorted(by: { $0.best.chosen > $1.best.chosen })
      where targets.count < count && used.insert(best.feature).inserted {
        targets.append(Target(feature: best.feature, value: value, auroc: best.measured))
      }
    }
    return targets
  }

  /// Runs a prompt with the edits of all targets whose value it has and whose feature is active there.
  ///
  /// - Throws: as `Pipeline.sample`.
  public func measure(_ index: Int) throws -> [PictureResult] {
    let scene = prompts.scenes[index]
    guard targets.contains(where: { !scene.has($0.value).isEmpty }) else { return [] }
    let (run, masks) = (try prompts.run(index, watching: [block]), prompts.masks(of: index))
    guard let update = run.update(of: block) else { preconditionFailure("\(block) is watched") }
    let (codes, side) = (autoencoder.encode(update), update.shape[1])
    let shares = masks.shares(side: side)
    let active = targets.enumerated().compactMap { number, target -> (Int, Area)? in
      let map = codes.map(of: target.feature)
      let hit = scene.has(target.value).filter { part in
        map.indices.contains { map[$0] > 0 && part.covers($0, of: shares) }
      }
      return hit.isEmpty ? nil : (number, Area(hit, masks, scene))
    }
    guard !active.isEmpty else { return [] }
    // Decoding lets go of the U-net's weights: first all runs, then all pictures.
    let traces = active.map { number, _ in interventions[number].map { run.run($0) } }
    let before = try prompts.pipeline.picture(run.trace.latents)
    let unedited = prompts.judge(before)[0]
    return try zip(active, traces).map { active, traces in
      let (number, area) = active
      func effect(_ picture: Tensor, _ verdict: ShapesVerdict) -> Effect {
        let change = PixelChange.means(before, picture, mask: area.mask)
        let (probability, presence) = area.reading(targets[number].value, verdict)
        return Effect(
          probability: probability, presence: presence, inside: change.inside, outside: change.outside)
      }
      let edited = try traces.map { trace in
        let picture = try prompts.pipeline.picture(trace.latents)
        return effect(picture, prompts.judge(picture)[0])
      }
      return PictureResult(
        target: number, before: effect(before, unedited), lowered: edited[0], raised: edited[1])
    }
  }

  /// Where a value is to be seen in a scene.
  fileprivate enum Part {
    case object(Int)
    case background

    /// Whether it fills a place of a map; `shares` are those of the objects.
    func covers(_ place: Int, of shares: [[Float]]) -> Bool {
      switch self {
      case .object(let number): shares[number][place] >= ShapesTruth.cover
      case .background: shares.allSatisfy { $0[place] < ShapesTruth.cover }
      }
    }
  }

  /// The parts of a picture that an edit is meant for.
  private struct Area {
    let mask: [Float]
    /// Of the objects; empty for the background.
    let places: [ShapesWorld.Place]

    init(_ parts: [Part], _ masks: ShapesMasks, _ scene: ShapesScene) {
      let objects = parts.compactMap { if case .object(let number) = $0 { number } else { nil } }
      places = objects.map { scene.objects[$0].resolvedPlace }
      let chosen = objects.isEmpty ? Array(masks.objects.indices) : objects
      let sum = (0..<masks.size * masks.size).map { pixel in
        chosen.reduce(Float(0)) { $0 + masks.objects[$1][pixel] }
      }
      mask = objects.isEmpty ? sum.map { 1 - $0 } : sum
    }

    /// The probability of a value and of an object, the mean over the places.
    func reading(_ value: ShapesWorld.FactorValue, _ verdict: ShapesVerdict) -> (Double, Double?) {
      guard !places.isEmpty else { return (verdict.probability(of: value, at: .centre), nil) }
      return (
        Bootstrap.mean(places.map { verdict.probability(of: value, at: $0) }),
        Bootstrap.mean(places.map { verdict.presence(at: $0) })
      )
    }
  }
}

extension ShapesScene {
  /// The parts of its picture that have a value.
  fileprivate func has(_ value: ShapesWorld.FactorValue) -> [Steering.Part] {
    guard value.factor != .background else { return truth.background == value ? [.background] : [] }
    return truth.objects.enumerated().filter { $0.element.contains(value) }.map { .object($0.offset) }
  }
}
