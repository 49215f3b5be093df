import Foundation
import SDLensCore
import Synchronization

/// The files of the shards of a store, mapped when they are needed: a limited number of them at a time, because a system
/// maps 65,530 at most for a process.
final class ShardFiles: Sendable {
  /// Where they lie.
  let folder: String
  /// What they must be like.
  let manifest: ActivationManifest
  private let fingerprint: String

  private struct State {
    var open: [Int: Safetensors] = [:]
    var verified: Set<Int> = []
    var verifiedPictures: Set<Int> = []
  }
  private let state = Mutex(State())
  /// Files that stay mapped when nobody uses them.
  private static let mostOpen = 1024

  /// Those of a store.
  init(of manifest: ActivationManifest, in folder: String) throws {
    (self.folder, self.manifest) = (folder, manifest)
    fingerprint = try manifest.fingerprint
  }

  /// A shard whose header was checked.
  ///
  /// - Throws: `FileError`, `SafetensorsError`, `DamagedShard`.
  func open(_ index: Int) throws -> Safetensors {
    if let file = state.withLock({ $0.open[index] }) { return file }
    let file = try read(index)
    state.withLock {
      if $0.open.count >= Self.mostOpen { $0.open = [:] }
      $0.open[index] = file
    }
    return file
  }

  /// Checks the header of a shard, and keeps nothing of it.
  ///
  /// - Throws: as `open`.
  func check(_ index: Int) throws { _ = try read(index) }

  private func read(_ index: Int) throws -> Safetensors {
    let file = try Safetensors(contentsOf: path(index))
    try check(file, index)
    return file
  }

  /// A shard that was compared with its checksum, the first time it was asked for.
  ///
  /// - Throws: As `open` and `verify`.
  func verified(_ index: Int) throws -> Safetensors {
    if !state.withLock({ $0.verified.contains(index) }) { try verify(index) }
    return try open(index)
  }

  /// Several shards, in their order, compared with their checksums side by side.
  ///
  /// - Throws: As `open` and `verify`.
  func verified(_ indices: [Int]) throws -> [Safetensors] {
    let new = state.withLock { state in indices.filter { !state.verified.contains($0) } }
    let problem = Mutex<(any Error)?>(nil)
    // Disjoint: each call reads a file of its own.
    Parallel.forEach(new.count) { index in
      do { try verify(new[index]) } catch { problem.withLock { $0 = error } }
    }
    if let problem = problem.withLock({ $0 }) { throw problem }
    return try indices.map(open)
  }

  /// Reads all of a shard and compares it with its checksum.
  ///
  /// - Throws: `DamagedShard`, and as `open`.
  func verify(_ index: Int) throws {
    let file = try open(index)
    let sum = String(file.checksum(), radix: 16)
    guard sum == file.metadata["crc32"] else {
      throw DamagedShard(
        path: path(index),
        reason: "has the checksum \(sum), but was written with \(file.metadata["crc32"] ?? "none")")
    }
    _ = try prompts(index)
    state.withLock { _ = $0.verified.insert(index) }
  }

  /// The pictures of a shard, compared with their checksum the first time; nil where they were not kept.
  ///
  /// - Throws: `DamagedShard`, and as `open`.
  func pictures(_ index: Int) throws -> Safetensors? {
    let path = ActivationStore.path(ofPicturesOfShard: index, in: folder)
    guard FileManager.default.fileExists(atPath: path) else { return nil }
    let file = try Safetensors(contentsOf: path)
    guard !state.withLock({ $0.verifiedPictures.contains(index) }) else { return file }
    // (Those that were kept before it was thought of tell nothing.)
    let facts = ActivationShard.identity(index, of: manifest, fingerprint, file.checksum())
    for (name, value) in facts.sorted(by: { $0.key < $1.key }) {
      guard file.metadata[name] ?? value == value else {
        throw DamagedShard(
          path: path, reason: "says '\(name)' \(file.metadata[name] ?? ""), but it is \(value)")
      }
    }
    state.withLock { _ = $0.verifiedPictures.insert(index) }
    return file
  }

  /// The prompts of a shard, in the order of its pictures.
  ///
  /// - Throws: `DamagedShard`, and as `open`.
  func prompts(_ index: Int) throws -> [String] {
    let count = manifest.pictures(ofShard: index).count
    let text = try open(index).metadata["prompts"] ?? ""
    guard let prompts = try? JSON.decode([String].self, from: Data(text.utf8)), prompts.count == count else {
      throw DamagedShard(path: path(index), reason: "does not tell its \(count) prompts")
    }
    return prompts
  }

  /// What rounding cost in a shard, by block; empty where it does not say.
  ///
  /// - Throws: As `open`.
  func rounding(_ index: Int) throws -> [String: RoundingError] {
    let text = try open(index).metadata["rounding"] ?? ""
    let all = (try? JSON.decode([String: RoundingError].self, from: Data(text.utf8))) ?? [:]
    return all.filter { $0.value.isPossible }
  }

  private func path(_ index: Int) -> String { "\(folder)/\(ActivationShard.fileName(index))" }

  /// Compares what a header says with the manifest.
  private func check(_ file: Safetensors, _ index: Int) throws {
    let path = path(index)
    let pictures = manifest.pictures(ofShard: index)
    guard file.metadata["store"] == fingerprint else {
      throw DamagedShard(
        path: path,
        reason: "belongs to the store \(file.metadata["store"] ?? "?"), not to this one, \(fingerprint)")
    }
    guard file.metadata["first"] == "\(pictures.lowerBound)" else {
      throw DamagedShard(
        path: path, reason: "begins with picture \(file.metadata["first"] ?? "?"), not \(pictures.lowerBound)"
      )
    }
    func check(_ name: String, _ type: ElementType, _ shape: Shape) throws {
      let entry = file.entry(name)
      guard entry?.shape == shape, entry?.type == type else {
        let found = entry.map { "\($0.type.rawValue) \($0.shape)" } ?? "missing"
        throw DamagedShard(
          path: path, reason: "has '\(name)' \(found), but it must be \(type.rawValue) \(shape)")
      }
    }
    for block in manifest.blocks {
      let vectors: Shape = [
        pictures.count, manifest.vectorSteps.steps.count, manifest.placesKept(of: block),
      ]
      try check(block.name, manifest.dtype.type, Shape(vectors.extents + [block.width]))
      if manifest.dtype.isScaled { try check("\(block.name).scale", .f32, vectors) }
      if manifest.places != nil { try check("\(block.name).places", .i32, vectors) }
    }
  }
}
