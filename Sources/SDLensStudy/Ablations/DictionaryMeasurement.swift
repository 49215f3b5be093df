import SDLensCore
import SDLensDiffusion
import SDLensShapes
import SDLensSparse

/// One dictionary, measured on pictures that it has not learned from.
final class DictionaryMeasurement {
  private let dictionary: DictionaryFolder
  private let block: BlockName
  private let site: RecordedSite
  private let store: ActivationStore
  private let model: ModelFolder
  private let workspace: String
  private let settings: MetricSettings
  private let progress: any MetricProgress
  private var isShapes: Bool { model.title == ModelFolder.embedded }

  /// Makes ready; the dictionary's statistics and examples must be of `store`.
  init(
    of dictionary: DictionaryFolder, at block: BlockName, site: RecordedSite, in store: ActivationStore,
    model: ModelFolder, workspace: String, _ settings: MetricSettings, progress: any MetricProgress
  ) {
    (self.dictionary, self.block, self.site, self.store) = (dictionary, block, site, store)
    (self.model, self.workspace, self.settings, self.progress) = (model, workspace, settings, progress)
  }

  /// The numbers of a measure.
  ///
  /// - Throws: what is wrong with store, model or CLIP.
  func result(_ measure: AblationMeasure) throws -> AblationResult {
    guard isShapes || !measure.needsTruth else {
      return AblationResult(omission: "the truth is known of the model shapes only")
    }
    switch measure {
    case .reconstruction: return try reconstruction()
    case .activity: return activity()
    case .specificity: return try mean(SpecificityMetric.self, as: measure)
    case .interpretability: return try mean(Interpretability.self, as: measure)
    case .detection:
      let scores = TruthDetection.scores(try scorer).compactMap(\.self)
      guard !scores.isEmpty else {
        return AblationResult(omission: "no feature is active in some pictures only")
      }
      return AblationResult(values: ["detection": Bootstrap.mean(scores)])
    case .truth: return try truth()
    case .probing: return try probing()
    case .steering: return try steering()
    }
  }

  private func reconstruction() throws -> AblationResult {
    let autoencoder = dictionary.autoencoder
    let activations = try store.activations(of: "\(block)")
    var variance = ExplainedVariance(width: autoencoder.width)
    for picture in 0..<activations.pictures {
      let rows = try activations.rows(ofPicture: picture)
      variance.add(rows, autoencoder.decode(autoencoder.encode(rows)))
    }
    let entries = Double(activations.pictures * activations.rowsPerPicture * autoencoder.width)
    guard let explained = variance.global else {
      return AblationResult(omission: "the vectors are all equal")
    }
    return AblationResult(values: [
      "loss": variance.error / entries, "explained_variance": explained,
    ])
  }

  private func activity() -> AblationResult {
    guard let statistics = dictionary.statistics else { preconditionFailure("statistics are there") }
    return AblationResult(values: [
      "l0": statistics.l0, "dead": Double(statistics.dead.count) / Double(statistics.features),
    ])
  }

  // MARK: Metrics of features

  private var session: MetricSession {
    get throws {
      if let opened { return opened }
      let made = try MetricSession(
        model, dictionaries: [block: dictionary], store: store, recorded: RecordedPictures(store),
        settings: settings, workspace: workspace, progress: progress
      ) { _ in }
      opened = made
      return made
    }
  }
  private var opened: MetricSession?

  /// The mean of a metric over the features that are measured.
  private func mean(_ metric: any Metric.Type, as measure: AblationMeasure) throws -> AblationResult {
    let session = try session
    if let reason = try session.obstacle(to: metric.needs, at: block) {
      return AblationResult(omission: reason)
    }
    let run = try MetricRun([metric], in: session, keeping: "\(dictionary.path)/features.jsonl")
    try metric.measure(block, in: run)
    guard let mean = run.columns.first?.mean else {
      return AblationResult(omission: "no feature could be measured")
    }
    return AblationResult(values: [measure.columns[0].name: mean])
  }

  // MARK: Truth

  /// The scores of all test pictures.
  private var scorer: FactorScorer {
    get throws {
      if let scored { return scored }
      let updates = try LabelledUpdates(of: "\(block)", in: store, limit: .max)
      var made = FactorScorer(features: dictionary.autoencoder.features)
      for picture in 0..<updates.count {
        made.add(dictionary.autoencoder.encode(try updates.vectors(picture)), updates.truth(picture))
      }
      scored = made
      return made
    }
  }
  private var scored: FactorScorer?

  /// The factors that the block carries; of one that carries none all of them.
  private var factors: [ShapesWorld.Factor] {
    let carried = ShapesWorld.Factor.allCases.filter { $0.carrier == block }
    return carried.isEmpty ? ShapesWorld.Factor.allCases : carried
  }
  private var labels: [Int] {
    ShapesTruth.labels.indices.filter { factors.contains(ShapesTruth.labels[$0].factor) }
  }

  private func truth() throws -> AblationResult {
    let scorer = try scorer
    let scores = scorer.scores()
    func mean(_ level: [FactorScores.Best?]) -> Double? {
      let found = labels.compactMap { level[$0]?.measured }
      return found.isEmpty ? nil : Bootstrap.mean(found)
    }
    let summary = scorer.matches().summary(of: factors, in: \.pictures)
    guard let pictures = mean(scores.pictures), let places = mean(scores.places), let summary else {
      return AblationResult(omission: "no value is in enough pictures")
    }
    return AblationResult(values: [
      "auroc": pictures, "auroc_place": places, "mcc": summary.mcc.value, "f1": summary.f1.value,
    ])
  }

  private func probing() throws -> AblationResult {
    let probes = FactorStudy.sparseProbes(try scorer, sizes: [1, 5])
    func mean(_ size: Int) -> Double? {
      let found = labels.compactMap { probes[size]?[$0]?.f1 }
      return found.isEmpty ? nil : Bootstrap.mean(found)
    }
    guard let one = mean(1), let five = mean(5) else {
      return AblationResult(omission: "no value is in enough pictures")
    }
    return AblationResult(values: ["probe_1": one, "probe_5": five])
  }

  // MARK: Steering

  /// Pairs of prompts that choose for a value, and pairs that measure it.
  static let pairs = (choosing: 3, measuring: 4)

  private func steering() throws -> AblationResult {
    guard site == .update else {
      return AblationResult(omission: "edits act on a block's update, not on its \(site)")
    }
    guard let method = SteeringMethod.all.first(where: { $0.source == .features && $0.form == .direction })
    else { preconditionFailure("features are a direction") }
    let prompts = try JudgedPrompts(of: model, limit: 200, seed: settings.seed)
    let study = try SteeringStudy(
      dictionary.autoencoder, at: block, in: store, of: prompts, methods: [method])
    let done = try ResultCache<Steered>("\(dictionary.path)/steering.jsonl")
    let values = labels.map { ShapesTruth.labels[$0] }
    progress.count(to: values.count, unit: "values")
    let found = try values.map { value in
      let steered = try done.value("\(value)") {
        let plan = try study.choosing(study.plan(value, on: Self.pairs.choosing))
        var (results, index) = ([SteeringResult](), plan.next)
        while results.count < Self.pairs.measuring, index < prompts.count, !plan.prompts.isEmpty {
          if let result = try study.measure(plan, on: index) { results.append(result) }
          index += 1
        }
        return Steered(plan: plan, results: results)
      }
      progress.advance("steering \(value) at \(block)", by: 1)
      return (plan: steered.plan, results: steered.results)
    }
    let cells = SteeringSummary(found).cells
    guard let on = cells.first(where: { $0.side == .on }), let off = cells.first(where: { $0.side == .off })
    else { return AblationResult(omission: "the judge is sure of too few pairs of prompts") }
    return AblationResult(values: ["on": on.after.value, "off": off.after.value])
  }

  private struct Steered: Codable {
    let plan: SteeringPlan
    let results: [SteeringResult]
  }
}
