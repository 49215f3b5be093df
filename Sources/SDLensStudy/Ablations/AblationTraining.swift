import Foundation
import SDLensCore
import SDLensSparse

/// A dictionary of an ablation in a folder of its own: trained there, or taken from there.
struct AblationTraining {
  let folder: String
  let settings: TrainingSettings
  let isTrained: Bool
  let block: String
  /// What it learns from, and what its features are looked at with.
  let training, test: ActivationStore

  /// Steps between two checkpoints.
  private static let saveEvery = 250

  /// The dictionary; a training that was stopped goes on.
  ///
  /// - Throws: the errors of `Trainer` and of the stores.
  func dictionary(_ progress: any MetricProgress) throws -> DictionaryFolder {
    if SavedAutoencoder.isCheckpoint(folder) { return try DictionaryFolder(folder) }
    try AtomicFolder.makeAll(folder)
    let path = "\(folder)/checkpoint.safetensors"
    let isBegun = FileManager.default.fileExists(atPath: path)
    let trainer = try Trainer(
      source: ShuffledRows(try training.activations(of: block), seed: settings.seed), settings: [settings],
      resuming: isBegun ? TrainingCheckpoint(contentsOf: path) : nil)
    progress.count(to: trainer.steps - trainer.position, unit: "steps")
    while isTrained && !trainer.isDone {
      _ = try trainer.step()
      if trainer.position % Self.saveEvery == 0 { try trainer.checkpoint().write(to: path) }
      progress.advance("training, step \(trainer.position) of \(trainer.steps)", by: 1)
    }
    let autoencoder = trainer.autoencoder(0)
    let evaluation = try DictionaryEvaluation(of: autoencoder, block: block, in: test)
    var saved = SavedAutoencoder(autoencoder)
    let manifest = training.manifest
    (saved.block, saved.site) = (block, manifest.site)
    (saved.model, saved.modelFingerprint) = (manifest.model, manifest.modelFingerprint)
    saved.steps = manifest.steps == 1 ? nil : manifest.vectorSteps
    saved.mean = Tensor(evaluation.statistics.mean, [autoencoder.features])
    saved.deviation = Tensor(evaluation.statistics.deviation, [autoencoder.features])
    if autoencoder.k == nil { saved.l0 = evaluation.statistics.l0 }
    saved.metadata = [
      "data": try manifest.fingerprint, "settings": String(decoding: try JSON.line(settings), as: UTF8.self),
    ]
    try DictionaryFolder.write(evaluation, of: test, to: folder)
    try saved.write(into: folder)
    try? FileManager.default.removeItem(atPath: path)
    return try DictionaryFolder(folder)
  }
}
