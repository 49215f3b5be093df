import Foundation
import SDLensCore

/// A model, or its U-net alone, in one safetensors file: known by the names and shapes of its tensors, not by its own.
struct SingleFile: Sendable {
  /// The models of SDXL's kind whose settings come with the program.
  enum Kind: String, Sendable, CaseIterable {
    case sdxl = "SDXL"
    case ssd1B = "SSD-1B"
    case vega = "Segmind Vega"
  }

  /// The file.
  let weights: Safetensors
  /// Which model of the kind.
  let kind: Kind
  /// For each part that the file has, where its weights lie.
  let parts: [String: [String: WeightPlace]]
  /// Settings of the scheduler that the file tells by tensors without content, or in its metadata.
  let scheduler: [String: JSONValue]

  /// Opens a file; of the weights nothing is read.
  ///
  /// - Throws: `FileError` and `SafetensorsError`, `MalformedFile` and `NoModelFile` for what is no model that can be
  ///   run, and `DoubledWeight`.
  init(_ path: String) throws {
    weights = try Safetensors(contentsOf: path)
    parts = try Self.parts(of: weights, path)
    if let other = try Self.other(weights, parts, path) { throw MalformedFile(path: path, reason: other) }
    let unet = parts["unet"] ?? [:]
    func has(_ beginning: String) -> Bool { unet.keys.contains { $0.hasPrefix(beginning) } }
    kind =
      has("mid_block.attentions.")
      ? .sdxl
      : has("up_blocks.1.attentions.0.transformer_blocks.1.") ? .ssd1B : .vega
    var scheduler: [String: JSONValue] = [:]
    // By a tensor, or as https://github.com/Stability-AI/ModelSpec has it.
    let predicted = weights.metadata["modelspec.prediction_type"]?.lowercased()
    if weights.entry("v_pred") != nil || ["v", "v_prediction"].contains(predicted) {
      scheduler["prediction_type"] = "v_prediction"
    }
    if weights.entry("ztsnr") != nil {
      scheduler["rescale_betas_zero_snr"] = true
      scheduler["timestep_spacing"] = "trailing"
    }
    self.scheduler = scheduler
  }

  /// The beginnings of the names of a part's weights, and the names that follow.
  private static let layouts: [(beginning: String, part: String, names: OriginalNames?)] = [
    ("model.diffusion_model.", "unet", .unet), ("diffusion_model.", "unet", .unet), ("unet.", "unet", .unet),
    ("first_stage_model.", "vae", .autoencoder), ("vae.", "vae", .autoencoder),
    ("conditioner.embedders.0.transformer.", "text_encoder", nil),
    ("conditioner.embedders.1.model.", "text_encoder_2", .openCLIP),
  ]

  /// What trainings leave beside the weights of a part, and encoders of pictures, by the beginnings of their names.
  private static let leftovers = ["vae": ["loss.", "model_ema."], "text_encoder_2": ["visual."]]

  private static func parts(
    of file: Safetensors, _ path: String
  ) throws -> [String: [String: WeightPlace]] {
    var parts: [String: [String: WeightPlace]] = [:]
    func add(_ name: String, _ part: String, _ place: WeightPlace) throws {
      if let other = parts[part, default: [:]].updateValue(place, forKey: name) {
        throw DoubledWeight(path: path, weight: "\(part).\(name)", names: [other.name, place.name].sorted())
      }
    }
    for name in file.names {
      let layout = layouts.first { name.hasPrefix($0.beginning) }
      // A U-net alone has no beginning.
      guard let (part, names) = layout.map({ ($0.part, $0.names) }) ?? bareUNet(name) else { continue }
      let theirs = String(name.dropFirst(layout?.beginning.count ?? 0))
      if leftovers[part]?.contains(where: theirs.hasPrefix) == true { continue }
      let split = names == nil || part != "text_encoder_2" ? [] : OriginalNames.splitProjections(theirs)
      for (index, ours) in split.enumerated() { try add(ours, part, WeightPlace(name, .third(index))) }
      if split.isEmpty {
        let ours = names?.ours(theirs) ?? theirs
        try add(ours, part, WeightPlace(name, OriginalNames.form(of: ours, theirs)))
      }
    }
    return parts
  }

  private static func bareUNet(_ name: String) -> (String, OriginalNames?)? {
    let first = name.prefix { $0 != "." }
    return unetWords.contains(String(first)) ? ("unet", .unet) : nil
  }

  /// The first words of the names of a U-net, in both layouts.
  private static let unetWords: Set = [
    "time_embed", "label_emb", "input_blocks", "middle_block", "output_blocks", "out", "time_embedding",
    "add_embedding", "conv_in", "down_blocks", "mid_block", "up_blocks", "conv_norm_out", "conv_out",
  ]

  /// What a file is that is not of SDXL's kind, as the end of a sentence with what to do; nil for what is.
  ///
  /// - Throws: `NoModelFile` for what is of no known kind.
  private static func other(
    _ file: Safetensors, _ parts: [String: [String: WeightPlace]], _ path: String
  ) throws -> String? {
    let names = file.names
    func has(_ beginning: String) -> Bool { names.contains { $0.hasPrefix(beginning) } }
    func hasPart(_ text: String) -> Bool { names.contains { $0.contains(text) } }
    func shape(_ name: String) -> Shape? { parts["unet"]?[name].flatMap { file.entry($0.name)?.shape } }

    if LoRAFile.isLoRA(file) {
      return "is a LoRA, which changes a model; give it with --lora, and the model with --model"
    }
    if has("conditioner.embedders.0.model.") {
      return "is the refiner of SDXL, which goes on with pictures of another model; take the base model"
    }
    if has("cond_stage_model.transformer.") {
      return "is a model of Stable Diffusion 1; models of SDXL can be read"
    }
    if has("cond_stage_model.model.") {
      return "is a model of Stable Diffusion 2; models of SDXL can be read"
    }
    if hasPart("joint_blocks.") { return "is a model of Stable Diffusion 3; models of SDXL can be read" }
    if hasPart("double_blocks.") { return "is a model of the kind of Flux; models of SDXL can be read" }
    if has("control_model.") || has("controlnet_") || has("input_hint_block.") {
      return "is a ControlNet, which steers a model; models of SDXL can be read"
    }
    if names == ["clip_g", "clip_l"] || has("emb_params") {
      return "is a textual inversion, a made-up word for a model; models of SDXL can be read"
    }
    if file.entry("edm_mean") != nil || names.contains(where: { $0.hasPrefix("edm_vpred.") }) {
      return
        "is a model of the kind of Playground v2.5 or CosXL, whose noise is of another kind; models of SDXL can be read"
    }
    let scales = [".scale_weight", ".weight_scale"]
    if let scale = file.entry("scaled_fp8") != nil
      ? "scaled_fp8" : names.first(where: { name in scales.contains { name.hasSuffix($0) } })
    {
      return
        "holds 8-bit weights that are to be multiplied by scales ('\(scale)'); take the file in float16, or "
        + "one of plain 8-bit floats"
    }
    guard let input = shape("conv_in.weight") else {
      if !Set(names).isDisjoint(with: ["W_dec", "b_dec", "decoder.weight"]) {
        return "is a dictionary of features, not a model; give it with --sae"
      }
      guard has("decoder.") || parts["vae"] != nil else {
        throw NoModelFile(path: path, first: names.first ?? "")
      }
      return "is an autoencoder, which has no U-net; give it with --vae, and the model with --model"
    }
    if input.rank == 4, input[1] == 9 {
      return
        "is a model for inpainting, whose U-net also reads a mask (9 channels); take the model that it was made of"
    }
    if input.rank == 4, input[1] == 8 {
      return "is a model that edits pictures by instructions (8 channels); take the model that it was made of"
    }
    if shape("add_embedding.linear_1.weight") == nil {
      return "has the U-net of Stable Diffusion 1 or 2, which reads no sizes; models of SDXL can be read"
    }
    return nil
  }
}

/// A weight that a file holds under two names.
struct DoubledWeight: UserError {
  let path: String
  let weight: String
  let names: [String]
  var description: String {
    "'\(path)' holds the weight '\(weight)' twice, as '\(names[0])' and as '\(names[1])', and does not say which counts; "
      + "write it anew with the weights of one model"
  }
}

/// Tensors that are neither a model nor anything else that is known.
struct NoModelFile: UserError {
  let path: String
  let first: String
  var description: String {
    "'\(path)' has no U-net under the names of SDXL or of diffusers; the first name in it is '\(first)': give the file of a "
      + "model of SDXL"
  }
}
