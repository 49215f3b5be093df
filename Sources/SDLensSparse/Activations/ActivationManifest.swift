import Foundation
import SDLensCore

/// What a store of activations holds and how each of its vectors was made: `manifest.json`.
///
/// It does not change once it is written, and every part of a job that is split has the same one.
public struct ActivationManifest: Codable, Sendable, Equatable {
  /// A block whose vectors are stored.
  public struct Block: Codable, Sendable, Equatable {
    /// Its short name, as in `down.2.1`; also the name of its tensor in every shard.
    public let name: String
    /// Of its vectors.
    public let width: Int
    /// Of its map.
    public let mapHeight: Int
    /// Of its map.
    public let mapWidth: Int

    /// Names a block and its sizes.
    public init(name: String, width: Int, mapHeight: Int, mapWidth: Int) {
      (self.name, self.width) = (name, width)
      (self.mapHeight, self.mapWidth) = (mapHeight, mapWidth)
    }
  }

  /// The number format of the vectors; `float8` is E4M3 with a scale for each vector.
  public enum Format: String, Codable, Sendable, CaseIterable {
    case float16, bfloat16, float8, float32

    /// Of the numbers in a shard.
    var type: ElementType {
      switch self {
      case .float16: .f16
      case .bfloat16: .bf16
      case .float8: .f8e4m3
      case .float32: .f32
      }
    }
    /// Whether each vector has a scale beside it.
    var isScaled: Bool { self == .float8 }
  }

  /// Always `sdlens-activations`.
  public var format = "sdlens-activations"
  /// Of the layout of the store.
  public var version = 1
  /// The name of the model.
  public var model: String
  /// The fingerprint of the model.
  public var modelFingerprint: String
  /// What was recorded: `update`, `input`, `residual`, or `heads.n`, the outputs of the attention heads of layer n.
  public var site: String
  /// The blocks, in the order of the forward pass.
  public var blocks: [Block]
  /// How the vectors are stored.
  public var dtype: Format
  /// The number of pictures; picture i has the seed `seed + i`.
  public var pictures: Int
  /// Pictures in a shard; the last may have fewer.
  public var picturesPerShard: Int
  /// Places of a map that are kept for every picture and step; nil when all are.
  public var places: Int?
  /// Of the first picture.
  public var seed: Seed
  /// Denoising steps.
  public var steps: Int
  /// The steps whose vectors are recorded, from 0, ascending; nil when all are.
  public var atSteps: [Int]?
  /// Strength of guidance; of a guided run the conditional half is recorded.
  public var guidance: Double
  /// Of the pictures, in pixels.
  public var height: Int
  /// Of the pictures, in pixels.
  public var width: Int
  /// The fingerprint of the list of prompts.
  public var prompts: String
  /// The program that made the pictures, where it was another one; then no seed gives their noise.
  public var origin: String?
  /// What computed the model, where it was not this program's own kernels in float32.
  public var engine: String?
  /// What was given beside the model and decides its content, as words of the command line, files without their folders:
  /// `--base`, `--vae`, `--lora`, `--sampler` and what belongs to it.
  public var modelOptions: [String]?
  /// The world whose pictures the model paints, `shapes`, where the model is not called so.
  public var world: String?

  /// The name of the file.
  static let fileName = "manifest.json"
  /// The number of shards of the whole store.
  public var shards: Int { (pictures + picturesPerShard - 1) / picturesPerShard }
  /// The steps whose vectors are recorded, from 0.
  public var vectorSteps: VectorSteps { VectorSteps(atSteps, of: steps) }
  /// Bytes of a number.
  public var numberSize: Int { dtype.type.size }
  /// Bytes of what stands beside each vector: its place, its scale.
  private var besideVector: Int { (places == nil ? 0 : 4) + (dtype.isScaled ? 4 : 0) }

  /// Describes a store; the fields that are not given have one value only.
  public init(
    model: String, modelFingerprint: String, site: String, blocks: [Block], dtype: Format, pictures: Int,
    picturesPerShard: Int, places: Int?, seed: Seed, steps: Int, atSteps: [Int]? = nil, guidance: Double,
    height: Int, width: Int, prompts: String, origin: String? = nil, engine: String? = nil,
    modelOptions: [String]? = nil, world: String? = nil
  ) {
    (self.model, self.modelFingerprint, self.site, self.blocks) = (model, modelFingerprint, site, blocks)
    (self.dtype, self.pictures, self.picturesPerShard) = (dtype, pictures, picturesPerShard)
    (self.places, self.seed, self.steps, self.guidance) = (places, seed, steps, guidance)
    (self.height, self.width, self.prompts, self.atSteps) = (height, width, prompts, atSteps)
    self.modelOptions = modelOptions
    (self.origin, self.engine, self.world) = (origin, engine, world)
  }

  /// Reads and checks the manifest of a store.
  ///
  /// - Throws: `FileError`, `MalformedFile`, `NoActivationStore`.
  public init(storeAt folder: String) throws {
    let path = "\(folder)/\(Self.fileName)"
    guard FileManager.default.fileExists(atPath: path) else { throw NoActivationStore(path: folder) }
    try self.init(contentsOf: path)
  }

  /// Reads and checks a manifest.
  ///
  /// - Throws: `FileError`, `MalformedFile`.
  init(contentsOf path: String) throws {
    self = try JSON.read(
      Self.self, from: path,
      advice: "delete it, and the 'sdlens collect' or 'import' that began the store writes it again")
    try check(at: path)
  }

  /// Refuses sizes that no store can have; all that is computed from others is small enough.
  ///
  /// - Throws: `MalformedFile`.
  public func check(at path: String) throws {
    if let problem { throw MalformedFile(path: path, reason: problem) }
  }

  /// What no store can have.
  private var problem: String? {
    guard format == "sdlens-activations" else { return "has format '\(format)', not 'sdlens-activations'" }
    guard version == 1 else {
      return "is of version \(version), but this program reads version 1; take a newer one"
    }
    let sizes = blocks.flatMap { [$0.width, $0.mapHeight, $0.mapWidth] }
    guard !blocks.isEmpty else { return "names no blocks; collect the store again" }
    if let size = sizes.first(where: { !(1...1 << 16 ~= $0) }) {
      return "has a block of size \(size), but widths and sides of maps are from 1 to \(1 << 16)"
    }
    guard Set(blocks.map(\.name)).count == blocks.count else { return "names a block twice" }
    for (name, value, range) in [
      ("pictures", pictures, 1...Int(Int32.max)), ("pictures_per_shard", picturesPerShard, 1...1 << 20),
      ("steps", steps, 1...1 << 16), ("places", places ?? 1, 1...1 << 16), ("height", height, 0...1 << 20),
      ("width", width, 0...1 << 20),
    ] where !range.contains(value) {
      return "has as '\(name)' \(value), but it must be from \(range.lowerBound) to \(range.upperBound)"
    }
    if let problem = atSteps.flatMap({ VectorSteps.problem($0, of: steps) }) { return problem }
    guard seed.reaches(pictures) else { return "has seed \(seed), from which \(pictures) pictures have none" }
    guard shards <= Self.mostShards else {
      return
        "has \(pictures) pictures in shards of \(picturesPerShard), which are \(shards) files, but at most "
        + "\(Self.mostShards) are read; collect with a larger --shard-size"
    }
    if let block = blocks.first(where: { rows(of: $0) > 1 << 30 }) {
      return
        "has \(rows(of: block)) vectors of \(block.name) in each picture, but at most \(1 << 30) are read"
    }
    // In floating point, where nothing overflows.
    let picture = blocks.reduce(Double(height * width * 3)) {
      $0 + Double(rows(of: $1)) * Double($1.width * numberSize + besideVector)
    }
    guard Double(pictures) * picture < 0x1p62 else {
      return "has \(pictures) pictures of \(Int(picture)) bytes each, which is more than any disk holds"
    }
    return nil
  }

  /// The most files of a store; so many names of a folder are still read in seconds.
  private static let mostShards = 1 << 24

  /// A number that two stores share only if they are parts of the same job.
  public var fingerprint: String {
    get throws {
      var fingerprint = Fingerprint()
      fingerprint.add(try JSON.text(self))
      return fingerprint.description
    }
  }

  /// The pictures of a shard.
  public func pictures(ofShard index: Int) -> Range<Int> {
    index * picturesPerShard..<min(pictures, (index + 1) * picturesPerShard)
  }

  /// Vectors of one picture in a block: those of all steps that are recorded.
  public func rows(of block: Block) -> Int { vectorSteps.steps.count * placesKept(of: block) }

  /// Places of a block's map that are kept.
  public func placesKept(of block: Block) -> Int {
    min(places ?? .max, block.mapHeight * block.mapWidth)
  }

  /// The bytes of the vectors of `count` pictures, with their places and scales.
  public func bytes(pictures count: Int) -> Int {
    blocks.reduce(0) { $0 + rows(of: $1) * ($1.width * numberSize + besideVector) } * count
  }

  /// The block of that name.
  ///
  /// - Throws: `BlockNotStored`.
  public func block(_ name: String) throws -> Block {
    guard let block = blocks.first(where: { $0.name == name }) else {
      throw BlockNotStored(block: name, stored: blocks.map(\.name))
    }
    return block
  }

  /// The first setting in which two manifests differ, with both values.
  public func difference(from other: Self) -> (setting: String, ours: String, theirs: String)? {
    let absent = [
      "places": "all", "atSteps": "all", "modelOptions": "none", "world": "that of its name",
    ]
    func fields(_ manifest: Self) -> [(String, String)] {
      Mirror(reflecting: manifest).children.map { child in
        let value = Mirror(reflecting: child.value)
        let text =
          value.displayStyle == .optional
          ? value.children.first.map { "\($0.value)" } ?? absent[child.label ?? ""] ?? "sdlens"
          : "\(child.value)"
        return (child.label ?? "", child.label == "blocks" ? manifest.blockList : text)
      }
    }
    for (ours, theirs) in zip(fields(self), fields(other)) where ours.1 != theirs.1 {
      return (ours.0, ours.1, theirs.1)
    }
    return nil
  }

  private var blockList: String { blocks.map(\.name).joined(separator: ", ") }
}

/// A folder that is no store.
public struct NoActivationStore: UserError {
  let path: String
  /// The folder and what makes one.
  public var description: String {
    "'\(path)' is no store of activations: it has no manifest.json; make one with: sdlens collect"
  }
}

/// A block of which a store has no vectors.
public struct BlockNotStored: UserError {
  let block: String
  let stored: [String]
  /// The block, and those that are stored.
  public var description: String {
    "the store has no activations of \(block), only of \(stored.joined(separator: ", ")); collect them with: "
      + "sdlens collect --block \(block)"
  }
}
