import SDLensCore

/// SAELens 6 and later: `cfg.json` and `sae_weights.safetensors` with `W_enc` [d, n], `b_enc` [n], `W_dec` [n, d],
/// `b_dec` [d]. Only its TopK architecture, which computes the same as this one.
///
/// Two of its options are folded into the weights. With `rescale_acts_by_decoder_norm`, with which it trains, the
/// largest are taken of `‖d‖ · (W_enc h + b_enc)`, and a code counts multiples of `d / ‖d‖`, where `d` is the feature's
/// row of `W_dec`; so `W_enc` and `b_enc` are multiplied by `‖d‖`, and `d` is divided by it. Without
/// `apply_b_dec_to_input`, `b_dec` is not taken off the input; so `W_enc b_dec` is added to `b_enc`.
enum SAELensLayout: WritableLayout {
  static let name = "saelens"
  static let files = ["cfg.json", "sae_weights.safetensors"]
  private static let weights = "sae_weights.safetensors"

  private struct Config: Encodable {
    var architecture = "topk"
    let k, dIn, dSae: Int
    var dtype = "float32"
    var device = "cpu"
    var applyBDecToInput = true
    var normalizeActivations = "none"
    var reshapeActivations = "none"
    var rescaleActsByDecoderNorm = false
    let metadata: Metadata
  }

  private struct Metadata: Encodable {
    let modelName, hookName: String?
  }

  static func read(_ folder: String) throws -> SavedAutoencoder {
    let config = try ConfigFile(folder + "/cfg.json")
    // Absent in the files of version 5 and before, where it meant another architecture.
    _ = try config.string("architecture")
    try config.require("architecture", "topk")
    try config.require("normalize_activations", "none")
    try config.require("reshape_activations", "none")
    let isCentred = try config.bool("apply_b_dec_to_input", default: true)
    let isRescaled = try config.bool("rescale_acts_by_decoder_norm", default: false)
    let (n, d) = (try config.int("d_sae"), try config.int("d_in"))
    var tensors = try TensorTable(safetensors: folder + "/" + weights)
    var saved = SavedAutoencoder(
      SparseAutoencoder(
        k: try config.k(features: n), encoder: try tensors.floats("W_enc", [n, d], transposed: true),
        decoder: try tensors.floats("W_dec", [n, d]), preBias: try tensors.floats("b_dec", [d]),
        latentBias: try tensors.floats("b_enc", [n])))
    try tensors.finish()
    saved.notes = tensors.notes
    if !isCentred { saved.autoencoder.foldMissingCentre() }
    if isRescaled {
      let silent = saved.autoencoder.foldDecoderNorms()
      if silent > 0 {
        saved.notes.append(
          "'\(folder)' has \(silent) features whose directions are zero; with rescale_acts_by_decoder_norm they are "
            + "never active")
      }
    }
    let sae = saved.autoencoder
    for (name, tensor) in [("W_enc", sae.encoder), ("W_dec", sae.decoder), ("b_enc", sae.latentBias)] {
      _ = try tensor.finite(name: name, path: tensors.path, after: "with its options folded in")
    }
    if case .object(let metadata)? = config["metadata"] {
      if case .string(let model)? = metadata["model_name"] { saved.model = model }
      if case .string(let hook)? = metadata["hook_name"] { saved.metadata["hook_name"] = hook }
    }
    try Companion.read(folder, weights: weights, into: &saved)
    return saved
  }

  static func write(_ saved: SavedAutoencoder, to folder: String) throws {
    let sae = saved.autoencoder
    try Safetensors.write(
      [
        ("W_dec", sae.decoder), ("W_enc", sae.encoder.matrixTransposed()), ("b_dec", sae.preBias),
        ("b_enc", sae.latentBias),
      ], to: folder + "/" + weights)
    try writeJSON(
      Config(
        k: try saved.k(for: Self.self), dIn: sae.width, dSae: sae.features,
        metadata: Metadata(
          modelName: saved.model, hookName: saved.metadata["hook_name"] ?? saved.block)),
      to: folder + "/cfg.json")
    try Companion.write(saved, weights: weights, to: folder)
  }
}

extension SparseAutoencoder {
  /// Makes `W_enc (h − b_pre) + b_act` of what was `W_enc h + b_act`.
  fileprivate mutating func foldMissingCentre() {
    for feature in 0..<features {
      let product = (0..<width).reduce(0) {
        $0 + Double(encoder[feature * width + $1]) * Double(preBias[$1])
      }
      latentBias[feature] = Float(Double(latentBias[feature]) + product)
    }
  }

  /// Gives every direction length 1 and its length to encoder and bias; returns how many are zero.
  fileprivate mutating func foldDecoderNorms() -> Int {
    var silent = 0
    for feature in 0..<features {
      let row = feature * width..<(feature + 1) * width
      let norm = row.reduce(0) { $0 + Double(decoder[$1]) * Double(decoder[$1]) }.squareRoot()
      silent += norm == 0 ? 1 : 0
      latentBias[feature] = Float(Double(latentBias[feature]) * norm)
      for index in row {
        encoder[index] = Float(Double(encoder[index]) * norm)
        if norm > 0 { decoder[index] = Float(Double(decoder[index]) / norm) }
      }
    }
    return silent
  }
}
