import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensSparse
import SDLensStudy

/// Where the vectors for a training come from.
struct TrainingData {
  /// The vectors of one block, or of a file.
  struct Source {
    /// Nil where nobody knows.
    let block: BlockName?
    /// The block, or the name of the file, under which their dictionaries lie.
    let place: String
    let rows: ShuffledRows
    /// What of the block they are, and which model made them; nil where nobody knows.
    let site, model, modelFingerprint: String?
    /// A number that changes with them.
    let fingerprint: String
    /// The store or file that they lie in; neither when they are made on the way.
    var store: ActivationStore?
    var file: VectorFile?

    init(_ block: BlockName, _ rows: ShuffledRows, _ manifest: ActivationManifest, store: ActivationStore?)
      throws
    {
      (self.block, place, self.rows, self.store) = (block, "\(block)", rows, store)
      (site, model, modelFingerprint) = (manifest.site, manifest.model, manifest.modelFingerprint)
      fingerprint = try manifest.fingerprint
    }

    init(_ file: VectorFile, block: BlockName?, seed: Seed) throws {
      let name = URL(fileURLWithPath: file.path).deletingPathExtension().lastPathComponent
      (self.block, place) = (block, block?.description ?? name)
      rows = ShuffledRows(file, seed: seed)
      (site, model, modelFingerprint) = (nil, nil, nil)
      (fingerprint, self.file) = (try file.fingerprint(), file)
    }

    /// As the vectors are called in notes.
    var title: String {
      if let store { return " of '\(store.folder)' (\(store.pictures) pictures)" }
      return file.map { " of '\($0.path)'" } ?? ""
    }
  }

  let model: ModelFolder
  let workspace: WorkspaceOptions
  let prompts: PromptListOptions
  let limit: Int?
  let seed: Seed
  let progress: Progress

  /// Vectors on disk, for one block after the other.
  func stored(_ blocks: [BlockName], store name: String?) throws -> [[Source]] {
    let lookup = StoreLookup(model, in: workspace.place) { progress.note($0) }
    let largest = prompts.prompts == nil && limit == nil && name == nil ? try lookup.best(of: blocks) : nil
    let store = try name.map(lookup.named) ?? largest ?? collect(blocks)
    try lookup.check(store)
    for problem in store.damaged { progress.note("Left out: \(problem)") }
    if !store.missing.isEmpty {
      progress.note(
        "'\(store.folder)' lacks \(store.missing.count) of \(store.manifest.shards) shards; training on the rest"
      )
    }
    return try blocks.map { block in
      let rows = ShuffledRows(try store.activations(of: block.description), seed: seed)
      return [try Source(block, rows, store.manifest, store: store)]
    }
  }

  /// Vectors made on the way; blocks whose maps are of one size share what is made.
  func streamed(_ blocks: [BlockName], buffer: Int) throws -> [[Source]] {
    let list = try prompts.list(of: model, limit: limit, progress)
    let settings = try settings()
    return try Dictionary(grouping: blocks, by: \.level).values.sorted { $0[0].level < $1[0].level }.map {
      blocks in
      let collector = try Collector(model, prompts: list, Collector.Request(blocks: blocks), settings)
      let stream = ActivationStream(collector)
      return try zip(blocks, collector.manifest.blocks).map { block, described in
        try Source(
          block, stream.rows(of: described, buffer: buffer, seed: seed), collector.manifest, store: nil)
      }
    }
  }

  /// Records the blocks.
  private func collect(_ blocks: [BlockName]) throws -> ActivationStore {
    let limit = limit ?? (prompts.prompts == nil ? CollectionJob.usualLimit : nil)
    return try CollectionJob.store(
      of: blocks, model, try prompts.list(of: model, limit: limit, progress), settings(),
      in: workspace.place, progress)
  }

  /// One step at the model's own size, for which there is memory.
  private func settings() throws -> RunSettings {
    let size = try model.pictureSize
    let settings = try RunSettings(seed: seed, height: size, width: size)
    try progress.checkMemory(of: model, settings, decodes: false)
    return settings
  }
}
