import SDLensCore

/// dictionary_learning: `ae.pt`, the state of an `AutoEncoderTopK`, and `config.json` with the trainer's settings.
/// Read only.
///
/// Its `encode` takes the largest k, as here, unless it is called with `use_threshold=True`; then it takes all
/// above `threshold` instead. That number is kept in the metadata and not used. Its `BatchTopKSAE`, which uses the
/// threshold by default, has the same tensors, so the class is read from `config.json`.
enum DictionaryLearningLayout: CheckpointLayout {
  static let name = "dictionary_learning"
  static let files = ["ae.pt", "config.json"]

  static func read(_ folder: String) throws -> SavedAutoencoder {
    let config = try ConfigFile(folder + "/config.json")
    guard case .object(let trainer)? = config["trainer"] else {
      throw BadConfigValue(
        path: config.path, key: "trainer", found: config["trainer"], needed: "an object of settings")
    }
    guard trainer["dict_class"] == "AutoEncoderTopK" else {
      throw UnsupportedConfigValue(
        path: config.path, key: "trainer.dict_class", found: trainer["dict_class"] ?? .null,
        supported: ["AutoEncoderTopK"])
    }
    func size(_ key: String) throws -> Int {
      guard case .int(let value)? = trainer[key], ConfigFile.sizes ~= value else {
        throw BadConfigValue(
          path: config.path, key: "trainer." + key, found: trainer[key],
          needed: "an integer from 1 to \(ConfigFile.sizes.upperBound)")
      }
      return value
    }
    let (n, d) = (try size("dict_size"), try size("activation_dim"))
    var tensors = try TensorTable(
      torch: folder + "/ae.pt",
      needing: ["encoder.weight", "decoder.weight", "encoder.bias", "b_dec", "k"])
    let k = Int(try tensors.integers("k", [])[0])
    guard 1...n ~= k else {
      throw MalformedFile(path: tensors.path, reason: "has k = \(k), but it must be from 1 to \(n)")
    }
    guard try size("k") == k else {
      throw MalformedFile(
        path: tensors.path, reason: "has k = \(k), but the config.json beside it has \(try size("k"))")
    }
    var saved = SavedAutoencoder(
      SparseAutoencoder(
        k: k, encoder: try tensors.floats("encoder.weight", [n, d]),
        decoder: try tensors.floats("decoder.weight", [n, d], transposed: true),
        preBias: try tensors.floats("b_dec", [d]), latentBias: try tensors.floats("encoder.bias", [n])))
    if tensors.contains("threshold") {
      saved.metadata["threshold"] = "\(try tensors.floats("threshold", [])[0])"
    }
    try tensors.finish()
    saved.notes = tensors.notes
    if case .string(let model)? = trainer["lm_name"] { saved.model = model }
    if case .string(let module)? = trainer["submodule_name"] { saved.metadata["submodule_name"] = module }
    return saved
  }
}
