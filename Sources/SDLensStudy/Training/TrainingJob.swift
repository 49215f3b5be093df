import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensSparse

/// The training of some dictionaries on the vectors of one block, in one pass.
public final class TrainingJob {
  /// What is reported of a dictionary.
  public struct Result: Codable {
    /// Its folder.
    public let dictionary: String
    /// A number that changes with its content.
    public let fingerprint: String
    /// Its block.
    @Nullable public var block: String?
    /// What it learned from.
    public let store: String?
    /// The pictures of the store.
    public let storePictures: Int?
    /// The kind of dictionary.
    public let architecture: String
    /// Active features in a vector; nil where thresholds decide.
    @Nullable public var k: Int?
    /// Their mean number.
    @Nullable public var l0: Double?
    /// Its size.
    public let features: Int
    /// The length of the training.
    public let steps: Int
    /// The vectors that it saw.
    public let vectors: Int
    /// Of the total variance.
    @Nullable public var explainedVariance: Double?
    /// The mean over dimensions.
    @Nullable public var meanExplainedVariance: Double?
    /// What as many principal components explain.
    @Nullable public var componentsExplainedVariance: Double?
    /// The mean over dimensions of that.
    @Nullable public var componentsMeanExplainedVariance: Double?
    /// The share of the features that are never active in the store.
    @Nullable public var neverActiveShare: Double?
    /// How long it took.
    public let seconds: Double
  }

  private let source: TrainingSource
  private let trainer: Trainer
  private let settings: [TrainingSettings]
  private let names: [String]
  /// The folder of its checkpoint, log and curves.
  public let folder: String
  private let workspace: Workspace
  private let isRestart: Bool
  private let ranks: any Communicator
  private let saveEvery: Int
  private let logEvery: Int
  /// Of the first rank, who alone writes.
  private var log: TrainingLog?
  private var last: [StepReport] = []
  private let watch = Stopwatch()

  /// Prepares a training, or takes up the one whose checkpoint is there.
  ///
  /// - Parameters:
  ///   - restart: whether a training and dictionaries of the same names that are there are replaced.
  ///   - ranks: the processes that train together; all make the same job. The first writes what comes of it, and of
  ///     dictionaries that are spread over them each its own.
  ///   - use: how they do; nil for what suits the number of dictionaries.
  /// - Throws: `SameDictionary`, `OtherTraining`, `DictionaryExists`, `TooLittleMemory`, and the errors of `Trainer`.
  public init(
    _ source: TrainingSource, settings: [TrainingSettings], name: String?, workspace: Workspace,
    saveEvery: Int, logEvery: Int, restart: Bool, ranks: any Communicator = Alone(),
    use: RankUse? = nil
  ) throws {
    (self.source, self.settings, self.saveEvery, self.logEvery) = (source, settings, saveEvery, logEvery)
    (self.workspace, isRestart, self.ranks) = (workspace, restart, ranks)
    let site = source.site.map { $0 == "update" ? "" : "-\($0)" } ?? ""
    let steps = source.steps?.suffix ?? ""
    let names = settings.map { (name.map { "\($0)-" } ?? "") + $0.title + site + steps }
    self.names = names
    if let (_, name) = names.enumerated().first(where: { names.prefix($0).contains($1) }) {
      throw SameDictionary(name: name)
    }
    let title = Self.title(names)
    folder = "\(workspace.trainings(at: source.place))/\(title)"
    try settings.checkMemory(width: source.rows.width, of: title)
    let isFirst = ranks.rank == 0
    if isFirst {
      if restart, FileManager.default.fileExists(atPath: folder) {
        try FileManager.default.removeItem(atPath: folder)
      }
      try AtomicFolder.makeAll(folder)
    }
    ranks.wait()
    // The same command beside this one writes its checkpoint before its dictionaries: in the other order they would
    // seem to be another training's.
    let present = zip(names, settings).map { (path: Self.dictionary($0, source, workspace), settings: $1) }
      .filter { FileManager.default.fileExists(atPath: $0.path) }
    var checkpoint: TrainingCheckpoint?
    let path = "\(folder)/checkpoint.safetensors"
    if FileManager.default.fileExists(atPath: path) {
      let found = try TrainingCheckpoint(contentsOf: path)
      let data = Self.notes(source)
      for key in data.keys.sorted() where found.notes[key] != data[key] {
        throw OtherTraining(folder: folder, setting: key, found: found.notes[key] ?? "none", now: data[key]!)
      }
      checkpoint = found
    }
    if let present = present.first, checkpoint == nil, !restart { throw DictionaryExists(path: present.path) }
    trainer = try Trainer(
      source: source.rows, settings: settings, resuming: checkpoint, ranks: ranks, use: use)
    if !restart, let other = present.first(where: { Self.isForeign($0.path, $0.settings, source) }) {
      throw DictionaryExists(path: other.path)
    }
    log = !isFirst ? nil : try TrainingLog(path: "\(folder)/log.jsonl", keepingUpTo: trainer.position)
  }

  /// The name of a training: those of its dictionaries, or where these are too long for a file system a short one.
  private static func title(_ names: [String]) -> String {
    let all = names.joined(separator: "+")
    guard all.utf8.count > 200 else { return all }
    var fingerprint = Fingerprint()
    fingerprint.add(all.utf8)
    return "\(names[0])+\(names.count - 1)-\(fingerprint)"
  }

  /// The folder of a dictionary.
  private static func dictionary(_ name: String, _ source: TrainingSource, _ workspace: Workspace) -> String {
    "\(workspace.dictionaries(at: source.place))/\(name)"
  }

  /// Whether a folder holds anything but a dictionary of a training with these settings and data, which may have been
  /// shorter.
  private static func isForeign(
    _ path: String, _ settings: TrainingSettings, _ source: TrainingSource
  ) -> Bool {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
    // The same command beside this one makes the folder before its files.
    guard !names.allSatisfy(AtomicFile.isUnfinished) else { return false }
    guard let found = try? SavedAutoencoder.read(path).metadata, found["data"] == source.fingerprint,
      let own = try? JSON.decode(TrainingSettings.self, from: Data((found["settings"] ?? "").utf8))
    else { return true }
    return settings.difference(from: own, ignoring: TrainingSettings.extended) != nil
  }

  /// The names of the trainings of a block.
  public static func folders(of block: BlockName, in workspace: Workspace) -> [String] {
    let folder = workspace.trainings(of: block)
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    return names.filter { FileManager.default.fileExists(atPath: "\(folder)/\($0)/log.jsonl") }.sorted()
  }

  /// What must be the same when a training is taken up again.
  private static func notes(_ source: TrainingSource) -> [String: String] {
    [
      "block": source.place, "data": source.fingerprint,
      "group": "\(source.rows.picturesPerGroup)",
    ]
  }

  /// Trains all jobs to their ends, step by step side by side.
  public static func train(_ jobs: [TrainingJob], _ progress: any MetricProgress) throws {
    let left = jobs.reduce(0) { $0 + $1.trainer.steps - $1.trainer.position }
    guard left > 0 else { return }
    let blocks = jobs.map(\.source.place).joined(separator: ", ")
    let first = jobs[0]
    let begun = first.trainer.position == 0 ? "" : ", going on from step \(first.trainer.position)"
    progress.note(
      "\(blocks): \(first.names.joined(separator: ", ")) on \(Units.grouped(first.source.rows.count)) vectors"
        + first.source.title
        + ", \(first.trainer.steps) steps\(begun)")
    progress.count(to: left, unit: "steps")
    while jobs.contains(where: { !$0.trainer.isDone }) {
      for job in jobs where !job.trainer.isDone {
        try job.step()
        progress.advance(
          "\(job.source.place), step \(job.trainer.position) of \(job.trainer.steps)\(job.state)", by: 1)
      }
    }
    progress.clear()
  }

  private func step() throws {
    last = try trainer.step()
    let isLast = trainer.isDone
    if trainer.position % logEvery == 0 || isLast { try log?.append(last) }
    if trainer.position % saveEvery == 0 || isLast {
      try trainer.compareRanks()
      var checkpoint = trainer.checkpoint()
      checkpoint.notes = Self.notes(source)
      guard let log else { return }
      try log.save()
      try checkpoint.write(to: "\(folder)/checkpoint.safetensors")
    }
  }

  /// How well the first dictionary does.
  private var state: String {
    last.first?.explainedVariance.map { ", \(Units.rounded($0 * 100)) % explained" } ?? ""
  }

  /// Saves the dictionaries, with what one pass over the store tells of their features.
  ///
  /// The first rank does, or where dictionaries are spread, each for its own; the others wait.
  ///
  /// - Returns: what the first rank says of all; nothing on the others.
  public func finish(_ progress: any MetricProgress) throws -> [Result] {
    defer { progress.clear() }
    let isFirst = ranks.rank == 0
    let orders = ranks.joined(isFirst ? self.orders : [])
    var components: PrincipalComponents?
    var statistics: [FeatureStatistics?] = names.map { _ in nil }
    var results: [Result] = []
    for index in names.indices where trainer.isSpread ? trainer.trains(index) : isFirst {
      let (result, evaluation) = try save(index, order: orders[index], &components, progress)
      results.append(result)
      statistics[index] = evaluation?.statistics
      note(result, names[index], progress)
    }
    ranks.wait()
    if trainer.isSpread { results = try joined(results) }
    guard isFirst else { return [] }
    for (index, result) in results.enumerated() where !trainer.trains(index) {
      if result.store != nil {
        statistics[index] = try FeatureStatistics(
          contentsOf: "\(result.dictionary)/\(FeatureStatistics.fileName)", features: result.features)
      }
      note(result, names[index], progress)
    }
    do {
      try log?.save()
      try TrainingCurves.write(
        log: "\(folder)/log.jsonl", statistics: statistics, names: names, of: source.place,
        to: "\(folder)/curves.png")
    } catch let problem as any UserError {
      progress.note("The curves were not drawn: \(problem); later: sdlens visualize training \(folder)")
    }
    return results
  }

  /// The numbers of the dictionaries among those of their block; 0 where the block is not known.
  private var orders: [Int] {
    guard let block = source.block else { return names.map { _ in 0 } }
    var next = DictionaryLookup.nextOrder(of: block, in: workspace)
    return names.map { name in
      // Taken up again after its end, it stays where it was in the order.
      if !isRestart, let order = DictionaryLookup.order(of: name, at: block, in: workspace) { return order }
      defer { next += 1 }
      return next
    }
  }

  /// What each rank says of its dictionaries, in their order.
  private func joined(_ own: [Result]) throws -> [Result] {
    var all = try ranks.texts(JSON.line(own)).map {
      try JSONDecoder().decode([Result].self, from: Data($0))[...]
    }
    return names.indices.map { all[trainer.rank(of: $0)].removeFirst() }
  }

  /// Measures the features of a dictionary, and writes it.
  private func save(
    _ index: Int, order: Int, _ components: inout PrincipalComponents?, _ progress: any MetricProgress
  ) throws -> (Result, VectorEvaluation?) {
    let folder = Self.dictionary(names[index], source, workspace)
    let autoencoder = trainer.autoencoder(index)
    var saved = SavedAutoencoder(autoencoder)
    (saved.block, saved.site) = (source.block?.description, source.site)
    (saved.model, saved.modelFingerprint) = (source.model, source.modelFingerprint)
    saved.steps = source.steps.flatMap { $0.count == 1 ? nil : $0 }
    saved.lastActive = trainer.lastActive(index)
    if source.block != nil { saved.order = order }
    saved.metadata = [
      "data": source.fingerprint,
      "settings": String(decoding: try JSON.line(settings[index]), as: UTF8.self),
    ]
    let (evaluation, examples) = try evaluation(autoencoder, names[index], components, progress)
    if let found = evaluation {
      let count = found.statistics.features
      saved.mean = Tensor(found.statistics.mean, [count])
      saved.deviation = Tensor(found.statistics.deviation, [count])
      if autoencoder.k == nil { saved.l0 = found.statistics.l0 }
      components = found.components
    }
    try write(saved, settings[index], evaluation, examples, to: folder) {
      progress.note("\(names[index]): its captions were of other weights; they are in '\($0)' now")
    }
    return (report(index, folder, saved, evaluation), evaluation)
  }

  /// What one pass over the vectors tells, where they can be gone through again; of a store also the examples.
  private func evaluation(
    _ autoencoder: SparseAutoencoder, _ name: String, _ components: PrincipalComponents?,
    _ progress: any MetricProgress
  ) throws -> (VectorEvaluation?, DictionaryEvaluation?) {
    defer { progress.clear() }
    let advance = { progress.advance("\(name): measuring its features", by: $0) }
    if let file = source.file {
      progress.count(to: file.pictures, unit: "vectors")
      return (try VectorEvaluation(of: autoencoder, in: file, components: components, progress: advance), nil)
    }
    guard let store = source.store else { return (nil, nil) }
    progress.count(to: store.pictures, unit: "pictures")
    let found = try DictionaryEvaluation(
      of: autoencoder, block: source.place, in: store, components: components, progress: advance)
    return (VectorEvaluation(found), found)
  }

  /// Writes a dictionary and what is known of its features; what others have laid beside it stays, unless all is made
  /// anew. Captions of other weights are set aside, under a name that is told.
  private func write(
    _ saved: SavedAutoencoder, _ settings: TrainingSettings, _ evaluation: VectorEvaluation?,
    _ examples: DictionaryEvaluation?, to folder: String, _ setAside: (String) -> Void
  ) throws {
    func fill(_ folder: String) throws {
      if let examples, let store = source.store {
        try DictionaryFolder.write(examples, of: store, to: folder)
      } else {
        try evaluation?.statistics.write(to: "\(folder)/\(FeatureStatistics.fileName)")
      }
      try saved.write(into: folder)
    }
    try AtomicFolder.makeAll(workspace.dictionaries(at: source.place))
    guard !isRestart else { return try AtomicFolder.write(to: folder, replacing: true, fill) }
    let old = (try? SavedAutoencoder.read(folder))?.autoencoder.contentFingerprint
    try DictionaryFolder.change(folder) { new in
      // Another training may have written it meanwhile.
      guard !Self.isForeign(new, settings, source) else { throw DictionaryExists(path: folder) }
      if let old, "\(old)" != "\(saved.autoencoder.contentFingerprint)",
        case let captions = FeatureCaptions.fileName,
        FileManager.default.fileExists(atPath: "\(new)/\(captions)")
      {
        let name = "captions-\(old).jsonl"
        guard rename("\(new)/\(captions)", "\(new)/\(name)") == 0 else {
          throw FileError.writing("\(folder)/\(name)", code: errno)
        }
        setAside("\(folder)/\(name)")
      }
      try fill(new)
    }
  }

  private func report(
    _ index: Int, _ folder: String, _ saved: SavedAutoencoder, _ evaluation: VectorEvaluation?
  ) -> Result {
    let features = settings[index].features
    let (l0, components) = (evaluation?.statistics.l0, evaluation?.components)
    let k = Self.components(saved.autoencoder.k, l0)
    return Result(
      dictionary: folder, fingerprint: saved.autoencoder.contentFingerprint.description,
      block: source.block?.description, store: source.store?.folder ?? source.file?.path,
      storePictures: source.store?.pictures,
      architecture: settings[index].architecture.description, k: saved.autoencoder.k, l0: l0,
      features: features, steps: trainer.steps, vectors: trainer.steps * settings[index].batch,
      explainedVariance: evaluation?.variance.global,
      meanExplainedVariance: evaluation?.variance.perDimension,
      componentsExplainedVariance: components?.explainedVariance(of: k),
      componentsMeanExplainedVariance: components?.meanExplainedVariance(of: k),
      neverActiveShare: evaluation.map { Double($0.statistics.dead.count) / Double(features) },
      seconds: watch.total / .seconds(1))
  }

  /// As many components as features are active in a vector.
  private static func components(_ k: Int?, _ l0: Double?) -> Int { k ?? max(1, Int((l0 ?? 1).rounded())) }

  private func note(_ result: Result, _ name: String, _ progress: any MetricProgress) {
    guard let silent = result.neverActiveShare else {
      return progress.note(
        "\(source.place) \(name): trained; for statistics and examples of its features, collect activations and run: "
          + "sdlens statistics --sae \(result.dictionary)")
    }
    func percent(_ share: Double?) -> String { share.map { "\(Units.rounded($0 * 100)) %" } ?? "–" }
    progress.note(
      "\(source.place) \(name): explained variance \(percent(result.explainedVariance)) (mean over dimensions "
        + "\(percent(result.meanExplainedVariance))), where \(Self.components(result.k, result.l0)) principal "
        + "components reach \(percent(result.componentsExplainedVariance)) "
        + "(\(percent(result.componentsMeanExplainedVariance))); \(percent(silent)) of the features never active"
    )
  }
}

/// A training of the same name on other data.
public struct OtherTraining: UserError {
  let folder: String
  let setting: String
  let found: String
  let now: String
  /// The folder, what differs, and what to do.
  public var description: String {
    "'\(folder)' was begun with \(setting) \(found), but it is \(now) now; train with the same, give the new "
      + "dictionaries a --name, or begin anew with --restart"
  }
}

/// A dictionary that would be overwritten.
public struct DictionaryExists: UserError {
  let path: String
  /// The folder, and what to do.
  public var description: String {
    "'\(path)' exists already; give the new dictionary a --name, or replace the old one with --restart"
  }
}

/// A dictionary that is asked for twice.
public struct SameDictionary: UserError {
  let name: String
  /// Its name, and what to do.
  public var description: String {
    "'\(name)' is to be trained twice; name each --k and each --features once"
  }
}

extension [TrainingSettings] {
  /// Checks that there is memory for dictionaries that are trained together on vectors of a width.
  ///
  /// - Throws: `TooLittleMemory`.
  func checkMemory(width: Int, of name: String) throws {
    // Encoder, decoder and both means of their gradient; the gradient is of one dictionary at a time.
    let numbers = map { 2 * $0.features * width }
    try TooLittleMemory.check(
      name,
      written: ((3 * numbers.reduce(0, +) + (numbers.max() ?? 0)) * 4, "weights, gradient and its means"),
      advice: "choose fewer --features or dictionaries, or run it where there is more")
  }
}
