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

  /// What does the work.
  var collector: Collector { get throws { try Collector(model, prompts: prompts, request, settings) } }

  /// What the shards that are not there yet will take.
  func estimate(_ progress: Progress) throws -> WorkEstimate {
    defer { progress.clear() }
    progress.stage("recording a few pictures")
    return try collector.estimate(part, in: store)
  }

  /// Makes the shards that are not there yet.
  func run(_ progress: Progress) throws -> Collect.Result {
    defer { progress.clear() }
    let watch = Stopwatch()
    progress.stage("reading the model")
    let collector = try collector
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
