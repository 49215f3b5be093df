import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensSparse
import SDLensStudy

/// The training of some dictionaries on the vectors of one block, in one pass.
final class TrainingJob {
  /// What is reported of a dictionary.
  struct Result: Encodable {
    let dictionary: String
    let block: String
    let k: Int
    let features: Int
    let steps: Int
    let vectors: Int
    @Nullable var explainedVariance: Double?
    @Nullable var meanExplainedVariance: Double?
    @Nullable var componentsExplainedVariance: Double?
    @Nullable var componentsMeanExplainedVariance: Double?
    @Nullable var neverActiveShare: Double?
    let seconds: Double
  }

  let source: TrainingData.Source
  private let trainer: Trainer
  private let settings: [TrainingSettings]
  private let names: [String]
  private let folder: String
  private let dictionaries: String
  private let saveEvery: Int
  private let logEvery: Int
  private var log: TrainingLog
  private var last: [StepReport] = []
  private let watch = Stopwatch()

  /// Prepares a training, or takes up the one whose checkpoint is there.
  ///
  /// - Throws: `OtherTraining`, `DictionaryExists`, and the errors of `Trainer`.
  init(
    _ source: TrainingData.Source, settings: [TrainingSettings], name: String?, workspace: WorkspaceOptions,
    saveEvery: Int, logEvery: Int
  ) throws {
    (self.source, self.settings, self.saveEvery, self.logEvery) = (source, settings, saveEvery, logEvery)
    names = settings.map { "\(name.map { "\($0)-" } ?? "")k\($0.k)-n\($0.features)" }
    folder = "\(workspace.folder)/training/\(source.block)/\(names.joined(separator: "+"))"
    dictionaries = workspace.dictionaries(of: source.block)
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    AtomicFile.removeAbandoned(in: folder)
    var checkpoint: TrainingCheckpoint?
    let path = "\(folder)/checkpoint.safetensors"
    if FileManager.default.fileExists(atPath: path) {
      let found = try TrainingCheckpoint(contentsOf: path)
      let data = try Self.notes(source)
      for key in data.keys.sorted() where found.notes[key] != data[key] {
        throw OtherTraining(folder: folder, setting: key, found: found.notes[key] ?? "none", now: data[key]!)
      }
      checkpoint = found
    }
    trainer = try Trainer(source: source.rows, settings: settings, resuming: checkpoint)
    log = try TrainingLog(path: "\(folder)/log.jsonl", keepingUpTo: trainer.position)
    for name in names
    where checkpoint == nil && FileManager.default.fileExists(atPath: "\(dictionaries)/\(name)") {
      throw DictionaryExists(path: "\(dictionaries)/\(name)")
    }
  }

  /// What must be the same when a training is taken up again.
  private static func notes(_ source: TrainingData.Source) throws -> [String: String] {
    [
      "block": "\(source.block)", "data": try source.manifest.fingerprint,
      "group": "\(source.rows.picturesPerGroup)",
    ]
  }

  /// Trains all jobs to their ends, step by step side by side.
  static func train(_ jobs: [TrainingJob], _ progress: Progress) throws {
    let left = jobs.reduce(0) { $0 + $1.trainer.steps - $1.trainer.position }
    guard left > 0 else { return }
    let blocks = jobs.map { "\($0.source.block)" }.joined(separator: ", ")
    let first = jobs[0]
    let begun = first.trainer.position == 0 ? "" : ", going on from step \(first.trainer.position)"
    progress.note(
      "\(blocks): \(first.names.joined(separator: ", ")) on \(Units.grouped(first.source.rows.count)) vectors, "
        + "\(first.trainer.steps) steps\(begun)")
    progress.count(to: left)
    while jobs.contains(where: { !$0.trainer.isDone }) {
      for job in jobs where !job.trainer.isDone {
        try job.step()
        progress.advance(
          "\(job.source.block), step \(job.trainer.position) of \(job.trainer.steps)\(job.state)")
      }
    }
    progress.clear()
  }

  private func step() throws {
    last = try trainer.step()
    let isLast = trainer.isDone
    if trainer.position % logEvery == 0 || isLast { try log.append(last) }
    if trainer.position % saveEvery == 0 || isLast {
      var checkpoint = trainer.checkpoint()
      checkpoint.notes = try Self.notes(source)
      try checkpoint.write(to: "\(folder)/checkpoint.safetensors")
    }
  }

  /// How well the first dictionary does.
  private var state: String {
    last.first?.explainedVariance.map { ", \(Units.rounded($0 * 100)) % explained" } ?? ""
  }

  /// Saves the dictionaries, with what one pass over the store tells of their features.
  func finish(_ progress: Progress) throws -> [Result] {
    defer { progress.clear() }
    var statistics: [FeatureStatistics?] = []
    var components: PrincipalComponents?
    let results = try names.indices.map { index in
      let folder = "\(dictionaries)/\(names[index])"
      let autoencoder = trainer.autoencoder(index)
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
      AtomicFile.removeAbandoned(in: folder)
      var saved = SavedAutoencoder(autoencoder)
      saved.block = "\(source.block)"
      saved.site = source.manifest.site
      saved.model = source.manifest.model
      saved.modelFingerprint = source.manifest.modelFingerprint
      saved.lastActive = trainer.lastActive(index)
      saved.metadata = [
        "data": try source.manifest.fingerprint,
        "settings": String(decoding: try JSON.line(settings[index]), as: UTF8.self),
      ]
      var survey: DictionarySurvey?
      if let store = source.store {
        progress.count(to: store.pictures, unit: "pictures")
        let found = try DictionarySurvey(
          of: autoencoder, block: "\(source.block)", in: store, components: components
        ) {
          progress.advance("\(names[index]): measuring its features", by: $0)
        }
        progress.clear()
        try DictionaryFolder.write(found, of: store, to: folder)
        let count = found.statistics.features
        saved.mean = Tensor(found.statistics.mean, [count])
        saved.deviation = Tensor(found.statistics.deviation, [count])
        survey = found
        components = found.components
      }
      try saved.write(into: folder)
      statistics.append(survey?.statistics)
      return report(index, folder, survey, progress)
    }
    try TrainingCurves.write(
      log: "\(folder)/log.jsonl", statistics: statistics, names: names, to: "\(folder)/curves.png")
    return results
  }

  private func report(
    _ index: Int, _ folder: String, _ survey: DictionarySurvey?, _ progress: Progress
  ) -> Result {
    let features = settings[index].features
    let silent = survey.map { Double($0.statistics.dead.count) / Double(features) }
    let (k, components) = (settings[index].k, survey?.components)
    let byComponents = components?.explainedVariance(of: k)
    let meanByComponents = components?.meanExplainedVariance(of: k)
    if let survey, let silent {
      func percent(_ share: Double?) -> String { share.map { "\(Units.rounded($0 * 100)) %" } ?? "–" }
      progress.note(
        "\(source.block) \(names[index]): explained variance \(percent(survey.variance.global)) (mean over "
          + "dimensions \(percent(survey.variance.perDimension))), where \(k) principal components "
          + "reach \(percent(byComponents)) (\(percent(meanByComponents))); \(percent(silent)) of the features "
          + "never active")
    } else {
      progress.note(
        "\(source.block) \(names[index]): trained; for statistics and examples of its features, collect activations "
          + "and run: sdlens statistics --sae \(folder)")
    }
    return Result(
      dictionary: folder, block: "\(source.block)", k: k, features: features,
      steps: trainer.steps, vectors: trainer.steps * settings[index].batch,
      explainedVariance: survey?.variance.global, meanExplainedVariance: survey?.variance.perDimension,
      componentsExplainedVariance: byComponents, componentsMeanExplainedVariance: meanByComponents,
      neverActiveShare: silent, seconds: watch.total / .seconds(1))
  }
}

/// A training of the same name on other data.
struct OtherTraining: UserError {
  let folder: String
  let setting: String
  let found: String
  let now: String
  var description: String {
    "'\(folder)' was begun with \(setting) \(found), but it is \(now) now; train with the same, or give the new "
      + "dictionaries a --name"
  }
}

/// A dictionary that would be overwritten.
struct DictionaryExists: UserError {
  let path: String
  var description: String {
    "'\(path)' exists already; give the new dictionary a --name, or move the old one away"
  }
}
