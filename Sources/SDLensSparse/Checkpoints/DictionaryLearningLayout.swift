import SDLensCore

/// dictionary_learning: `ae.pt`, the state of a dictionary, and `config.json` with the trainer's settings, which name its
/// class. Read only.
///
/// - `AutoEncoderTopK` takes the largest k, as here, unless its `encode` is called with `use_threshold=True`; then it takes
///   all above `threshold` instead. That number is kept in the metadata and not used.
/// - `BatchTopKSAE` has the same tensors and takes all above `threshold`, unless told otherwise; a threshold of −1 was
///   never learnt, and all above 0 are taken.
/// - `MatryoshkaBatchTopKSAE` takes the same; the sizes of its groups change nothing in what all of them compute.
/// - `JumpReluAutoEncoder` has a threshold for each feature, and does not take `b_dec` off the input.
enum DictionaryLearningLayout: CheckpointLayout {
  static let name = "dictionary_learning"
  static let files = ["ae.pt", "config.json"]

  /// Classes, and whether their matrices are parameters `W_enc` and `W_dec`, or those of linear layers.
  private static let classes: [(name: String, hasLayers: Bool)] = [
    ("AutoEncoderTopK", true), ("BatchTopKSAE", true), ("MatryoshkaBatchTopKSAE", false),
    ("JumpReluAutoEncoder", false),
  ]

  static func read(_ folder: String) throws -> SavedAutoencoder {
    let config = try ConfigFile(folder + "/config.json")
    guard case .object(let trainer)? = config["trainer"] else {
      throw BadConfigValue(
        path: config.path, key: "trainer", found: config["trainer"], needed: "an object of settings")
    }
    guard let (kind, hasLayers) = classes.first(where: { trainer["dict_class"] == .string($0.name) }) else {
      throw UnsupportedConfigValue(
        path: config.path, key: "trainer.dict_class", found: trainer["dict_class"] ?? .null,
        supported: classes.map { .string($0.name) })
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
    let isJump = kind == "JumpReluAutoEncoder"
    let names =
      hasLayers ? ["encoder.weight", "decoder.weight", "encoder.bias"] : ["W_enc", "W_dec", "b_enc"]
    var tensors = try TensorTable(
      torch: folder + "/ae.pt", needing: names + ["b_dec", isJump ? "threshold" : "k"])
    let k = isJump ? nil : Int(try tensors.integers("k", [])[0])
    if let k {
      guard 1...n ~= k else {
        throw MalformedFile(path: tensors.path, reason: "has k = \(k), but it must be from 1 to \(n)")
      }
      guard try size("k") == k else {
        throw MalformedFile(
          path: tensors.path, reason: "has k = \(k), but the config.json beside it has \(try size("k"))")
      }
    }
    let threshold =
      isJump || tensors.contains("threshold") || kind != "AutoEncoderTopK"
      ? try tensors.floats("threshold", isJump ? [n] : []).elements : nil
    let selection: Selection =
      switch kind {
      case "AutoEncoderTopK": .topK(k!)
      case "JumpReluAutoEncoder": .threshold(threshold!)
      default: .threshold(Array(repeating: threshold![0], count: n))
      }
    var saved = SavedAutoencoder(
      SparseAutoencoder(
        selection, encoder: try tensors.floats(names[0], [n, d], transposed: !hasLayers),
        decoder: try tensors.floats(names[1], [n, d], transposed: hasLayers),
        preBias: try tensors.floats("b_dec", [d]), latentBias: try tensors.floats(names[2], [n])))
    if kind == "MatryoshkaBatchTopKSAE" {
      let sizes = try tensors.integers("group_sizes", try tensors.shape("group_sizes"))
      saved.metadata["group_sizes"] = sizes.map { "\($0)" }.joined(separator: " ")
    }
    try tensors.finish()
    saved.notes = tensors.notes
    if isJump {
      saved.autoencoder.foldMissingCentre()
      _ = try saved.autoencoder.latentBias.finite(
        name: names[2], path: tensors.path, after: "with b_dec folded in")
    } else if let threshold {
      saved.metadata["threshold"] = "\(threshold[0])"
      if kind != "AutoEncoderTopK", threshold[0] < 0 {
        saved.notes.append(
          "'\(tensors.path)' has threshold \(threshold[0]), which its training has not learnt yet: all "
            + "pre-activations above 0 are active")
      }
    }
    if case .string(let model)? = trainer["lm_name"] { saved.model = model }
    if case .string(let module)? = trainer["submodule_name"] { saved.metadata["submodule_name"] = module }
    return saved
  }
}
