import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensTestSupport
import Testing

/// What a model folder may not hold; the messages are compared word for word.
@Suite struct ModelRefusalTests {
  let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
    try TinyModel.copy(to: folder)
  }

  /// What is said when the copy is read; the folder's path is left out.
  private func refusal() -> String {
    errorMessage { try Pipeline(ModelFolder(folder.path)) }.replacing("'\(folder.path)/", with: "'")
      .replacing("'\(folder.path)'", with: "'MODEL'")
  }

  private func refusal(of json: String, as key: String, in file: String) throws -> String {
    try TinyModel.set(key, to: json, in: file, of: folder)
    return refusal()
  }

  @Test func theModelItselfIsAccepted() throws {
    #expect(refusal() == "")
    // What nobody asks for and what spells out a default.
    try TinyModel.set("only_cross_attention", to: "", in: "unet/config.json", of: folder)
    try TinyModel.set("num_attention_heads", to: "[1, 2, 4]", in: "unet/config.json", of: folder)
    try TinyModel.set("dropout", to: "0.5", in: "unet/config.json", of: folder)
    try TinyModel.set("mid_block_add_attention", to: "", in: "vae/config.json", of: folder)
    #expect(refusal() == "")
  }

  // Each would make it another computation.
  @Test(arguments: [
    (
      "down_block_types", #"["DownBlock2D"]"#, #"["DownBlock2D"]"#,
      #"["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"]"#
    ),
    ("up_block_types", #""x""#, #""x""#, #"["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"]"#),
    ("down_block_types", "", "null", #"["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"]"#),
    (
      "mid_block_type", #""UNetMidBlock2DSimpleCrossAttn""#, #""UNetMidBlock2DSimpleCrossAttn""#,
      #""UNetMidBlock2DCrossAttn", "UNetMidBlock2D""#
    ),
    ("addition_embed_type", "null", "null", #""text_time""#),
    ("addition_embed_type", "", "null", #""text_time""#),
    ("addition_embed_type", #""image""#, #""image""#, #""text_time""#),
    ("act_fn", #""gelu""#, #""gelu""#, #""silu", "swish""#),
    ("layers_per_block", "1", "1", "2, [2, 2, 2]"), ("layers_per_block", "[2, 2]", "[2, 2]", "2, [2, 2, 2]"),
    ("attention_type", #""gated""#, #""gated""#, #""default""#),
    ("use_linear_projection", "false", "false", "true"),
    ("use_linear_projection", "", "false", "true"),
    ("flip_sin_to_cos", "false", "false", "true"),
    ("freq_shift", "1", "1", "0"),
    ("time_embedding_type", #""fourier""#, #""fourier""#, #""positional""#),
    ("resnet_time_scale_shift", #""scale_shift""#, #""scale_shift""#, #""default""#),
    ("conv_in_kernel", "5", "5", "3"),
    ("conv_out_kernel", "1", "1", "3"),
    ("downsample_padding", "0", "0", "1"),
    ("mid_block_scale_factor", "1.5", "1.5", "1"),
    ("resnet_out_scale_factor", "2", "2", "1"),
    ("center_input_sample", "true", "true", "false"),
    ("class_embeddings_concat", "true", "true", "false"),
    ("dual_cross_attention", "true", "true", "false"),
    ("only_cross_attention", "[true, false, true]", "[true, false, true]", "false, [false, false, false]"),
    ("mid_block_only_cross_attention", "true", "true", "false"),
    ("resnet_skip_time_act", "true", "true", "false"),
    ("class_embed_type", #""timestep""#, #""timestep""#, "null"),
    ("cross_attention_norm", #""layer_norm""#, #""layer_norm""#, "null"),
    ("encoder_hid_dim", "64", "64", "null"),
    ("encoder_hid_dim_type", #""text_proj""#, #""text_proj""#, "null"),
    ("num_class_embeds", "10", "10", "null"),
    ("time_cond_proj_dim", "256", "256", "null"),
    ("time_embedding_act_fn", #""silu""#, #""silu""#, "null"),
    ("time_embedding_dim", "64", "64", "null"),
    ("timestep_post_act", #""silu""#, #""silu""#, "null"),
  ])
  func aUNetThatIsNotBuilt(key: String, json: String, found: String, supported: String) throws {
    #expect(
      try refusal(of: json, as: key, in: "unet/config.json")
        == "'unet/config.json': '\(key)' is \(found), which is not supported; supported: \(supported)")
  }

  @Test(arguments: [
    (
      "up_block_types", #"["UpDecoderBlock2D"]"#, #"["UpDecoderBlock2D"]"#,
      #"["UpDecoderBlock2D", "UpDecoderBlock2D", "UpDecoderBlock2D", "UpDecoderBlock2D"]"#
    ),
    ("act_fn", #""relu""#, #""relu""#, #""silu""#),
    ("latents_mean", "[1, 2, 3, 4]", "[1, 2, 3, 4]", "null"),
    ("latents_std", "[1, 2, 3, 4]", "[1, 2, 3, 4]", "null"),
    ("shift_factor", "0.1", "0.1", "null"),
  ])
  func aDecoderThatIsNotBuilt(key: String, json: String, found: String, supported: String) throws {
    #expect(
      try refusal(of: json, as: key, in: "vae/config.json")
        == "'vae/config.json': '\(key)' is \(found), which is not supported; supported: \(supported)")
  }

  @Test(arguments: [
    ("unet", "block_out_channels", "[16, 24]", "3 integers from 1 to 16777216"),
    ("unet", "block_out_channels", "[16, 24, 0]", "3 integers from 1 to 16777216"),
    (
      "unet", "transformer_layers_per_block", "[1, [1, 2, 3], 2]",
      "3 integers from 1 to 1024, or lists of 2 of them"
    ),
    ("unet", "transformer_layers_per_block", "[1, 2]", "3 integers from 1 to 1024, or lists of 2 of them"),
    (
      "unet", "reverse_transformer_layers_per_block", "[[1], [1], [1]]",
      "3 integers from 1 to 1024, or lists of 3 of them"
    ),
    ("unet", "num_attention_heads", "[1, 2]", "3 integers from 1 to 16777216"),
    ("unet", "attention_head_dim", "\"8\"", "3 integers from 1 to 16777216"),
    ("unet", "norm_num_groups", "-8", "an integer from 1 to 16777216"),
    ("unet", "norm_eps", "-0.5", "a number from 0.0 to 1.0"),
    ("unet", "cross_attention_dim", "[62, 62, 62]", "an integer from 1 to 16777216"),
    ("unet", "addition_time_embed_dim", "1.5", "an integer from 1 to 16777216"),
    ("unet", "projection_class_embeddings_input_dim", "72", "more than 6 times 'addition_time_embed_dim'"),
    ("unet", "in_channels", "0", "an integer from 1 to 16777216"),
    ("unet", "out_channels", "true", "an integer from 1 to 16777216"),
    ("unet", "sample_size", "5000", "an integer from 1 to 4096"),
    ("vae", "block_out_channels", "[]", "a list of 1 to 8 integers"),
    ("vae", "block_out_channels", "8", "a list of integers from 1 to 65536"),
    ("vae", "block_out_channels", "[16777216, 16777216]", "a list of integers from 1 to 65536"),
    ("vae", "layers_per_block", "65", "an integer from 1 to 64"),
    ("vae", "norm_num_groups", "0", "an integer from 1 to 16777216"),
    ("vae", "latent_channels", "null", ""),
    ("vae", "out_channels", "4", "an integer from 3 to 3"),
    ("vae", "scaling_factor", "0", "a number from 1e-06 to 1000000.0"),
    ("vae", "use_post_quant_conv", "1", "true or false"),
    ("vae", "mid_block_add_attention", "\"yes\"", "true or false"),
  ])
  func aBadValue(part: String, key: String, json: String, needed: String) throws {
    #expect(
      try refusal(of: json, as: key, in: "\(part)/config.json")
        == (needed.isEmpty ? "" : "'\(part)/config.json': '\(key)' is \(json), but it must be \(needed)"))
  }

  @Test(
    arguments: [
      "block_out_channels": "3 integers from 1 to 16777216",
      "attention_head_dim": "3 integers from 1 to 16777216",
      "cross_attention_dim": "an integer from 1 to 16777216",
      "addition_time_embed_dim": "an integer from 1 to 16777216",
      "projection_class_embeddings_input_dim": "an integer from 1 to 16777216",
      "sample_size": "an integer from 1 to 4096",
    ].sorted { $0.key < $1.key })
  func anAbsentValue(key: String, needed: String) throws {
    #expect(
      try refusal(of: "", as: key, in: "unet/config.json")
        == "'unet/config.json' has no '\(key)'; it must be \(needed)")
  }

  @Test(arguments: [
    (
      "unet", "5",
      "a level of 16 channels cannot be divided into 5 groups and 1 heads; both numbers must divide it"
    ),
    ("vae", "3", "a level of 8 channels cannot be divided into 3 groups; their number must divide it"),
  ])
  func widthsThatCannotBeDivided(part: String, groups: String, message: String) throws {
    let file = "\(part)/config.json"
    #expect(try refusal(of: groups, as: "norm_num_groups", in: file) == "'\(file)': \(message)")
  }

  @Test func partsThatAreMissing() throws {
    func remove(_ name: String) throws { try FileManager.default.removeItem(atPath: folder(name)) }
    let layout = "needed is a folder in diffusers layout, as made by save_pretrained or `hf download`"
    try remove("unet")
    #expect(refusal() == "'MODEL' is no complete model: it lacks unet; \(layout)")
    try remove("model_index.json")
    try remove("vae")
    #expect(refusal() == "'MODEL' is no complete model: it lacks model_index.json, unet, vae; \(layout)")
    let empty = try TemporaryFolder()
    #expect(
      errorMessage { try ModelFolder(empty.path) }
        == "'\(empty.path)' is no complete model: it lacks model_index.json, scheduler, text_encoder, "
        + "text_encoder_2, tokenizer, tokenizer_2, unet, vae; \(layout)")
  }

  @Test(arguments: [
    ("unet/config.json", "'unet/config.json' does not exist; check the path"),
    ("vae/config.json", "'vae/config.json' does not exist; check the path"),
    ("scheduler/scheduler_config.json", "'scheduler/scheduler_config.json' does not exist; check the path"),
    (
      "unet/diffusion_pytorch_model.safetensors",
      "'unet' has no weights: looked for diffusion_pytorch_model.safetensors, "
    ),
  ])
  func filesThatAreMissing(file: String, message: String) throws {
    try FileManager.default.removeItem(atPath: folder(file))
    #expect(refusal().hasPrefix(message), "\(refusal())")
  }

  @Test func anotherKindOfModel() throws {
    #expect(
      try refusal(of: #""FluxPipeline""#, as: "_class_name", in: "model_index.json")
        == "'model_index.json': '_class_name' is \"FluxPipeline\", which is not supported; "
        + "supported: \"StableDiffusionXLPipeline\", \"StableDiffusionPipeline\"")
  }

  // The sizes of the configuration are those of the file, or the first weight that is not is named.
  @Test(arguments: [
    (
      "cross_attention_dim", "60",
      "'down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k.weight' has shape [24, 62], but the model needs [24, 60]"
    ),
    (
      "block_out_channels", "[24, 24, 32]",
      "'time_embedding.linear_1.weight' has shape [64, 16], but the model needs [96, 24]"
    ),
    ("in_channels", "5", "'conv_in.weight' has shape [16, 4, 3, 3], but the model needs [16, 5, 3, 3]"),
  ])
  func sizesThatAreNotThoseOfTheWeights(key: String, json: String, message: String) throws {
    #expect(
      try refusal(of: json, as: key, in: "unet/config.json")
        == message
        + "; check that the config.json beside 'unet/diffusion_pytorch_model.safetensors' belongs to it")
  }

  @Test func weightsThatAreMissingOrLeftOver() throws {
    #expect(
      try refusal(of: "[1, 2, 2]", as: "transformer_layers_per_block", in: "unet/config.json").hasPrefix(
        "'down_blocks.1.attentions.0.transformer_blocks.1.norm1.weight' is not in "
          + "'unet/diffusion_pytorch_model.safetensors' (the nearest name there is "))
    #expect(
      try refusal(of: "[1, 1, 1]", as: "transformer_layers_per_block", in: "unet/config.json")
        == "'unet/diffusion_pytorch_model.safetensors' holds 120 tensors that the model does not have: "
        + "'down_blocks.2.attentions.0.transformer_blocks.1.attn1.to_k.weight', "
        + "'down_blocks.2.attentions.0.transformer_blocks.1.attn1.to_out.0.bias', "
        + "'down_blocks.2.attentions.0.transformer_blocks.1.attn1.to_out.0.weight', "
        + "'down_blocks.2.attentions.0.transformer_blocks.1.attn1.to_q.weight', "
        + "'down_blocks.2.attentions.0.transformer_blocks.1.attn1.to_v.weight', …"
        + "; check that the config.json beside it belongs to it")
  }

  @Test(arguments: [
    (0, 8, 1, 0.0, "height is 0, but it must be a multiple of 8 from 8 to 4096"),
    (-8, 8, 1, 0, "height is -8, but it must be a multiple of 8 from 8 to 4096"),
    (512, 516, 1, 0, "width is 516, but it must be a multiple of 8 from 8 to 4096"),
    (4104, 512, 1, 0, "height is 4104, but it must be a multiple of 8 from 8 to 4096"),
    (8, 8, 0, 0, "steps is 0, but it must be at least 1"),
    (8, 8, -1, 0, "steps is -1, but it must be at least 1"),
    (8, 8, 1, -0.5, "guidance is -0.5, but it must be from 0 to 1000 (above 1 it acts)"),
    (8, 8, 1, .nan, "guidance is nan, but it must be from 0 to 1000 (above 1 it acts)"),
    (8, 8, 1, .infinity, "guidance is inf, but it must be from 0 to 1000 (above 1 it acts)"),
    (4096, 8, 1000, 1.5, ""),
  ])
  func settingsThatNoRunCanHave(height: Int, width: Int, steps: Int, guidance: Double, message: String) {
    let found = errorMessage {
      try RunSettings(steps: steps, guidance: guidance, height: height, width: width)
    }
    #expect(found == message)
  }
}
