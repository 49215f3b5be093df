import Foundation
import SDLensCore

/// A folder of recorded activations: `manifest.json` and immutable shards, mapped when they are read.
///
/// The shards of a job that is split over several machines make one store when they lie in one folder.
public struct ActivationStore: Sendable {
  /// Where it lies.
  public let folder: String
  /// What it holds.
  public private(set) var manifest: ActivationManifest
  /// The shards that are there and whole, as far as their headers tell.
  public let shards: [ActivationShard]
  /// The numbers of the shards that are not there.
  public let missing: [Int]
  /// What is wrong with the shards that are there and cannot be used.
  public let damaged: [UnusableShard]

  private let files: ShardFiles

  /// Opens a store.
  ///
  /// - Throws: what is wrong with the manifest; shards that are missing or damaged are left out and told by
  ///   `missing` and `damaged`.
  public init(_ folder: String) throws {
    self.folder = folder
    let manifest = try ActivationManifest(storeAt: folder)
    files = try ShardFiles(of: manifest, in: folder)
    var present = Self.presentShards(of: manifest, in: folder)
    var (shards, damaged): ([ActivationShard], [UnusableShard]) = ([], [])
    // Side by side, because a shared disk takes its time for each.
    let indices = present.sorted()
    let outcomes = Parallel.map(indices.count) { [files] place in
      Result { try files.check(indices[place]) }
    }
    for (index, outcome) in zip(indices, outcomes) {
      do {
        try outcome.get()
        shards.append(ActivationShard(index: index, pictures: manifest.pictures(ofShard: index)))
      } catch FileError.missing {
        present.remove(index)
      } catch let problem as any UserError {
        damaged.append(
          UnusableShard(index: index, path: Self.path(ofShard: index, in: folder), problem: problem))
      }
    }
    missing = (0..<manifest.shards).filter { !present.contains($0) }
    (self.manifest, self.shards, self.damaged) = (manifest, shards, damaged)
  }

  /// The same store, of whose vectors those of some steps count.
  ///
  /// - Parameter steps: from 0, in any order; nil for all.
  /// - Throws: `StepsNotStored`.
  public func at(_ steps: [Int]?) throws -> ActivationStore {
    guard let wanted = steps.map({ Set($0).sorted() }), wanted != manifest.vectorSteps.steps else {
      return self
    }
    guard !wanted.isEmpty, Set(wanted).isSubset(of: manifest.vectorSteps.steps) else {
      throw StepsNotStored(store: folder, stored: manifest.vectorSteps, wanted: wanted)
    }
    var store = self
    store.manifest.atSteps = wanted
    return store
  }

  /// The numbers of the shards whose files are in a folder, as its names tell.
  public static func presentShards(of manifest: ActivationManifest, in folder: String) -> Set<Int> {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    return Set(names.compactMap(ActivationShard.index(ofFile:)).filter { $0 < manifest.shards })
  }

  /// Whether files of a folder are shards that were written for a manifest, or pictures of such.
  package static func areShards(_ names: [String], of manifest: ActivationManifest, in folder: String) -> Bool
  {
    guard let files = try? ShardFiles(of: manifest, in: folder) else { return false }
    let shards = presentShards(of: manifest, in: folder).filter { (try? files.check($0)) != nil }
    let expected = shards.flatMap { [ActivationShard.fileName($0), ActivationShard.pictureFileName($0)] }
    return Set(names).isSubset(of: expected)
  }

  /// Files that have the name of a shard and something more, as copies have: no shards of the store.
  public static func copies(in folder: String) -> [String] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    return names.filter { $0.hasPrefix("shard-") && ActivationShard.index(ofFile: $0) == nil }.sorted()
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

  /// Reads everything, kept pictures too, and returns what is wrong with shards whose headers look well.
  public func verify(_ progress: (Int) -> Void = { _ in }) -> [UnusableShard] {
    var problems: [UnusableShard] = []
    for (index, shard) in shards.enumerated() {
      do {
        try files.verify(shard.index)
        _ = try files.pictures(shard.index)
      } catch let problem as any UserError {
        problems.append(
          UnusableShard(
            index: shard.index, path: Self.path(ofShard: shard.index, in: folder), problem: problem))
      } catch {}
      progress(index + 1)
    }
    return problems
  }

  /// The vectors of one block, picture by picture.
  ///
  /// - Throws: `BlockNotStored`, `EmptyStore`.
  public func activations(of block: String) throws -> StoredActivations {
    try activations(of: block, mostMapped: 4096)
  }

  package func activations(of block: String, mostMapped: Int) throws -> StoredActivations {
    try StoredActivations(self, files, block: manifest.block(block), mostMapped: mostMapped)
  }

  /// The prompts of all pictures that are there, in their order.
  public func prompts() throws -> [String] { try shards.flatMap { try files.prompts($0.index) } }

  /// What rounding cost, by block, in the shards that say so.
  ///
  /// - Throws: what is wrong with a file.
  public func rounding() throws -> [String: RoundingError] {
    try shards.reduce(into: [:]) { $0.add(try files.rounding($1.index)) }
  }

  /// The numbers of all pictures that are there; the seed of picture i is `manifest.seed + i`.
  public var pictureNumbers: [Int] { shards.flatMap { Array($0.pictures) } }

  /// The pictures themselves, if they were kept: [height, width, 3] bytes of one of them.
  ///
  /// - Throws: what is wrong with their file, which is compared with its checksum the first time.
  public func image(ofPicture number: Int) throws -> [UInt8]? {
    let shard = number / manifest.picturesPerShard
    guard let file = try files.pictures(shard) else { return nil }
    let size = manifest.height * manifest.width * 3
    let bytes = try file.bytes("pictures")
    let start = (number - manifest.pictures(ofShard: shard).lowerBound) * size
    guard start + size <= bytes.count else {
      throw DamagedShard(
        path: Self.path(ofPicturesOfShard: shard, in: folder), reason: "lacks picture \(number)")
    }
    return Array(bytes[start..<start + size])
  }
}

/// Steps of which a store has no vectors.
public struct StepsNotStored: UserError {
  let store: String
  let stored: VectorSteps
  let wanted: [Int]
  /// The store, its steps, and what records others.
  public var description: String {
    "'\(store)' has the vectors of \(stored), but at-step asks for \(wanted.map(String.init).joined(separator: ", ")); name "
      + "another with --store, or record them with: sdlens collect --steps … --at-step "
      + wanted.map(String.init).joined(separator: " ")
  }
}

/// A shard that is there and cannot be used.
public struct UnusableShard: UserError {
  /// Its number.
  public let index: Int
  let path: String
  let problem: any UserError
  /// What is wrong with it.
  public var description: String { problem.description }

  /// The same where it could be made again if it were not there.
  package var toBeMadeAgain: any UserError {
    problem is DamagedShard ? self : DamagedShard(path: path, reason: "is no shard (\(problem))")
  }
}
