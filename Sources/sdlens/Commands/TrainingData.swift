import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensSparse
import SDLensStudy

/// Where the vectors for a training come from.
struct TrainingData {
  let model: ModelFolder
  let workspace: WorkspaceOptions
  let prompts: PromptListOptions
  let limit: Int?
  let seed: Seed
  let progress: Progress

  /// Prompts that are recorded when nobody says how many.
  private static let defaultLimit = 5000

  /// Vectors on disk, for one block after the other.
  func stored(_ blocks: [BlockName], store name: String?) throws -> [[TrainingSource]] {
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
    return try blocks.map { [try TrainingSource($0, of: store, seed: seed)] }
  }

  /// Vectors made on the way; blocks whose maps are of one size share what is made.
  func streamed(_ blocks: [BlockName], buffer: Int) throws -> [[TrainingSource]] {
    let list = try prompts.list(of: model, limit: limit, progress)
    let settings = try settings()
    return try Dictionary(grouping: blocks, by: \.level).values.sorted { $0[0].level < $1[0].level }.map {
      blocks in
      let collector = try Collector(model, prompts: list, Collector.Request(blocks: blocks), settings)
      let stream = ActivationStream(collector)
      return try zip(blocks, collector.manifest.blocks).map { block, described in
        try TrainingSource(
          block, stream.rows(of: described, buffer: buffer, seed: seed), collector.manifest, store: nil)
      }
    }
  }

  /// Records the blocks, together with the paper's four, which takes no longer.
  private func collect(_ blocks: [BlockName]) throws -> ActivationStore {
    let list = try prompts.list(
      of: model, limit: limit ?? (prompts.prompts == nil ? Self.defaultLimit : nil), progress)
    let all = BlockName.all.filter { BlockName.studied.contains($0) || blocks.contains($0) }
    let others = all.filter { !BlockName.studied.contains($0) }.map { "-\($0)" }.joined()
    let store = "\(workspace.place.activations)/\(model.folderTitle)-update\(others)-\(list.prompts.count)"
    if !FileManager.default.fileExists(atPath: store) {
      progress.note("Nothing suitable is collected yet; recording \(list.prompts.count) prompts first")
    }
    let job = CollectionJob(
      model: model, prompts: list, request: Collector.Request(blocks: all),
      settings: try settings(), store: store)
    return try ActivationStore(job.run(progress).store)
  }

  /// One step at the model's own size, for which there is memory.
  private func settings() throws -> RunSettings {
    let size = try model.pictureSize
    let settings = try RunSettings(seed: seed, height: size, width: size)
    try progress.checkMemory(of: model, settings, decodes: false)
    return settings
  }
}
