import Foundation
import SDLensCore

/// SAELens 6 and later: `cfg.json` and `sae_weights.safetensors` with `W_enc` [d, n], `b_enc` [n], `W_dec` [n, d],
/// `b_dec` [d], and of architectures with thresholds one of `threshold` [n], `log_threshold` [n] and `topk_threshold`.
///
/// Its `jumprelu` is also what it saves of `batchtopk` and `matryoshka_batchtopk`, whose own files are those of a training.
/// Its options are folded into the weights. With `rescale_acts_by_decoder_norm`, with which it trains, features are
/// chosen by `‖d‖ · (W_enc h + b_enc)`, and a code counts multiples of `d / ‖d‖`, where `d` is the feature's row of
/// `W_dec`; so `W_enc` and `b_enc` are multiplied by `‖d‖`, and `d` is divided by it. Without `apply_b_dec_to_input`,
/// `b_dec` is not taken off the input; so `W_enc b_dec` is added to `b_enc`. With `expected_average_only_in` vectors are
/// multiplied by a factor, which stands beside checkpoints in `activation_scaler.json`: `W_enc` is multiplied by it, and
/// `W_dec` and `b_dec` are divided. What it does to each vector by itself (`layer_norm`, `constant_norm_rescale`) cannot be
/// folded, and is refused.
enum SAELensLayout: WritableLayout {
  static let name = "saelens"
  static let files = ["cfg.json", "sae_weights.safetensors"]
  private static let weights = "sae_weights.safetensors"
  private static let scaler = "activation_scaler.json"

  private struct Config: Encodable {
    let architecture: String
    let k: Int?
    let dIn, dSae: Int
    var dtype = "float32"
    var device = "cpu"
    var applyBDecToInput = true
    var normalizeActivations = "none"
    var reshapeActivations = "none"
    let rescaleActsByDecoderNorm: Bool?
    let metadata: Metadata
  }

  private struct Metadata: Encodable {
    let modelName, hookName: String?
  }

  static func read(_ folder: String) throws -> SavedAutoencoder {
    let config = try ConfigFile(folder + "/cfg.json")
    // Absent in the files of version 5 and before, where it meant another architecture.
    let architecture = try config.string("architecture")
    try config.require("architecture", "topk", "jumprelu", "batchtopk", "matryoshka_batchtopk")
    try config.require("normalize_activations", "none", "expected_average_only_in")
    let isScaled = config["normalize_activations"] == "expected_average_only_in"
    let factor = isScaled ? try scalingFactor(folder, config) : 1
    try config.require("reshape_activations", "none")
    let isCentred = try config.bool("apply_b_dec_to_input", default: true)
    let isRescaled = try config.bool("rescale_acts_by_decoder_norm", default: false)
    let (n, d) = (try config.int("d_sae"), try config.int("d_in"))
    var tensors = try TensorTable(safetensors: folder + "/" + weights)
    let selection: Selection =
      architecture == "topk"
      ? .topK(try config.k(features: n))
      : .threshold(try thresholds(&tensors, features: n, over: isRescaled ? factor : 1))
    var saved = SavedAutoencoder(
      SparseAutoencoder(
        selection, encoder: try tensors.floats("W_enc", [n, d], transposed: true),
        decoder: try tensors.floats("W_dec", [n, d]), preBias: try tensors.floats("b_dec", [d]),
        latentBias: try tensors.floats("b_enc", [n])))
    try tensors.finish()
    saved.notes = tensors.notes
    if factor != 1 { saved.autoencoder.foldScale(factor) }
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
    try Sidecar.read(folder, weights: weights, into: &saved)
    return saved
  }

  /// By what a trained dictionary expects vectors to be multiplied.
  private static func scalingFactor(_ folder: String, _ config: ConfigFile) throws -> Double {
    let path = "\(folder)/\(scaler)"
    guard FileManager.default.fileExists(atPath: path) else {
      throw MalformedFile(
        path: config.path,
        reason:
          "says that 'normalize_activations' is \"expected_average_only_in\", but the factor is not there: "
          + "copy \(scaler) of the checkpoint beside it, or save the dictionary with sae-lens, which folds it in"
      )
    }
    let file = try ConfigFile(path)
    try file.require("has_whitening", false)
    let found: Double? =
      switch file["scaling_factor"] {
      case .double(let value)?: value
      case .int(let value)?: Double(value)
      default: nil
      }
    guard let found, found > 0, found.isFinite else {
      throw BadConfigValue(
        path: path, key: "scaling_factor", found: file["scaling_factor"], needed: "a number above 0")
    }
    return found
  }

  private static func thresholds(
    _ tensors: inout TensorTable, features: Int, over factor: Double
  ) throws -> [Float] {
    if tensors.contains("topk_threshold") {
      let threshold = Double(try tensors.floats("topk_threshold", [])[0]) / factor
      return Array(repeating: Float(threshold), count: features)
    }
    if tensors.contains("log_threshold") {
      return try tensors.floats("log_threshold", [features]).elements.map { Float(exp(Double($0)) / factor) }
    }
    return try tensors.floats("threshold", [features]).elements.map { Float(Double($0) / factor) }
  }

  static func write(_ saved: SavedAutoencoder, to folder: String) throws {
    let sae = saved.autoencoder
    try Safetensors.write(
      [
        ("W_dec", sae.decoder), ("W_enc", sae.encoder.matrixTransposed()), ("b_dec", sae.preBias),
        ("b_enc", sae.latentBias),
      ] + (sae.parameters.threshold.map { [("threshold", $0)] } ?? []), to: folder + "/" + weights)
    try writeJSON(
      Config(
        architecture: sae.k == nil ? "jumprelu" : "topk", k: sae.k, dIn: sae.width, dSae: sae.features,
        rescaleActsByDecoderNorm: sae.k == nil ? nil : false,
        metadata: Metadata(
          modelName: saved.model, hookName: saved.metadata["hook_name"] ?? saved.block)),
      to: folder + "/cfg.json")
    try Sidecar.write(saved, weights: weights, to: folder)
  }
}

extension SparseAutoencoder {
  /// Makes of a dictionary for vectors that were multiplied by a factor one for the vectors themselves.
  fileprivate mutating func foldScale(_ factor: Double) {
    encoder = Tensor(encoder.elements.map { Float(Double($0) * factor) }, encoder.shape)
    decoder = Tensor(decoder.elements.map { Float(Double($0) / factor) }, decoder.shape)
    preBias = Tensor(preBias.elements.map { Float(Double($0) / factor) }, preBias.shape)
  }

  /// Makes `W_enc (h − b_pre) + b_act` of what was `W_enc h + b_act`.
  mutating func foldMissingCentre() {
    let (encoder, preBias) = (encoder, preBias)
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
    var (encoder, decoder) = (encoder, decoder)
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
    (self.encoder, self.decoder) = (encoder, decoder)
    return silent
  }
}
