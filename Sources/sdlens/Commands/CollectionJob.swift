import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensSparse
import SDLensStudy

/// The work of `collect`: what is missing of a store.
struct CollectionJob {
  let model: ModelFolder
  let prompts: PromptList
  let request: Collector.Request
  let settings: RunSettings
  let store: String
  var part = ShardSelection.all

  /// Makes the shards that are not there yet.
  func run(_ progress: Progress) throws -> Collect.Result {
    defer { progress.clear() }
    let watch = Stopwatch()
    progress.stage("reading the model")
    let collector = try Collector(model, prompts: prompts, request, settings)
    let manifest = collector.manifest
    try collector.open(store, part: part)
    let todo = collector.todo(in: store, part)
    let (pictures, bytes) = progress.begin("record", todo, of: manifest, in: store, bytes: collector.bytes)
    for shard in todo {
      try collector.make(shard, in: store) { progress.advance("recording", by: $0) }
    }
    progress.clear()
    if !todo.isEmpty {
      progress.note("\(pictures) pictures in \(Units.time(watch.total)), \(Units.bytes(bytes))")
    }
    return Collect.Result(
      store: store, pictures: manifest.pictures, shardsMade: todo.count,
      shardsMissing: collector.todo(in: store, .all).count, bytes: bytes, seconds: watch.total / .seconds(1))
  }
}

extension CollectionJob {
  /// Prompts that are recorded when nobody says how many.
  static let usualLimit = 5000

  /// Records blocks, together with the paper's four, which takes no longer, into a store that has its name from what it
  /// holds.
  static func store(
    of blocks: [BlockName], _ model: ModelFolder, _ prompts: PromptList, _ settings: RunSettings,
    in workspace: Workspace, _ progress: Progress
  ) throws -> ActivationStore {
    let all = BlockName.all.filter { BlockName.studied.contains($0) || blocks.contains($0) }
    let others = all.filter { !BlockName.studied.contains($0) }.map { "-\($0)" }.joined()
    let store = "\(workspace.activations)/\(model.folderTitle)-update\(others)-\(prompts.prompts.count)"
    if !FileManager.default.fileExists(atPath: store) {
      progress.note("Nothing suitable is collected yet; recording \(prompts.prompts.count) prompts first")
    }
    let job = CollectionJob(
      model: model, prompts: prompts, request: Collector.Request(blocks: all), settings: settings,
      store: store)
    return try ActivationStore(job.run(progress).store)
  }

  /// The store that is named, else the best that fits, else the usual number of the model's own prompts, recorded now.
  ///
  /// - Throws: as `StoreLookup.find`, and what is wrong with the model.
  static func store(
    named name: String?, of blocks: [BlockName], _ model: ModelFolder, in workspace: Workspace,
    _ progress: Progress
  ) throws -> ActivationStore {
    let lookup = StoreLookup(model, in: workspace) { progress.note($0) }
    if let store = try name.map(lookup.named) ?? lookup.best(of: blocks) { return store }
    let size = try model.pictureSize
    let settings = try RunSettings(seed: 42, height: size, width: size)
    try progress.checkMemory(of: model, settings, decodes: false)
    return try store(
      of: blocks, model, PromptList(of: model, limit: usualLimit), settings, in: workspace, progress)
  }
}

extension Progress {
  /// Says what is left to `verb` of a store, and counts the pictures of these shards: their number and `bytes`.
  func begin(
    _ verb: String, _ shards: [Int], of manifest: ActivationManifest, in store: String,
    bytes size: (Int) -> Int
  ) -> (pictures: Int, bytes: Int) {
    let pictures = shards.reduce(0) { $0 + manifest.pictures(ofShard: $1).count }
    let bytes = size(pictures)
    let names = manifest.blocks.map(\.name).joined(separator: ", ")
    note(
      shards.isEmpty
        ? "'\(store)' has nothing left to \(verb)"
        : "\(pictures) of \(manifest.pictures) pictures to \(verb) at \(names): \(Units.bytes(bytes)) in '\(store)'"
    )
    count(to: pictures, unit: "pictures")
    return (pictures, bytes)
  }
}
