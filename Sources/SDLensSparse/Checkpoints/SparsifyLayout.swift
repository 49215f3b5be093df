import SDLensCore

/// sparsify, and SAeUron after it: `cfg.json` and `sae.safetensors` with `encoder.weight` [n, d], `encoder.bias`
/// [n], `W_dec` [n, d], `b_dec` [d].
///
/// It takes the ReLU before TopK, which leaves the same positive values. `multi_topk` adds a term to the loss and
/// changes no code.
enum SparsifyLayout: WritableLayout {
  static let name = "sparsify"
  static let files = ["cfg.json", "sae.safetensors"]
  private static let weights = "sae.safetensors"

  private struct Config: Encodable {
    var activation = "topk"
    let expansionFactor: Int
    var normalizeDecoder = true
    let numLatents, k: Int
    let multiTopk: Bool
    var skipConnection = false
    var transcode = false
    let dIn: Int
  }

  static func read(_ folder: String) throws -> SavedAutoencoder {
    let config = try ConfigFile(folder + "/cfg.json")
    try config.require("activation", "topk")
    // The second line is SAeUron's, the third that of other versions.
    for option in [
      "transcode", "skip_connection",
      "batch_topk", "sample_topk", "input_unit_norm",
      "signed", "embed_skip", "gram_lookup",
    ] { try config.require(option, false) }
    let d = try config.int("d_in")
    let latents = try config.int("num_latents", in: 0...ConfigFile.sizes.upperBound, default: 0)
    let n = latents > 0 ? latents : d * (try config.int("expansion_factor"))
    var tensors = try TensorTable(safetensors: folder + "/" + weights)
    var saved = SavedAutoencoder(
      SparseAutoencoder(
        k: try config.k(features: n), encoder: try tensors.floats("encoder.weight", [n, d]),
        decoder: try tensors.floats("W_dec", [n, d]), preBias: try tensors.floats("b_dec", [d]),
        latentBias: try tensors.floats("encoder.bias", [n])))
    try tensors.finish()
    saved.notes = tensors.notes
    if try config.bool("multi_topk", default: false) { saved.metadata["multi_topk"] = "true" }
    try Sidecar.read(folder, weights: weights, into: &saved)
    return saved
  }

  static func write(_ saved: SavedAutoencoder, to folder: String) throws {
    let (sae, k) = (saved.autoencoder, try saved.k(for: Self.self))
    try Safetensors.write(
      [
        ("W_dec", sae.decoder), ("b_dec", sae.preBias), ("encoder.bias", sae.latentBias),
        ("encoder.weight", sae.encoder),
      ], to: folder + "/" + weights)
    try writeJSON(
      Config(
        expansionFactor: max(1, sae.features / sae.width), numLatents: sae.features, k: k,
        multiTopk: saved.metadata["multi_topk"] == "true", dIn: sae.width), to: folder + "/cfg.json")
    try Sidecar.write(saved, weights: weights, to: folder)
  }
}
