import Foundation
import SDLensCore

/// A folder of recorded activations: `manifest.json` and immutable shards, mapped when they are read.
///
/// The shards of a job that is split over several machines make one store when they lie in one folder.
public struct ActivationStore: Sendable {
  /// Where it lies.
  public let folder: String
  /// What it holds.
  public let manifest: ActivationManifest
  /// The shards that are there and whole, as far as their headers tell.
  public let shards: [ActivationShard]
  /// The numbers of the shards that are not there.
  public let missing: [Int]
  /// What is wrong with the shards that are there and cannot be used.
  public let damaged: [any UserError]

  /// Opens a store.
  ///
  /// - Throws: what is wrong with the manifest; shards that are missing or damaged are left out and told by
  ///   `missing` and `damaged`.
  public init(_ folder: String) throws {
    self.folder = folder
    manifest = try ActivationManifest(storeAt: folder)
    var (shards, missing, damaged): ([ActivationShard], [Int], [any UserError]) = ([], [], [])
    for index in 0..<manifest.shards {
      do {
        shards.append(try ActivationShard(index, of: manifest, in: folder))
      } catch FileError.missing {
        missing.append(index)
      } catch let problem as any UserError {
        damaged.append(problem)
      }
    }
    (self.shards, self.missing, self.damaged) = (shards, missing, damaged)
  }

  /// The file of a shard.
  public static func path(ofShard index: Int, in folder: String) -> String {
    "\(folder)/\(ActivationShard.fileName(index))"
  }

  /// The file of the pictures of a shard.
  public static func path(ofPicturesOfShard index: Int, in folder: String) -> String {
    "\(folder)/\(ActivationShard.pictureFileName(index))"
  }

  /// The number of pictures that are there.
  public var pictures: Int { shards.reduce(0) { $0 + $1.pictures.count } }

  /// Reads everything and returns what is wrong with shards whose headers look well.
  public func verify(_ progress: (Int) -> Void = { _ in }) -> [any UserError] {
    var problems: [any UserError] = []
    for (index, shard) in shards.enumerated() {
      do { try shard.verify() } catch let problem as any UserError { problems.append(problem) } catch {}
      progress(index + 1)
    }
    return problems
  }

  /// The vectors of one block, picture by picture.
  ///
  /// - Throws: `BlockNotStored`, `EmptyStore`.
  public func activations(of block: String) throws -> StoredActivations {
    try StoredActivations(self, block: manifest.block(block))
  }

  /// The prompts of all pictures that are there, in their order.
  public func prompts() throws -> [String] { try shards.flatMap { try $0.prompts() } }

  /// The numbers of all pictures that are there; the seed of picture i is `manifest.seed + i`.
  public var pictureNumbers: [Int] { shards.flatMap { Array($0.pictures) } }

  /// The pictures themselves, if they were kept: [height, width, 3] bytes of one of them.
  public func image(ofPicture number: Int) throws -> [UInt8]? {
    let shard = number / manifest.picturesPerShard
    let path = "\(folder)/\(ActivationShard.pictureFileName(shard))"
    guard FileManager.default.fileExists(atPath: path) else { return nil }
    let size = manifest.height * manifest.width * 3
    let bytes = try Safetensors(contentsOf: path).bytes("pictures")
    let start = (number - manifest.pictures(ofShard: shard).lowerBound) * size
    guard start + size <= bytes.count else {
      throw DamagedShard(path: path, reason: "lacks picture \(number)")
    }
    return Array(bytes[start..<start + size])
  }
}

/// The vectors of one block of a store; pictures are counted among those that are there.
public final class StoredActivations: PictureRows {
  /// The block.
  public let block: ActivationManifest.Block
  /// Of a vector.
  public let width: Int
  /// Pictures that are there.
  public let pictures: Int
  /// Vectors of a picture.
  public let rowsPerPicture: Int
  private let parts: [(first: Int, tensor: StoredTensor)]
  private let perShard: Int
  private let placeFiles: [Safetensors]?
  private var group: [Int] = []

  fileprivate init(_ store: ActivationStore, block: ActivationManifest.Block) throws {
    guard !store.shards.isEmpty else { throw EmptyStore(path: store.folder) }
    self.block = block
    width = block.width
    rowsPerPicture = store.manifest.rows(of: block)
    perShard = store.manifest.picturesPerShard
    var first = 0
    var parts: [(Int, StoredTensor)] = []
    for shard in store.shards {
      parts.append((first, try shard.file.stored(block.name)))
      first += shard.pictures.count
    }
    self.parts = parts
    pictures = first
    placeFiles = store.manifest.places == nil ? nil : store.shards.map(\.file)
  }

  /// The shard of a picture.
  private func shard(of picture: Int) -> Int {
    // All shards but the last of the store are full, so the guess is right or one too far.
    var low = 0
    var high = parts.count - 1
    while low < high {
      let middle = (low + high + 1) / 2
      if parts[middle].first <= picture { low = middle } else { high = middle - 1 }
    }
    return low
  }

  /// All vectors of a picture, [rows, width], steps first.
  public func rows(ofPicture picture: Int) -> Tensor {
    precondition(0..<pictures ~= picture, "picture \(picture) of \(pictures)")
    let part = parts[shard(of: picture)]
    let size = rowsPerPicture * width
    var result = Tensor(uninitialized: [rowsPerPicture, width])
    result.withMutableElements {
      let start = (picture - part.first) * size
      part.tensor.copy(start..<start + size, to: $0.baseAddress!)
    }
    return result
  }

  /// Which places of the map the vectors of a picture are from; nil when they are all.
  public func places(ofPicture picture: Int) throws -> [Int]? {
    guard let placeFiles else { return nil }
    let shard = shard(of: picture)
    let all = try placeFiles[shard].integers("\(block.name).places")
    let start = (picture - parts[shard].first) * rowsPerPicture
    return all[start..<start + rowsPerPicture].map(Int.init)
  }

  /// Asks the system to read the vectors of some pictures.
  public func prepare(_ pictures: [Int]) {
    group = pictures
    let size = rowsPerPicture * width
    for picture in pictures {
      let part = parts[shard(of: picture)]
      part.tensor.prefetch((picture - part.first) * size..<(picture - part.first + 1) * size)
    }
  }

  /// Writes a vector of the pictures that were prepared.
  public func copyRow(_ row: Int, to target: UnsafeMutablePointer<Float>) {
    let picture = group[row / rowsPerPicture]
    let part = parts[shard(of: picture)]
    let start = ((picture - part.first) * rowsPerPicture + row % rowsPerPicture) * width
    part.tensor.copy(start..<start + width, to: target)
  }
}

/// A store without a single shard that can be used.
public struct EmptyStore: UserError {
  let path: String
  /// The store and what fills it.
  public var description: String {
    "'\(path)' has no shard that can be used yet; go on with the 'sdlens collect' that began it"
  }
}
