import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensSparse

/// The vectors of one block, or of a file, that dictionaries are trained on.
public struct TrainingSource {
  /// Nil where nobody knows.
  public let block: BlockName?
  /// The block, or the name of the file, under which their dictionaries lie.
  let place: String
  /// The vectors in the order of training.
  public let rows: ShuffledRows
  /// What of the block they are, and which model made them; nil where nobody knows.
  let site, model, modelFingerprint: String?
  /// The denoising steps that they are of; nil where nobody knows.
  let steps: VectorSteps?
  /// A number that changes with them.
  let fingerprint: String
  /// The store or file that they lie in; neither when they are made on the way.
  let store: ActivationStore?
  let file: VectorFile?

  /// The vectors of a block, of a store or made on the way.
  public init(
    _ block: BlockName, _ rows: ShuffledRows, _ manifest: ActivationManifest, store: ActivationStore?
  ) throws {
    (self.block, place, self.rows, self.store, file) = (block, "\(block)", rows, store, nil)
    (site, model, modelFingerprint) = (manifest.site, manifest.model, manifest.modelFingerprint)
    (steps, fingerprint) = (manifest.vectorSteps, try manifest.fingerprint)
  }

  /// The vectors of a block in a store.
  ///
  /// - Throws: `BlockNotStored`, `EmptyStore`.
  public init(_ block: BlockName, of store: ActivationStore, seed: Seed) throws {
    let rows = ShuffledRows(try store.activations(of: block.description), seed: seed)
    try self.init(block, rows, store.manifest, store: store)
  }

  /// The vectors of a file.
  public init(_ file: VectorFile, block: BlockName?, seed: Seed) throws {
    let name = URL(fileURLWithPath: file.path).deletingPathExtension().lastPathComponent
    (self.block, place) = (block, block?.description ?? name)
    rows = ShuffledRows(file, seed: seed)
    (site, model, modelFingerprint, steps) = (nil, nil, nil, nil)
    (fingerprint, self.file, store) = (try file.fingerprint(), file, nil)
  }

  /// As the vectors are called in notes.
  var title: String {
    if let store {
      let steps = steps.flatMap { $0.count == 1 ? nil : ", \($0)" } ?? ""
      return " of '\(store.folder)' (\(store.pictures) pictures\(steps))"
    }
    return file.map { " of '\($0.path)'" } ?? ""
  }
}
