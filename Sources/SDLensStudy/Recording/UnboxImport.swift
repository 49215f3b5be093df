import SDLensCore
import SDLensDiffusion
import SDLensSparse

/// A job that turns the activations of sdxl-unbox into a store, shard by shard; it can be stopped at any time.
///
/// The tars hold one batch of pictures after the other, without an index. A first pass reads what is said of the
/// batches and checks that all blocks have the same; the second reads the tensors, of those batches only of which a
/// shard is not there yet.
public struct UnboxImport {
  /// What is asked for.
  public struct Request: Sendable {
    /// The blocks, in any order; nil for all that have a tar.
    public var blocks: [BlockName]?
    /// The first pictures only; nil for all.
    public var limit: Int?
    /// How the vectors are stored.
    public var dtype: ActivationManifest.Format
    /// Pictures in a shard; nil for what makes about 128 MB.
    public var picturesPerShard: Int?

    /// Asks for some blocks of some pictures.
    public init(
      blocks: [BlockName]? = nil, limit: Int? = nil, dtype: ActivationManifest.Format = .float16,
      picturesPerShard: Int? = nil
    ) {
      (self.blocks, self.limit, self.dtype) = (blocks, limit, dtype)
      self.picturesPerShard = picturesPerShard
    }
  }

  /// What the store will hold.
  public let manifest: ActivationManifest
  private let source: UnboxActivations
  /// The tar of each block of the manifest.
  private let tars: [String]
  private let batches: [UnboxActivations.Batch]
  private let prompts: [String]

  /// Goes through the tars and compares them with each other and with the model that is said to have made them.
  ///
  /// - Throws: `FileError`, `MalformedFile`, `UnlikeModel`, and what is wrong with an archive.
  public init(_ folder: String, madeBy model: ModelFolder, _ request: Request) throws {
    let source = try UnboxActivations(folder)
    self.source = source
    let named = try Dictionary(
      source.blocks.map { (try Self.block($0, request, in: folder), $0) },
      uniquingKeysWith: { first, _ in first })
    let blocks = BlockName.all.filter { request.blocks?.contains($0) ?? named.keys.contains($0) }
    tars = try blocks.map { block in
      guard let tar = named[block] else { throw source.lacks("\(block)") }
      return tar
    }
    batches = try Self.batches(source, tars, limit: request.limit)
    prompts = Array(batches.flatMap(\.prompts).prefix(request.limit ?? .max))

    let layout = try model.layout
    try layout.check(blocks)
    let factor = try DecoderConfig(model.config("vae")).factor
    let shapes = try tars.map { try source.samples(of: $0).next()!.update.shape }
    let scale = factor << layout[blocks[0]].level
    let (height, width) = (shapes[0][1] * scale, shapes[0][2] * scale)
    let described = blocks.map {
      ActivationManifest.Block(layout[$0], latents: (height / factor, width / factor))
    }
    for (block, shape) in zip(described, shapes) { try Self.check(block, shape, model.title) }
    manifest = ActivationManifest(
      model: model.title, modelFingerprint: try model.fingerprint().description, site: "update",
      blocks: described, dtype: request.dtype, pictures: prompts.count,
      picturesPerShard: request.picturesPerShard
        ?? StoreFolder.picturesPerShard(described, steps: 1, places: nil),
      places: nil, seed: 0, steps: 1, guidance: batches[0].guidance, height: height, width: width,
      prompts: PromptList.fingerprint(of: prompts), origin: "sdxl-unbox")
  }

  /// The block that a tar is of; a tar of something else is no matter where the blocks are named.
  private static func block(_ name: String, _ request: Request, in folder: String) throws -> BlockName? {
    do { return try BlockName(name) } catch {
      if request.blocks != nil { return nil }
      throw MalformedFile(
        path: folder, reason: "has a tar '\(name)', which is no block's; name those to import with --block")
    }
  }

  /// What is said of the batches of the first pictures, which must be the same in all tars.
  private static func batches(
    _ source: UnboxActivations, _ tars: [String], limit: Int?
  ) throws -> [UnboxActivations.Batch] {
    let lists = try tars.map { tar in
      let samples = try source.samples(of: tar)
      var (batches, pictures): ([UnboxActivations.Batch], Int) = ([], 0)
      while pictures < limit ?? .max, let batch = try samples.skip() {
        batches.append(batch)
        pictures += batch.prompts.count
      }
      return batches
    }
    for (tar, batches) in zip(tars, lists) where batches != lists[0] {
      let number = zip(batches, lists[0]).first { $0 != $1 }?.0.number
      throw MalformedFile(
        path: source.folder,
        reason: "has other pictures in '\(tar)' than in '\(tars[0])', "
          + (number.map { "from sample_\($0) on" } ?? "\(batches.count) samples and \(lists[0].count)")
          + "; import what they share with --limit, or one with --block")
    }
    guard lists[0].contains(where: { !$0.prompts.isEmpty }) else {
      throw MalformedFile(path: source.folder, reason: "has no picture in '\(tars[0])'; collect it again")
    }
    return lists[0].filter { !$0.prompts.isEmpty }
  }

  private static func check(_ block: ActivationManifest.Block, _ shape: Shape, _ model: String) throws {
    guard Array(shape.extents.dropFirst()) == [block.mapHeight, block.mapWidth, block.width] else {
      throw UnlikeModel(
        block: block.name, model: model, found: "\(shape[3]) channels at \(shape[1]) × \(shape[2])",
        needed: "\(block.width) at \(block.mapHeight) × \(block.mapWidth)")
    }
  }

  /// Prepares the folder: writes the manifest, or checks that the one there is of the same job.
  ///
  /// - Throws: `FileError`, `OtherStore` with the setting that differs, `FolderInUse`, `StoreTooLarge`.
  public func open(_ folder: String) throws {
    try StoreFolder(path: folder, manifest: manifest).open(
      .all, bytes: manifest.bytes(pictures:),
      advice: "take fewer pictures with --limit, or another --workspace")
  }

  /// The shards that are not there yet.
  public func todo(in folder: String) -> [Int] { StoreFolder(path: folder, manifest: manifest).todo(.all) }

  /// Writes the shards that are not there yet.
  ///
  /// - Parameters:
  ///   - note: called with a sentence once for each tar whose numbers are rounded.
  ///   - progress: called after every batch with the number of pictures in it that were written or kept.
  /// - Returns: what rounding cost, by block.
  /// - Throws: `FileError`, `BeyondFormat`, `UnlikeModel`, and what is wrong with an archive.
  @discardableResult public func run(
    into folder: String, note: (String) -> Void = { _ in }, progress: (Int) -> Void = { _ in }
  ) throws -> [String: RoundingError] {
    var rounding: [String: RoundingError] = [:]
    let todo = Set(todo(in: folder))
    let readers = try tars.map(source.samples(of:))
    var pieces: [[Tensor]] = tars.map { _ in [] }
    var first = 0
    var rounded: Set<String> = []
    for batch in batches {
      let pictures = first..<min(first + batch.prompts.count, manifest.pictures)
      let shards =
        (pictures.lowerBound / manifest.picturesPerShard...(pictures.upperBound - 1)
        / manifest.picturesPerShard).filter(todo.contains)
      let samples = try zip(readers, manifest.blocks).compactMap { reader, block in
        try shards.isEmpty ? skip(reader, batch) : sample(reader, batch, block)
      }
      for (tar, sample) in zip(tars, samples) where sample.isRounded && rounded.insert(tar).inserted {
        note("'\(tar)' in '\(source.folder)' has float64, rounded to float32")
      }
      for shard in shards {
        let range = manifest.pictures(ofShard: shard)
        let part = range.clamped(to: pictures)
        for (index, sample) in samples.enumerated() {
          pieces[index].append(sample.update.pictures(part.lowerBound - first..<part.upperBound - first))
        }
        if range.upperBound <= pictures.upperBound {
          rounding.add(try write(shard, pieces, in: folder))
          pieces = tars.map { _ in [] }
        }
        progress(part.count)
      }
      first = pictures.upperBound
    }
    return rounding
  }

  /// Passes over a batch, empty ones before it too.
  private func skip(
    _ reader: UnboxActivations.Samples, _ batch: UnboxActivations.Batch
  ) throws -> UnboxActivations.Sample? {
    while let next = try reader.skip() { if next == batch { return nil } }
    throw source.changed
  }

  /// The sample of a batch.
  private func sample(
    _ reader: UnboxActivations.Samples, _ batch: UnboxActivations.Batch, _ block: ActivationManifest.Block
  ) throws -> UnboxActivations.Sample {
    while let next = try reader.next() {
      guard next.batch == batch else { continue }
      try Self.check(block, next.update.shape, manifest.model)
      return next
    }
    throw source.changed
  }

  private func write(_ shard: Int, _ pieces: [[Tensor]], in folder: String) throws -> [String: RoundingError]
  {
    var parts: [String: ActivationShard.Part] = [:]
    for (block, pieces) in zip(manifest.blocks, pieces) {
      let vectors = Tensor.stacked(pieces)
      parts[block.name] = .init(
        vectors: vectors.reshaped([vectors.shape[0], 1, block.mapHeight * block.mapWidth, block.width]),
        places: nil)
    }
    let prompts = Array(prompts[manifest.pictures(ofShard: shard)])
    return try ActivationShard.write(shard, of: manifest, parts, prompts: prompts, in: folder)
  }
}

extension UnboxActivations {
  /// A tar that was written to between the passes.
  fileprivate var changed: MalformedFile {
    MalformedFile(path: folder, reason: "has changed while it was read; wait for its end and import it again")
  }

  fileprivate func lacks(_ block: String) -> MalformedFile {
    MalformedFile(
      path: folder, reason: "has no block '\(block)'; there are \(blocks.joined(separator: ", "))")
  }
}

/// Activations of which the model that is named cannot have been the source.
public struct UnlikeModel: UserError {
  let block: String
  let model: String
  let found: String
  let needed: String
  /// The block, both sizes and what to do.
  public var description: String {
    "the activations of \(block) have \(found), but those of the model \(model) have \(needed); name the model that "
      + "made them with --model"
  }
}
