import SDLensCore

/// The format of this program: `sae.json` says what it is, `sae.safetensors` has the numbers.
///
/// Tensors, float32 (the parameters of a dictionary that `isHalf` in float16): `encoder` [n, d], `decoder` [n, d] (row ρ is the direction `f_ρ`), `pre_bias` [d],
/// `latent_bias` [n], where there is no `k` `threshold` [n], and where known `mean` [n], `deviation` [n] and
/// `last_active` (I64 [n]). `parity.vectors` [some, d] have the codes `parity.starts` (I64), `parity.indices` (I32) and
/// `parity.values`.
enum OwnLayout: WritableLayout {
  static let name = "sdlens"
  static let files = ["sae.json", "sae.safetensors"]

  private struct Config: Encodable {
    var format = "sdlens-sae"
    var version = 1
    let k: Int?
    let width, features: Int
    let l0: Double?
    let block, site, model, modelFingerprint: String?
    let order: Int?
    let steps: Int?
    let atSteps: [Int]?
  }

  static func read(_ folder: String) throws -> SavedAutoencoder {
    let config = try ConfigFile(folder + "/sae.json")
    guard try config.string("format") == "sdlens-sae" else {
      throw UnsupportedConfigValue(
        path: config.path, key: "format", found: config["format"] ?? .null, supported: ["sdlens-sae"])
    }
    _ = try config.int("version", in: 1...1)
    let (n, d) = (try config.int("features"), try config.int("width"))
    var tensors = try TensorTable(safetensors: folder + "/sae.safetensors")
    let selection: Selection =
      config["k"] == nil ? .threshold([]) : .topK(try config.k(features: n))
    var saved = SavedAutoencoder(
      SparseAutoencoder(
        try Parameters(features: n, width: d, selection) { try tensors.floats($0, $1) }, selection))
    try saved.takeStatistics(&tensors)
    try tensors.finish()
    saved.notes = tensors.notes
    saved.block = try config.text("block")
    saved.site = try config.text("site")
    saved.model = try config.text("model")
    saved.modelFingerprint = try config.text("model_fingerprint")
    saved.l0 = try config.l0()
    saved.order = config["order"] == nil ? nil : try config.int("order", in: 0...1 << 40)
    if config["steps"] != nil {
      let count = try config.int("steps", in: 1...1 << 16)
      let some = config["at_steps"] == nil ? nil : try config.ints("at_steps", in: 0...count - 1)
      if let some, VectorSteps.problem(some, of: count) != nil {
        throw BadConfigValue(
          path: config.path, key: "at_steps", found: config["at_steps"], needed: "ascending integers")
      }
      saved.steps = VectorSteps(some, of: count)
    }
    saved.metadata = tensors.metadata
    return saved
  }

  static func write(_ saved: SavedAutoencoder, to folder: String) throws {
    let sae = saved.autoencoder
    let parameters = try sae.parameters.list.map { item in
      try saved.isHalf ? Safetensors.Item(half: item.tensor, item.name) : .init(item.name, item.tensor)
    }
    try Safetensors.write(
      parameters + saved.statistics, metadata: saved.metadata, to: folder + "/sae.safetensors")
    try writeJSON(
      Config(
        k: sae.k, width: sae.width, features: sae.features, l0: saved.l0, block: saved.block,
        site: saved.site, model: saved.model, modelFingerprint: saved.modelFingerprint, order: saved.order,
        steps: saved.steps?.count,
        atSteps: saved.steps.flatMap { $0.areAll ? nil : $0.steps }),
      to: folder + "/sae.json")
  }
}

extension SavedAutoencoder {
  /// What is known of the features, and the parity case, as tensors of a file.
  var statistics: [Safetensors.Item] {
    let n = autoencoder.features
    return [
      lastActive.map { .init("last_active", $0, [n]) }, mean.map { .init("mean", $0) },
      deviation.map { .init("deviation", $0) },
    ].compactMap(\.self) + ((parity ?? ParityCase(of: autoencoder))?.items ?? [])
  }

  /// Takes what `statistics` wrote.
  mutating func takeStatistics(_ tensors: inout TensorTable) throws {
    let shape: Shape = [autoencoder.features]
    lastActive = tensors.contains("last_active") ? try tensors.integers("last_active", shape) : nil
    mean = tensors.contains("mean") ? try tensors.floats("mean", shape) : nil
    deviation = tensors.contains("deviation") ? try tensors.floats("deviation", shape) : nil
    parity = try ParityCase(&tensors, features: autoencoder.features, width: autoencoder.width)
    try parity?.check(autoencoder, path: tensors.path)
  }
}
