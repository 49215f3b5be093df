import SDLensCore
import SDLensDiffusion
import SDLensSparse

/// The work of `collect`: what is missing of a store.
public struct CollectionJob {
  /// What is reported.
  public struct Result: Encodable {
    /// The folder.
    public let store: String
    /// Pictures of the whole job.
    public let pictures: Int
    /// Shards that were made now.
    public let shardsMade: Int
    /// Shards that are still not there.
    public let shardsMissing: Int
    /// Bytes that were written now.
    public let bytes: Int
    /// What rounding cost in the shards that were made now, by block.
    public let rounding: [String: RoundingError]
    /// How long it took.
    public let seconds: Double

    /// Of a job that is done.
    public init(
      store: String, pictures: Int, shardsMade: Int, shardsMissing: Int, bytes: Int,
      rounding: [String: RoundingError], seconds: Double
    ) {
      (self.store, self.pictures, self.shardsMade) = (store, pictures, shardsMade)
      (self.shardsMissing, self.bytes, self.rounding) = (shardsMissing, bytes, rounding)
      self.seconds = seconds
    }
  }

  private let model: ModelFolder
  /// The prompts of the whole job.
  public let prompts: PromptList
  private let request: Collector.Request
  private let settings: RunSettings
  /// Where they go.
  public let store: String
  private let part: ShardSelection

  /// Plans the recording of prompts in a folder.
  public init(
    model: ModelFolder, prompts: PromptList, request: Collector.Request, settings: RunSettings, store: String,
    part: ShardSelection = .all
  ) {
    (self.model, self.prompts, self.request, self.settings) = (model, prompts, request, settings)
    (self.store, self.part) = (store, part)
  }

  /// What does the work.
  public var collector: Collector { get throws { try Collector(model, prompts: prompts, request, settings) } }

  /// What the shards that are not there yet will take.
  ///
  /// - Throws: as `Collector.estimate`.
  public func estimate(_ progress: any MetricProgress) throws -> WorkEstimate {
    defer { progress.clear() }
    progress.stage("recording a few pictures")
    return try collector.estimate(part, in: store)
  }

  /// Makes the shards that are not there yet.
  ///
  /// - Throws: as `Collector.open` and `Collector.make`.
  public func run(_ progress: any MetricProgress) throws -> Result {
    defer { progress.clear() }
    let watch = Stopwatch()
    progress.stage("reading the model")
    let collector = try collector
    let manifest = collector.manifest
    try collector.open(store, part: part)
    let todo = collector.todo(in: store, part)
    let (pictures, bytes) = progress.begin("record", todo, of: manifest, in: store, bytes: collector.bytes)
    var rounding: [String: RoundingError] = [:]
    for shard in todo {
      rounding.add(try collector.make(shard, in: store) { progress.advance("recording", by: $0) })
    }
    progress.clear()
    if !todo.isEmpty {
      progress.note("\(pictures) pictures in \(Units.time(watch.total)), \(Units.bytes(bytes))")
    }
    if let note = rounding.note(manifest) { progress.note(note) }
    return Result(
      store: store, pictures: manifest.pictures, shardsMade: todo.count,
      shardsMissing: collector.todo(in: store, .all).count, bytes: bytes,
      rounding: rounding, seconds: watch.total / .seconds(1))
  }
}

extension MetricProgress {
  /// Says what is left to `verb` of a store, and counts the pictures of these shards: their number and `bytes`.
  public func begin(
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
