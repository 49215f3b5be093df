import SDLensCore

/// SAELens 6 and later: `cfg.json` and `sae_weights.safetensors` with `W_enc` [d, n], `b_enc` [n], `W_dec` [n, d],
/// `b_dec` [d]. Only its TopK architecture, which computes the same as this one, and no option that changes it.
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
    try config.require("apply_b_dec_to_input", true)
    try config.require("normalize_activations", "none")
    try config.require("reshape_activations", "none")
    try config.require("rescale_acts_by_decoder_norm", false)
    let (n, d) = (try config.int("d_sae"), try config.int("d_in"))
    var tensors = try TensorTable(safetensors: folder + "/" + weights)
    var saved = SavedAutoencoder(
      SparseAutoencoder(
        k: try config.k(features: n), encoder: try tensors.floats("W_enc", [n, d], transposed: true),
        decoder: try tensors.floats("W_dec", [n, d]), preBias: try tensors.floats("b_dec", [d]),
        latentBias: try tensors.floats("b_enc", [n])))
    try tensors.finish()
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
        k: sae.k, dIn: sae.width, dSae: sae.features,
        metadata: Metadata(
          modelName: saved.model, hookName: saved.metadata["hook_name"] ?? saved.block)),
      to: folder + "/cfg.json")
    try Companion.write(saved, weights: weights, to: folder)
  }
}
