import SDLensCore
import SDLensDiffusion
import SDLensSparse

/// What `info` says of a store of activations, after reading all of it.
public struct StoreSummary: Encodable {
  private let store: ActivationStore
  /// What is wrong with shards that are there.
  public let problems: [String]
  private let repair: StoreRepair
  private let model: ModelFolder?
  /// What rounding cost, by block; of blocks where the shards say it.
  private let rounding: [String: RoundingError]

  /// Opens a store and compares every shard with its checksum.
  ///
  /// - Parameter model: the one that may have recorded it.
  public init(_ folder: String, _ model: ModelFolder?, _ progress: any MetricProgress) throws {
    self.model = model
    defer { progress.clear() }
    store = try ActivationStore(folder)
    progress.count(to: store.shards.count, unit: "shards")
    let found = store.damaged + store.verify { _ in progress.advance("checking", by: 1) }
    rounding = try store.rounding()
    problems = found.map(\.description)
    repair = StoreRepair(store, problems: found)
  }

  /// The summary, within 80 columns.
  public var text: String {
    let manifest = store.manifest
    var blocks = Table(
      left: [0], [["Block", "Width", "Map", "Vectors", "Bytes", rounding.isEmpty ? "" : "Rounding"]])
    for block in manifest.blocks {
      let vectors = manifest.rows(of: block) * store.pictures
      blocks.add(
        block.name, "\(block.width)", "\(block.mapHeight) × \(block.mapWidth)", Units.grouped(vectors),
        Units.bytes(vectors * block.width * manifest.numberSize),
        rounding[block.name].map { "\(Units.rounded($0.rootMeanSquare * 100)) %" } ?? "")
    }
    let steps = manifest.vectorSteps
    let recorded =
      steps.areAll ? "" : ", of which \(steps) \(steps.steps.count == 1 ? "is" : "are") recorded"
    let options = manifest.modelOptions.map { "\nWith       \($0.joined(separator: " "))" } ?? ""
    let missing =
      store.missing.isEmpty
      ? ""
      : "\nMissing    \(store.missing.count) of \(manifest.shards) shards: \(StoreRepair.ranges(store.missing))"
    let damaged = problems.isEmpty ? "" : "\n\nDamaged\n" + problems.map { "  \($0)" }.joined(separator: "\n")
    let doubled =
      repair.doubled.isEmpty
      ? "" : "\nDoubled    \(repair.doubled.joined(separator: ", ")): not read; delete what is not needed"
    let unfinished =
      repair.unfinished.isEmpty
      ? ""
      : "\nUnfinished \(repair.unfinished.count) files that are being written, or whose writers were killed"
    return """
      \(store.folder)

      Model      \(manifest.model) \(manifest.modelFingerprint)\(options)
      Pictures   \(Units.grouped(store.pictures)) of \(Units.grouped(manifest.pictures)), \(manifest.width) × \(manifest.height) pixels
      Recorded   \(manifest.site), \(manifest.places.map { "\($0) places" } ?? "all places") of every map, as \(manifest.dtype.rawValue)
      Run        \(manifest.steps) step\(manifest.steps == 1 ? "" : "s")\(recorded), guidance \(manifest.guidance), \(manifest.origin.map { "noise of \($0)" } ?? "seeds from \(manifest.seed)")
      Shards     \(store.shards.count) of \(manifest.shards), \(manifest.picturesPerShard) pictures each\(missing)\(doubled)\(unfinished)

      \(blocks.text)\(damaged)\(mending)
      """
  }

  /// How the store becomes whole; empty where it is.
  private var mending: String {
    guard !(repair.missing.isEmpty && repair.damaged.isEmpty) else { return "" }
    let again = "the 'sdlens \(store.manifest.origin == nil ? "collect" : "import")' that began it"
    let steps = [repair.removal, repair.command(model) ?? again].compactMap(\.self) + array
    return "\n\nTo make it whole\n" + steps.map { "  \($0)" }.joined(separator: "\n")
  }

  private var array: [String] { repair.array(model).map { ["or on a cluster:", $0] } ?? [] }

  private enum CodingKeys: String, CodingKey {
    case folder, manifest, pictures, rounding, missing, damaged, doubled, unfinished, commands
  }

  /// The facts, and the commands that make it whole.
  public func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: CodingKeys.self)
    try values.encode(store.folder, forKey: .folder)
    try values.encode(store.manifest, forKey: .manifest)
    try values.encode(store.pictures, forKey: .pictures)
    try values.encode(rounding, forKey: .rounding)
    try values.encode(store.missing, forKey: .missing)
    try values.encode(problems, forKey: .damaged)
    try values.encode(repair.doubled, forKey: .doubled)
    try values.encode(repair.unfinished, forKey: .unfinished)
    try values.encode([repair.removal, repair.command(model)].compactMap(\.self), forKey: .commands)
  }
}
