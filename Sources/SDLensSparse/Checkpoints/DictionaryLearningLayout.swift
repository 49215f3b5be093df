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
/// - `AutoEncoder` has ReLU alone, thresholds of 0; its `from_pretrained` gives directions length 1, and so does this.
///   `AutoEncoderNew` does not, and does not take the decoder's bias off the input.
/// - `GatedAutoEncoder`: see `SparseAutoencoder.init(gatedEncoder:…)`.
enum DictionaryLearningLayout: CheckpointLayout {
  static let name = "dictionary_learning"
  static let files = ["ae.pt", "config.json"]

  private enum Kind: String, CaseIterable {
    case topK = "AutoEncoderTopK"
    case batchTopK = "BatchTopKSAE"
    case matryoshka = "MatryoshkaBatchTopKSAE"
    case jumpReLU = "JumpReluAutoEncoder"
    case standard = "AutoEncoder"
    case uncentred = "AutoEncoderNew"
    case gated = "GatedAutoEncoder"

    /// Whether the matrices are those of linear layers, and not parameters `W_enc` and `W_dec`.
    var hasLayers: Bool { self != .matryoshka && self != .jumpReLU }
    var hasK: Bool { [.topK, .batchTopK, .matryoshka].contains(self) }
    var encoder: String { hasLayers ? "encoder.weight" : "W_enc" }
    var decoder: String { hasLayers ? "decoder.weight" : "W_dec" }
    var latentBias: String { self == .gated ? "mag_bias" : hasLayers ? "encoder.bias" : "b_enc" }
    var preBias: String {
      switch self {
      case .standard: "bias"
      case .uncentred: "decoder.bias"
      case .gated: "decoder_bias"
      default: "b_dec"
      }
    }
    /// The tensors by which its dictionary is found in a file.
    var names: [String] {
      [encoder, decoder, latentBias, preBias] + (self == .jumpReLU ? ["threshold"] : [])
    }
  }

  static func read(_ folder: String) throws -> SavedAutoencoder {
    let config = try ConfigFile(folder + "/config.json")
    guard let trainer = try config.section("trainer") else {
      throw BadConfigValue(path: config.path, key: "trainer", found: nil, needed: "an object of settings")
    }
    let kind: Kind = try trainer.choice("dict_class")
    let (n, d) = (try trainer.int("dict_size"), try trainer.int("activation_dim"))
    var tensors = try TensorTable(torch: folder + "/ae.pt", needing: kind.names)
    let encoder = try tensors.floats(kind.encoder, [n, d], transposed: !kind.hasLayers)
    let decoder = try tensors.floats(kind.decoder, [n, d], transposed: kind.hasLayers)
    let (preBias, latentBias) = (
      try tensors.floats(kind.preBias, [d]), try tensors.floats(kind.latentBias, [n])
    )
    var saved: SavedAutoencoder
    var notes: [String] = []
    if kind == .gated {
      saved = SavedAutoencoder(
        SparseAutoencoder(
          gatedEncoder: encoder, scales: try tensors.floats("r_mag", [n]),
          gates: try tensors.floats("gate_bias", [n]), magnitudes: latentBias, decoder: decoder,
          preBias: preBias))
    } else {
      let k = kind.hasK ? try k(&tensors, trainer, features: n) : nil
      // TopK had none at first.
      let threshold =
        kind.hasK && (kind != .topK || tensors.contains("threshold"))
        ? try tensors.floats("threshold", single("threshold", tensors))[0] : nil
      let selection: Selection =
        switch kind {
        case .topK: .topK(k!)
        case .jumpReLU: .threshold(try tensors.floats("threshold", [n]).elements)
        default: .threshold(Array(repeating: threshold ?? 0, count: n))
        }
      saved = SavedAutoencoder(
        SparseAutoencoder(
          selection, encoder: encoder, decoder: decoder, preBias: preBias, latentBias: latentBias))
      saved.metadata["threshold"] = threshold.map { "\($0)" }
      if let threshold, threshold < 0, kind != .topK {
        notes.append(
          "'\(tensors.path)' has threshold \(threshold), which its training has not learnt yet: all "
            + "pre-activations above 0 are active")
      }
    }
    if kind == .matryoshka {
      let sizes = try tensors.integers("group_sizes", try tensors.shape("group_sizes"))
      saved.metadata["group_sizes"] = sizes.map { "\($0)" }.joined(separator: " ")
    }
    try tensors.finish()
    saved.notes = tensors.notes + notes
    if kind == .jumpReLU || kind == .uncentred { saved.autoencoder.foldMissingCentre() }
    if kind == .standard, !saved.autoencoder.hasUnitDirections { _ = saved.autoencoder.foldDecoderNorms() }
    for item in saved.autoencoder.parameters.list {
      _ = try item.tensor.finite(name: item.name, path: tensors.path, after: "with its options folded in")
    }
    if case .string(let model)? = trainer["lm_name"] { saved.model = model }
    if case .string(let module)? = trainer["submodule_name"] { saved.metadata["submodule_name"] = module }
    return saved
  }

  /// The shape of a number by itself, or in a list of one.
  private static func single(_ name: String, _ tensors: TensorTable) throws -> Shape {
    try tensors.shape(name) == [1] ? [1] : []
  }

  /// The number of active features, about which the file, if it has it, and its settings must agree.
  private static func k(
    _ tensors: inout TensorTable, _ trainer: ConfigFile, features: Int
  ) throws -> Int {
    // The first versions had it in the settings alone.
    let wanted = try trainer.int("k", in: 1...features)
    guard tensors.contains("k") else { return wanted }
    let k = Int(try tensors.integers("k", single("k", tensors))[0])
    guard wanted == k else {
      throw MalformedFile(
        path: tensors.path, reason: "has k = \(k), but the config.json beside it has \(wanted)")
    }
    return k
  }
}
