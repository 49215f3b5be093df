import Foundation
import SDLensCore
import SDLensSparse

/// The folder of a store that is being filled, shard by shard.
struct StoreFolder {
  let path: String
  let manifest: ActivationManifest

  /// Prepares the folder: writes the manifest, or checks that the one there is of the same job.
  ///
  /// - Parameters:
  ///   - bytes: what `count` pictures will take.
  ///   - advice: how the store could be smaller.
  /// - Throws: `FileError`, `OtherStore` with the setting that differs, `FolderInUse`, `StoreTooLarge`.
  func open(_ part: ShardSelection, bytes: (_ count: Int) -> Int, advice: String) throws {
    let file = "\(path)/manifest.json"
    AtomicFile.removeAbandoned(in: path)
    let isBegun = FileManager.default.fileExists(atPath: file)
    if isBegun {
      let present = try ActivationManifest(storeAt: path)
      if let difference = present.difference(from: manifest) { throw OtherStore(path: path, difference) }
    } else {
      let contents = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
      guard contents.isEmpty else { throw FolderInUse(path: path) }
      try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }
    let needed = todo(part).reduce(0) { $0 + bytes(manifest.pictures(ofShard: $1).count) }
    let free = Disk.free(at: path)
    guard needed <= free else { throw StoreTooLarge(needed: needed, free: free, advice: advice) }
    if !isBegun { try JSON.write(manifest, to: file) }
  }

  /// The shards of a part that are not there yet.
  func todo(_ part: ShardSelection) -> [Int] {
    (0..<manifest.shards).filter {
      part.contains($0)
        && !FileManager.default.fileExists(atPath: ActivationStore.path(ofShard: $0, in: path))
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
