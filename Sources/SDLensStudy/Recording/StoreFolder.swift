import Foundation
import SDLensCore
import SDLensSparse

/// The folder of a store that is being filled, shard by shard.
struct StoreFolder {
  let path: String
  let manifest: ActivationManifest

  /// Prepares the folder: writes the manifest, or checks that the one there is of the same job.
  ///
  /// Of processes that begin a store at once the first one writes it, and the others find it.
  ///
  /// - Parameters:
  ///   - bytes: what `count` pictures will take.
  ///   - advice: how the store could be smaller.
  /// - Throws: `FileError`, `OtherStore` with the setting that differs, `FolderInUse`, `StoreTooLarge`,
  ///   `DamagedShard` for the first that cannot be read, and `MalformedFile` for sizes that no store can have.
  func open(_ part: ShardSelection, bytes: (_ count: Int) -> Int, advice: String) throws {
    let file = "\(path)/manifest.json"
    try manifest.check(at: file)
    let isBegun = try isBegun(file)
    if isBegun, let shard = try ActivationStore(path).damaged.first { throw shard.toBeMadeAgain }
    if !isBegun { try AtomicFolder.makeAll(path) }
    let needed = todo(part).reduce(0) { $0 + bytes(manifest.pictures(ofShard: $1).count) }
    let free = Disk.free(at: path)
    guard needed <= free else { throw StoreTooLarge(needed: needed, free: free, advice: advice) }
    if !isBegun {
      let text = try JSON.text(manifest)
      if try !AtomicFile.create(file, { try $0.append(Array(text)) }) { _ = try self.isBegun(file) }
    }
  }

  /// Refuses a folder in which the job could not go on.
  ///
  /// - Throws: as `open` does.
  func check() throws {
    let file = "\(path)/manifest.json"
    try manifest.check(at: file)
    _ = try isBegun(file)
  }

  /// Whether the manifest is there; it must be this one, and without it nobody's files may be but its shards.
  private func isBegun(_ file: String) throws -> Bool {
    if !FileManager.default.fileExists(atPath: file) {
      let names = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
      let isFree = ActivationStore.areShards(
        names.filter { !AtomicFile.isUnfinished($0) }, of: manifest, in: path)
      // Another process may have written it since the first look.
      guard FileManager.default.fileExists(atPath: file) else {
        guard isFree else { throw FolderInUse(path: path) }
        return false
      }
    }
    let present = try ActivationManifest(storeAt: path)
    if let difference = present.difference(from: manifest) { throw OtherStore(path: path, difference) }
    return true
  }

  /// The shards of a part that are not there yet, or whose pictures are not.
  func todo(_ part: ShardSelection, withPictures: Bool = false) -> [Int] {
    let present = ActivationStore.presentShards(of: manifest, in: path)
    func hasPictures(_ shard: Int) -> Bool {
      FileManager.default.fileExists(atPath: ActivationStore.path(ofPicturesOfShard: shard, in: path))
    }
    return (0..<manifest.shards).filter {
      part.contains($0) && !(present.contains($0) && (!withPictures || hasPictures($0)))
    }
  }

  /// As many pictures as fill about 128 MB, so that a stop loses little and a million pictures are not a
  /// million files; a multiple of 16 between 16 and 256.
  static func picturesPerShard(_ blocks: [ActivationManifest.Block], steps: Int, places: Int?) -> Int {
    let bytes =
      blocks.reduce(0) { $0 + min(places ?? .max, $1.mapHeight * $1.mapWidth) * $1.width * 2 } * steps
    return min(256, max(16, (128 << 20) / max(1, bytes) / 16 * 16))
  }
}
