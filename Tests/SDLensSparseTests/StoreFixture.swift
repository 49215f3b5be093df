import SDLensCore
import SDLensSparse
import SDLensTestSupport

/// A small store with random vectors in a temporary folder.
struct StoreFixture {
  let folder: TemporaryFolder
  let manifest: ActivationManifest
  /// All vectors by block, [pictures, steps, places, width].
  let vectors: [String: Tensor]

  static let prompts = (0..<10).map { "picture \"\($0)\"" }

  /// - Parameter first: the vectors of down.2.1, in place of random ones.
  init(
    dtype: ActivationManifest.Format = .float32, places: Int? = nil, writing shards: [Int] = [0, 1, 2],
    first: Tensor? = nil
  ) throws {
    folder = try TemporaryFolder()
    manifest = ActivationManifest(
      model: "m", modelFingerprint: "f", site: "update",
      blocks: [
        .init(name: "down.2.1", width: 6, mapHeight: 2, mapWidth: 3),
        .init(name: "mid.0", width: 4, mapHeight: 1, mapWidth: 2),
      ], dtype: dtype, pictures: 10, picturesPerShard: 4, places: places, seed: 7, steps: 2, guidance: 0,
      height: 16, width: 24, prompts: "p")
    var vectors: [String: Tensor] = [:]
    for block in manifest.blocks {
      vectors[block.name] = .random([10, 2, manifest.placesKept(of: block), block.width], seed: block.width)
    }
    if let first { vectors["down.2.1"] = first.reshaped([10, 2, 6, 6]) }
    self.vectors = vectors
    try JSON.write(manifest, to: folder("manifest.json"))
    for shard in shards { try write(shard) }
  }

  func write(_ shard: Int) throws {
    let pictures = manifest.pictures(ofShard: shard)
    var parts: [String: ActivationShard.Part] = [:]
    for block in manifest.blocks {
      let kept = pictures.count * 2 * manifest.placesKept(of: block)
      parts[block.name] = .init(
        vectors: vectors[block.name]!.pictures(pictures),
        places: manifest.places.map { _ in (0..<Int32(kept)).map { $0 % 2 } })
    }
    try ActivationShard.write(
      shard, of: manifest, parts, prompts: Array(Self.prompts[pictures]), in: folder.path)
  }

  func store() throws -> ActivationStore { try ActivationStore(folder.path) }
}
