import SDLensCore
import SDLensSparse

/// What `info` says of a store of activations, after reading all of it.
struct StoreSummary: Encodable {
  private let store: ActivationStore
  /// What is wrong with shards that are there.
  let problems: [String]

  /// Opens a store and compares every shard with its checksum.
  init(_ folder: String, _ progress: Progress) throws {
    defer { progress.clear() }
    store = try ActivationStore(folder)
    progress.count(to: store.shards.count, unit: "shards")
    problems = (store.damaged + store.verify { _ in progress.advance("checking") }).map(\.description)
  }

  /// The summary, within 80 columns.
  var text: String {
    let manifest = store.manifest
    var blocks = Table(left: [0], [["Block", "Width", "Map", "Vectors", "Bytes"]])
    for block in manifest.blocks {
      let vectors = manifest.rows(of: block) * store.pictures
      blocks.add(
        block.name, "\(block.width)", "\(block.mapHeight) × \(block.mapWidth)", Units.grouped(vectors),
        Units.bytes(vectors * block.width * (manifest.dtype == .float16 ? 2 : 4)))
    }
    let missing =
      store.missing.isEmpty
      ? ""
      : "\nMissing    \(store.missing.count) of \(manifest.shards) shards; the same 'sdlens \(manifest.origin == nil ? "collect" : "import")' makes them"
    let damaged = problems.isEmpty ? "" : "\n\nDamaged\n" + problems.map { "  \($0)" }.joined(separator: "\n")
    return """
      \(store.folder)

      Model      \(manifest.model) \(manifest.modelFingerprint)
      Pictures   \(Units.grouped(store.pictures)) of \(Units.grouped(manifest.pictures)), \(manifest.width) × \(manifest.height) pixels
      Recorded   \(manifest.site), \(manifest.places.map { "\($0) places" } ?? "all places") of every map, as \(manifest.dtype.rawValue)
      Run        \(manifest.steps) step\(manifest.steps == 1 ? "" : "s"), guidance \(manifest.guidance), \(manifest.origin.map { "noise of \($0)" } ?? "seeds from \(manifest.seed)")
      Shards     \(store.shards.count) of \(manifest.shards), \(manifest.picturesPerShard) pictures each\(missing)

      \(blocks.text)\(damaged)
      """
  }

  private enum CodingKeys: String, CodingKey { case folder, manifest, pictures, missing, damaged }

  func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: CodingKeys.self)
    try values.encode(store.folder, forKey: .folder)
    try values.encode(store.manifest, forKey: .manifest)
    try values.encode(store.pictures, forKey: .pictures)
    try values.encode(store.missing, forKey: .missing)
    try values.encode(problems, forKey: .damaged)
  }
}
