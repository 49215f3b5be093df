import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensShapes
import SDLensSparse

/// A job that records what blocks do for many prompts, shard by shard, and can be stopped at any time.
///
/// A shard depends on nothing but the manifest and its own pictures: made again, alone or on another machine,
/// it has the same bytes.
public struct Collector {
  /// What is asked for.
  public struct Request: Sendable {
    /// The blocks, in any order.
    public var blocks: [BlockName]
    /// What is recorded of them.
    public var site: RecordedSite
    /// How the vectors are stored.
    public var dtype: ActivationManifest.Format
    /// Places kept of each map, chosen at random for every picture; nil for all.
    public var places: Int?
    /// The denoising steps that are recorded, from 0; nil for all.
    public var atSteps: [Int]?
    /// Pictures that run through the U-net together.
    public var batch: Int
    /// Whether the pictures are kept too.
    public var images: Bool

    /// Pictures in a shard; nil for what makes about 128 MB.
    public var picturesPerShard: Int?

    /// Asks for the update of some blocks in half precision.
    public init(
      blocks: [BlockName], site: RecordedSite = .update, dtype: ActivationManifest.Format = .float16,
      places: Int? = nil, atSteps: [Int]? = nil, batch: Int = 4, images: Bool = false,
      picturesPerShard: Int? = nil
    ) {
      self.atSteps = atSteps
      (self.blocks, self.site, self.dtype) = (blocks, site, dtype)
      (self.places, self.batch, self.images) = (places, batch, images)
      self.picturesPerShard = picturesPerShard
    }
  }

  /// What the store will hold.
  public private(set) var manifest: ActivationManifest
  let request: Request
  private let settings: RunSettings
  private let prompts: [String]
  private let laboratory: Laboratory
  private let pipeline: Pipeline
  private let blocks: [BlockName]

  /// Reads the model and plans the job.
  ///
  /// - Parameter laboratory: where the model is at work already; nil to read it.
  /// - Throws: what is wrong with the model, `BadSetting`, `SeedsEnd`.
  public init(
    _ model: ModelFolder, prompts: PromptList, _ request: Request, _ settings: RunSettings,
    in laboratory: Laboratory? = nil
  ) throws {
    try settings.seed.check(prompts.prompts.count)
    try model.check(request.blocks)
    self.laboratory = laboratory ?? Laboratory(model)
    pipeline = try self.laboratory.pipeline
    _ = try self.laboratory.encoder
    self.request = request
    self.settings = settings
    self.prompts = prompts.prompts
    blocks = BlockName.all.filter(request.blocks.contains)
    let steps = try model.stepCount(settings.steps)
    let recorded = VectorSteps(request.atSteps.map { Set($0).sorted() }, of: steps)
    if let bad = recorded.steps.first(where: { !(0..<steps ~= $0) }) {
      throw BadSetting(
        name: "at-step", found: "\(bad)", needed: "from 0 to \(steps - 1), the steps of the run (--steps)")
    }
    let layout = pipeline.denoiser.layout
    if case .heads(let layer) = request.site {
      for block in blocks where layer >= layout[block].layers {
        throw BadSetting(
          name: "layer", found: "\(layer)",
          needed: "below \(layout[block].layers), the number of layers of \(block)")
      }
    }
    let factor = pipeline.decoder.config.factor
    let described = blocks.map {
      ActivationManifest.Block(
        layout[$0], latents: (settings.height / factor, settings.width / factor))
    }
    manifest = ActivationManifest(
      model: model.title, modelFingerprint: try model.fingerprint().description,
      site: request.site.description, blocks: described, dtype: request.dtype,
      pictures: prompts.prompts.count,
      picturesPerShard: request.picturesPerShard
        ?? StoreFolder.picturesPerShard(described, steps: recorded.steps.count, places: request.places),
      places: request.places, seed: settings.seed, steps: steps,
      atSteps: recorded.areAll ? nil : recorded.steps, guidance: settings.guidance,
      height: settings.height, width: settings.width, prompts: prompts.fingerprint,
      engine: model.otherEngine, modelOptions: model.options.isEmpty ? nil : model.titledOptions,
      world: model.paintsShapes && model.title != ModelFolder.embedded ? ModelFolder.embedded : nil)
  }

  /// Prepares the folder: writes the manifest, or checks that the one there is of the same job.
  ///
  /// - Throws: `FileError`, `OtherStore` with the setting that differs, `StoreTooLarge`.
  public func open(_ folder: String, part: ShardSelection = .all) throws {
    let places = max(1, (manifest.blocks.map(manifest.placesKept).max() ?? 10) / 10)
    try StoreFolder(path: folder, manifest: manifest).open(
      part, bytes: bytes(pictures:),
      advice:
        "keep fewer places of each map, as with --sample-places \(places), or fewer pictures with --limit, or "
        + "collect nothing: train-sae --stream")
  }

  /// What `count` pictures take: their vectors, and themselves where they are kept.
  public func bytes(pictures count: Int) -> Int {
    manifest.bytes(pictures: count) + (request.images ? count * manifest.height * manifest.width * 3 : 0)
  }

  /// What the shards of a part that are not there yet will take, judged by a few pictures.
  ///
  /// - Parameter others: what else is to be done, measured with a store of these pictures.
  /// - Throws: as `open` does, what is wrong with the pictures, and the errors of `others`.
  public func estimate(
    _ part: ShardSelection = .all, in folder: String,
    others: (ActivationStore) throws -> [WorkEstimate.Work] = { _ in [] }
  ) throws -> WorkEstimate {
    let store = StoreFolder(path: folder, manifest: manifest)
    try store.check()
    let pictures = todo(in: folder, part).reduce(0) { $0 + manifest.pictures(ofShard: $1).count }
    let works = try sample(beside: folder) { [$0.of(pieces: pictures)] + (try others($1)) }
    // A shard is held as float32 twice, and once as it is written.
    let numbers = manifest.blocks.reduce(0) { $0 + manifest.rows(of: $1) * $1.width }
    let more = min(manifest.picturesPerShard, manifest.pictures) - min(request.batch, manifest.pictures)
    return WorkEstimate(
      works, disk: bytes(pictures: pictures), in: folder,
      memory: Memory.peak + more * numbers * (8 + manifest.numberSize))
  }

  /// Records a few pictures beside a folder, and takes them away again.
  ///
  /// - Parameter body: gets what all pictures take, and a store of the few.
  /// - Throws: what is wrong with the pictures, and the errors of `body`.
  public func sample<Result>(
    beside folder: String, _ body: (_ recording: WorkEstimate.Work, _ store: ActivationStore) throws -> Result
  ) throws -> Result {
    var few = self
    let size = min(request.batch, manifest.pictures)
    few.manifest.picturesPerShard = size
    few.manifest.pictures = min(manifest.pictures / size, 4) * size
    return try AtomicFolder.scratch(beside: "\(Disk.nearest(to: AtomicFile.folder(of: folder)))/sample") {
      scratch in
      try few.open(scratch)
      let recording = try WorkEstimate.Work.measured(
        "record", "pictures", pieces: manifest.pictures, atOnce: size, calls: few.manifest.shards
      ) { try few.make($0, in: scratch) }
      return try body(recording, ActivationStore(scratch))
    }
  }

  /// The shards of a part that are not there yet, or whose pictures are not, where these are kept.
  public func todo(in folder: String, _ part: ShardSelection) -> [Int] {
    StoreFolder(path: folder, manifest: manifest).todo(part, withPictures: request.images)
  }

  /// Makes one shard.
  ///
  /// - Parameter progress: called after every batch with the number of pictures in it.
  /// - Returns: what rounding cost, by block.
  @discardableResult public func make(
    _ shard: Int, in folder: String, progress: (Int) -> Void = { _ in }
  ) throws -> [String: RoundingError] {
    let pictures = manifest.pictures(ofShard: shard)
    var vectors: [String: [Tensor]] = [:]
    var images: [UInt8] = []
    for start in stride(from: pictures.lowerBound, to: pictures.upperBound, by: request.batch) {
      let batch = start..<min(pictures.upperBound, start + request.batch)
      let recording = try record(Array(batch))
      for (block, tensor) in zip(manifest.blocks, recording.vectors) {
        vectors[block.name, default: []].append(tensor)
      }
      images += recording.images
      progress(batch.count)
    }
    if request.images {
      try ActivationShard.write(pictures: images, ofShard: shard, of: manifest, in: folder)
    }
    var parts: [String: ActivationShard.Part] = [:]
    for block in manifest.blocks {
      parts[block.name] = part(block, .stacked(vectors[block.name] ?? []), pictures)
    }
    return try ActivationShard.write(
      shard, of: manifest, parts, prompts: Array(prompts[pictures]), in: folder)
  }

  /// The vectors of some pictures, [pictures, steps, places, width] for each block of the manifest.
  func record(_ pictures: [Int]) throws -> (vectors: [Tensor], images: [UInt8]) {
    let prompts = pictures.map { self.prompts[$0] }
    let embeddings = try laboratory.embeddings(of: prompts, settings)
    let recording = try pipeline.record(
      request.site, of: blocks, embeddings, seeds: pictures.map { manifest.seed + $0 }, settings,
      atSteps: manifest.atSteps, latents: request.images)
    let vectors = zip(blocks, manifest.blocks).map { name, block in
      let shape: Shape = [pictures.count, 1, block.mapHeight * block.mapWidth, block.width]
      return Self.interleaved((recording.steps[name] ?? []).map { $0.reshaped(shape) })
    }
    let images = try recording.latents.map { latents in
      try (0..<pictures.count).flatMap { Picture(try pipeline.picture(latents.picture($0))).samples }
    }
    return (vectors, images ?? [])
  }

  /// How long one picture takes, from noise to samples.
  func pictureTime() throws -> Duration {
    let embeddings = try laboratory.embeddings(of: prompts[0], settings)
    func make() throws { _ = try pipeline.picture(pipeline.sample(embeddings, settings).latents) }
    try make()
    return try ContinuousClock().measure { try make() }
  }

  /// Tensors [pictures, 1, places, width] of all steps → [pictures, steps, places, width].
  private static func interleaved(_ steps: [Tensor]) -> Tensor {
    guard steps.count > 1 else { return steps[0] }
    let shape = steps[0].shape
    return .stacked(
      (0..<shape[0]).map { picture in
        Tensor.stacked(steps.map { $0.picture(picture) })
          .reshaped([1, steps.count, shape[2], shape[3]])
      })
  }

  /// All places of the maps, or those chosen for each picture and step.
  private func part(
    _ block: ActivationManifest.Block, _ vectors: Tensor, _ pictures: Range<Int>
  ) -> ActivationShard.Part {
    let (all, count) = (block.mapHeight * block.mapWidth, manifest.placesKept(of: block))
    guard manifest.places != nil else { return ActivationShard.Part(vectors: vectors, places: nil) }
    let steps = manifest.vectorSteps.steps
    var places: [Int32] = []
    var kept = Tensor(uninitialized: [pictures.count, steps.count, count, block.width])
    kept.withMutableElements { y in
      vectors.withElements { x in
        var target = 0
        for (index, picture) in pictures.enumerated() {
          for (slot, step) in steps.enumerated() {
            let order = MersenneTwister.permutation(
              of: all, seeds: [(manifest.seed + picture).bits, UInt64(step)])
            for place in order.prefix(count).sorted() {
              let source = ((index * steps.count + slot) * all + Int(place)) * block.width
              _ = y[target...].update(fromContentsOf: x[source..<source + block.width])
              places.append(place)
              target += block.width
            }
          }
        }
      }
    }
    return ActivationShard.Part(vectors: kept, places: places)
  }
}

/// Which shards of a job this run makes: all, or part i of n.
public struct ShardSelection: Sendable, Equatable {
  /// Counted from 1.
  public let part: Int
  /// The number of parts.
  public let parts: Int
  /// The whole job.
  public static let all = ShardSelection(part: 1, parts: 1)

  private init(part: Int, parts: Int) { (self.part, self.parts) = (part, parts) }

  /// Reads `i/n`, nil when it is none.
  public init?(_ text: String) {
    let numbers = text.split(separator: "/", omittingEmptySubsequences: false).map { Int($0) }
    guard numbers.count == 2, let part = numbers[0], let parts = numbers[1], 1...1 << 20 ~= parts,
      1...parts ~= part
    else { return nil }
    self.init(part: part, parts: parts)
  }

  func contains(_ shard: Int) -> Bool { shard % parts == part - 1 }
}

extension ActivationManifest.Block {
  /// A block of a model, at latents of a size.
  init(_ block: BlockLayout, latents: (height: Int, width: Int)) {
    let map = block.mapSize(latents: latents)
    self.init(
      name: block.name.description, width: block.width, mapHeight: map.height, mapWidth: map.width)
  }
}
