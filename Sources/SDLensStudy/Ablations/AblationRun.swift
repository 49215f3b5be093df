import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensShapes
import SDLensSparse

/// Makes and measures the dictionaries of an ablation; what is done is kept, and not done again.
///
/// Dictionaries and what was measured of them lie in `ablations/` of the workspace, in a folder whose number stands for
/// what all have in common, so that another ablation with the same data takes up what it shares with this one.
public final class AblationRun {
  /// What is still to be done, and how long that takes, from the time of a piece of it.
  public struct Expectation: Sendable {
    /// Pictures to record, of all stores together.
    public internal(set) var pictures = 0
    /// Dictionaries to train.
    public internal(set) var trainings = 0
    /// Dictionaries to measure.
    public internal(set) var measurements = 0
    /// How many dictionaries there are in all.
    public let dictionaries: Int
    /// The time.
    public internal(set) var time = Duration.zero
  }

  /// Where dictionaries and values are kept.
  public let kept: ResultFolder
  /// What decides what is kept.
  public let settings: [String: String]
  private let ablation: Ablation
  private let model: ModelFolder
  private let workspace: Workspace
  private let metricSettings: MetricSettings
  private let progress: any MetricProgress
  private let done: ResultCache<AblationResult>
  /// By the site.
  private var storeJobs: [RecordedSite: (training: StoreJob, test: StoreJob)] = [:]

  /// A store that is there, or is being made.
  private struct StoreJob {
    let collector: Collector
    let folder: String

    var todo: [Int] { collector.todo(in: folder, .all) }
    /// Pictures of the shards that are not there.
    var missing: Int { todo.reduce(0) { $0 + collector.manifest.pictures(ofShard: $1).count } }
  }

  /// Plans everything and opens the stores.
  ///
  /// - Parameters:
  ///   - prompts: at least as many as pictures are needed.
  ///   - clip: a folder or id of CLIP; nil for the model's own.
  /// - Throws: `TooFewPrompts`, `BadTrainingSetting`, `OtherStore`, `StoreTooLarge`, and what is wrong with the model.
  public init(
    _ ablation: Ablation, of model: ModelFolder, prompts: PromptList, in workspace: Workspace, clip: String?,
    progress: any MetricProgress
  ) throws {
    try ablation.check()
    let needed = ablation.pictures + ablation.testPictures
    guard prompts.prompts.count >= needed else {
      throw TooFewPrompts(
        path: prompts.path, found: prompts.prompts.count, learning: ablation.pictures,
        measuring: ablation.testPictures)
    }
    (self.ablation, self.model, self.workspace, self.progress) = (ablation, model, workspace, progress)
    var metricSettings = MetricSettings()
    (metricSettings.features, metricSettings.clip) = (.random(ablation.features), clip)
    self.metricSettings = metricSettings
    let size = try model.pictureSize
    let settings = try RunSettings(seed: ablation.firstPicture, height: size, width: size)
    var testSettings = settings
    testSettings.seed = settings.seed + ablation.pictures
    let laboratory = Laboratory(model)
    // The paper's blocks take no longer together, and the store serves others as well.
    let blocks = BlockName.all.filter { BlockName.studied.contains($0) || ablation.blocks.contains($0) }
    let others = blocks.filter { !BlockName.studied.contains($0) }.map { "-\($0)" }.joined()
    for site in Set(ablation.variants.map(\.site)) {
      func storeJob(_ part: Range<Int>, _ settings: RunSettings, _ name: String) throws -> StoreJob {
        let collector = try Collector(
          model, prompts: prompts.part(part), Collector.Request(blocks: blocks, site: site), settings,
          in: laboratory)
        let folder = "\(workspace.activations)/\(model.folderTitle)-\(site)\(others)-\(name)"
        try collector.open(folder)
        return StoreJob(collector: collector, folder: folder)
      }
      storeJobs[site] = (
        try storeJob(0..<ablation.pictures, settings, "\(ablation.pictures)"),
        try storeJob(
          ablation.pictures..<needed, testSettings, "\(ablation.pictures)-then-\(ablation.testPictures)")
      )
    }
    var base = ablation.training
    (base.features, base.k, base.seed) = (1, 1, 0)
    var common = [
      "model": try model.fingerprint().description, "prompts": prompts.part(0..<needed).fingerprint,
      "pictures": "\(ablation.pictures)", "first_picture": "\(ablation.firstPicture)",
      "training": String(decoding: try JSON.line(base), as: UTF8.self), "features": "\(ablation.features)",
    ]
    common["clip"] = clip
    common["engine"] = model.otherEngine
    self.settings = common
    kept = try ResultFolder("dictionaries", settings: common, in: workspace.folder, room: "ablations")
    done = try ResultCache(kept("done.jsonl"))
  }

  // MARK: What is to be done

  private func key(_ unit: Ablation.Unit, _ measure: AblationMeasure) -> String {
    "\(unit.block) \(ablation.variants[unit.variant].place) \(unit.seed) \(measure.rawValue)"
  }

  private func folder(_ unit: Ablation.Unit) -> String {
    kept("\(unit.block)/\(ablation.variants[unit.variant].place)-seed\(unit.seed)")
  }

  private func todo(_ unit: Ablation.Unit) -> [AblationMeasure] {
    ablation.measures.filter { !done.has(key(unit, $0)) }
  }

  /// What is left, with a time that is projected from a few pictures and training steps.
  ///
  /// - Throws: as `Pipeline.sample`, and the errors of `Trainer`.
  public func expectation() throws -> Expectation {
    let units = ablation.units
    var expected = Expectation(dictionaries: units.count)
    let isShapes = model.title == ModelFolder.embedded
    var eachPicture = Duration.zero
    for (site, job) in storeJobs.sorted(by: { "\($0.key)" < "\($1.key)" }) {
      let own = units.filter { ablation.variants[$0.variant].site == site && !todo($0).isEmpty }
      let missing = job.training.missing + job.test.missing
      guard missing > 0 || !own.isEmpty else { continue }
      let collector = job.training.collector
      let sample = Array(0..<min(2 * collector.request.batch, ablation.pictures))
      // Once for what is read and made ready only once.
      _ = try collector.record(Array(sample.prefix(collector.request.batch)))
      var vectors: [Tensor] = []
      let time = try ContinuousClock().measure { vectors = try collector.record(sample).vectors }
      eachPicture = time / sample.count
      expected.pictures += missing
      expected.time += eachPicture * missing
      for (block, vectors) in zip(collector.manifest.blocks, vectors) {
        let rows = vectors.reshaped([vectors.count / vectors.width, vectors.width])
        for (variant, units) in Dictionary(
          grouping: own.filter { "\($0.block)" == block.name }, by: \.variant)
        {
          let untrained = units.filter { !SavedAutoencoder.isCheckpoint(folder($0)) }
          let source = FewRows(rows)
          var settings = ablation.settings(of: units[0])
          let whole = ablation.pictures * job.training.collector.manifest.rows(of: block)
          let steps = settings.steps(over: whole)
          // As later, when some features are dead.
          (settings.steps, settings.deadAfter) = (3, 1)
          let trainer = try Trainer(source: source, settings: [settings])
          _ = try trainer.step()
          let step = try ContinuousClock().measure { while !trainer.isDone { _ = try trainer.step() } } / 2
          let autoencoder = trainer.autoencoder(0)
          let coding = ContinuousClock().measure { _ = autoencoder.decode(autoencoder.encode(rows)) }
          if ablation.variants[variant].recipe.isTrained { expected.time += step * (steps * untrained.count) }
          expected.trainings += untrained.count
          expected.measurements += units.count
          // Statistics, reconstruction and truth encode every picture.
          expected.time += coding / sample.count * (3 * ablation.testPictures * units.count)
          let steered = units.count { todo($0).contains(.steering) }
          if isShapes, site == .update, steered > 0, let name = units.first?.block {
            let values = ShapesWorld.FactorValue.all.count { $0.factor.carrier == name }
            let (choosing, measuring) = DictionaryMeasurement.pairs
            expected.time += try pictureTime() * (steered * values * (16 * choosing + 4 * measuring))
          }
        }
      }
    }
    let seen: [AblationMeasure] = [.specificity, .interpretability]
    if units.contains(where: { unit in seen.contains(where: todo(unit).contains) }) {
      expected.time += try pictureTime() * min(ablation.testPictures, units.count * ablation.features * 10)
    }
    return expected
  }

  /// How long a picture takes.
  private func pictureTime() throws -> Duration {
    if let picture { return picture }
    guard let collector = storeJobs.values.first?.training.collector else { return .zero }
    let time = try collector.pictureTime()
    picture = time
    return time
  }
  private var picture: Duration?

  /// A few vectors, in their order.
  private final class FewRows: RowSource {
    private let vectors: Tensor
    var width: Int { vectors.width }
    var count: Int { vectors.rows }
    init(_ vectors: Tensor) { self.vectors = vectors }
    func rows(_ range: Range<Int>, epoch: Int) throws -> Tensor { vectors.rows(range) }
  }

  // MARK: Doing it

  /// Records, trains and measures what is left.
  ///
  /// - Throws: what is wrong with stores, model or CLIP, and the errors of `Trainer`.
  public func report() throws -> AblationReport {
    var stores: [RecordedSite: (training: ActivationStore, test: ActivationStore)] = [:]
    for (site, both) in storeJobs.sorted(by: { "\($0.key)" < "\($1.key)" }) {
      stores[site] = (try record(both.training), try record(both.test))
    }
    storeJobs = [:]
    let units = ablation.units
    for (number, unit) in units.enumerated() {
      let variant = ablation.variants[unit.variant]
      guard let (training, test) = stores[variant.site], !todo(unit).isEmpty else { continue }
      progress.stage("\(number + 1) of \(units.count): \(variant.name) at \(unit.block), seed \(unit.seed)")
      let dictionary = try AblationTraining(
        folder: folder(unit), settings: ablation.settings(of: unit), isTrained: variant.recipe.isTrained,
        block: "\(unit.block)", training: training, test: test
      ).dictionary(progress)
      let measurement = DictionaryMeasurement(
        of: dictionary, at: unit.block, site: variant.site, in: test, model: model,
        workspace: workspace.folder, metricSettings, progress: progress)
      for measure in todo(unit) {
        _ = try done.value(key(unit, measure)) { try measurement.result(measure) }
      }
    }
    return try AblationReport(ablation, sources: Provenance(model)) { done[key($0, $1)] ?? AblationResult() }
  }

  private func record(_ job: StoreJob) throws -> ActivationStore {
    let (collector, todo) = (job.collector, job.todo)
    progress.count(to: job.missing, unit: "pictures")
    for shard in todo {
      try collector.make(shard, in: job.folder) {
        progress.advance("recording the \(collector.manifest.site)", by: $0)
      }
    }
    return try ActivationStore(job.folder)
  }
}

/// A list with fewer prompts than an ablation needs.
public struct TooFewPrompts: UserError {
  let path: String
  let found, learning, measuring: Int
  /// The list, how many there are and are needed, and what to do.
  public var description: String {
    "'\(path)' has \(found) prompts, but \(learning) to learn from and \(measuring) others to measure on are needed; "
      + "give a longer list with --prompts, or take fewer with --pictures and --test-pictures"
  }
}
