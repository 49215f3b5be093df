import Foundation
import SDLensCore

/// SAELens: `cfg.json` and `sae_weights.safetensors` with `W_enc` [d, n], `b_enc` [n], `W_dec` [n, d], `b_dec` [d], and of
/// architectures with thresholds one of `threshold` [n], `log_threshold` [n] and `topk_threshold`; of gates `b_gate`, `b_mag`
/// and `r_mag` [n] in place of `b_enc`. `standard` has ReLU alone: thresholds of 0. Settings of versions before 6 are read as
/// version 6 reads them.
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
    /// From which on SAELens heeds both names.
    let saeLensVersion = "6.0.0"
  }

  static func read(_ folder: String) throws -> SavedAutoencoder {
    let config = try current(ConfigFile(folder + "/cfg.json"))
    let architecture = try config.string("architecture")
    try config.require(
      "architecture", "standard", "topk", "jumprelu", "gated", "batchtopk", "matryoshka_batchtopk")
    try config.require("normalize_activations", "none", "expected_average_only_in")
    let isScaled = config["normalize_activations"] == "expected_average_only_in"
    let factor = isScaled ? try scalingFactor(folder, config) : 1
    try config.require("reshape_activations", "none")
    let isCentred = try config.bool("apply_b_dec_to_input", default: true)
    let isRescaled = try config.bool("rescale_acts_by_decoder_norm", default: false)
    let (n, d) = (try config.int("d_sae"), try config.int("d_in"))
    var tensors = try TensorTable(safetensors: folder + "/" + weights)
    let encoder = try tensors.floats("W_enc", [n, d], transposed: true)
    let (decoder, preBias) = (try tensors.floats("W_dec", [n, d]), try tensors.floats("b_dec", [d]))
    var saved: SavedAutoencoder
    if architecture == "gated" {
      saved = SavedAutoencoder(
        SparseAutoencoder(
          gatedEncoder: encoder, scales: try tensors.floats("r_mag", [n]),
          gates: try tensors.floats("b_gate", [n]), magnitudes: try tensors.floats("b_mag", [n]),
          decoder: decoder, preBias: preBias))
    } else {
      let selection: Selection =
        switch architecture {
        case "topk": .topK(try config.k(features: n))
        case "standard": .threshold(Array(repeating: 0, count: n))
        default: .threshold(try thresholds(&tensors, features: n, over: isRescaled ? factor : 1))
        }
      saved = SavedAutoencoder(
        SparseAutoencoder(
          selection, encoder: encoder, decoder: decoder, preBias: preBias,
          latentBias: try tensors.floats("b_enc", [n])))
    }
    // Versions before 6 wrote it also where nothing had been tuned; SAELens passes over those that are 1.
    if tensors.contains("scaling_factor") {
      let found = try tensors.floats("scaling_factor", [n]).elements
      guard found.allSatisfy({ abs($0 - 1) <= 1.001e-5 }) else {
        throw MalformedFile(
          path: tensors.path,
          reason:
            "has a 'scaling_factor' other than 1, which SAELens 6 does not apply; fold it into W_dec, or load and "
            + "save the dictionary with the version that wrote it")
      }
    }
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
    let folded = [("W_enc", sae.encoder), ("W_dec", sae.decoder), ("b_enc", sae.latentBias)]
    for (name, tensor) in folded + (sae.parameters.threshold.map { [("threshold", $0)] } ?? []) {
      _ = try tensor.finite(name: name, path: tensors.path, after: "with its options folded in")
    }
    if case .object(let metadata)? = config["metadata"] {
      if case .string(let model)? = metadata["model_name"] { saved.model = model }
      if case .string(let hook)? = metadata["hook_name"] { saved.metadata["hook_name"] = hook }
    }
    try Sidecar.read(folder, weights: weights, into: &saved)
    return saved
  }

  /// The settings as version 6 has them, whichever version wrote them (`handle_config_defaulting` there).
  private static func current(_ config: ConfigFile) throws -> ConfigFile {
    let metadata = try config.section("metadata")
    let version = try config.string(
      "sae_lens_version", default: metadata?.string("sae_lens_version", default: "") ?? "")
    guard (version.split(separator: ".").first.flatMap { Int($0) } ?? 0) < 6 else { return config }
    let function = config["activation_fn"] ?? config["activation_fn_str"] ?? "relu"
    var values: [String: JSONValue] = ["architecture": config["architecture"] ?? "standard"]
    if function == "topk" || values["architecture"] == "topk",
      let k = try config.section("activation_fn_kwargs")?["k"] ?? config["k"]
    {
      values["architecture"] = "topk"
      values["k"] = k
    } else if function != "relu", values["architecture"] != "topk" {
      throw UnsupportedConfigValue(
        path: config.path, key: "activation_fn", found: function, supported: ["relu", "topk"])
    }
    if case .bool(let isScaled)? = config["normalize_activations"] {
      values["normalize_activations"] = isScaled ? "expected_average_only_in" : "none"
    }
    let hook = config["hook_name"] ?? config["hook_point"]
    if case .string(let name)? = hook, name.contains("hook_z"), config["reshape_activations"] == nil {
      values["reshape_activations"] = "hook_z"
    }
    if metadata == nil {
      values["metadata"] = .object(
        ["hook_name": hook, "model_name": config["model_name"]].compactMapValues(\.self))
    }
    return config.replacing(values)
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
    guard let found = file["scaling_factor"]?.number, found > 0 else {
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
