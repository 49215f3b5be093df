import SDLensCore
import SDLensTestSupport
import Testing

/// What is wrong with a model is said in one line, by name, before a picture is begun.
@Suite struct DamagedModelTests {
  struct Damage: CustomTestStringConvertible {
    let testDescription: String
    let make: @Sendable (ModelCopy) throws -> Void
    let message: String

    init(_ name: String, _ make: @escaping @Sendable (ModelCopy) throws -> Void, says message: String) {
      testDescription = name
      self.make = make
      self.message = message
    }
  }

  static let vae = "vae/diffusion_pytorch_model.safetensors"
  static let unet = "unet/diffusion_pytorch_model.safetensors"

  static let folders = [
    Damage(
      "a missing part", { try $0.remove("unet") },
      says: "'model' is no complete model: it lacks unet; needed is a folder in diffusers layout, as made by "
        + "save_pretrained or `hf download`"),
    Damage(
      "a missing file", { try $0.remove(unet) },
      says: "'model/unet' has no weights: looked for diffusion_pytorch_model.safetensors, "
        + "diffusion_pytorch_model.safetensors.index.json and their variants fp16, fp32, bf16; found 'config.json'; "
        + "download the model again"
    ),
    Damage(
      "a missing config", { try $0.remove("vae/config.json") },
      says: "'model/vae/config.json' does not exist; check the path"),
    Damage(
      "another pipeline",
      { try $0.replace("StableDiffusionXLPipeline", with: "FluxPipeline", in: "model_index.json") },
      says: "'model/model_index.json': '_class_name' is \"FluxPipeline\", which is not supported; supported: "
        + "\"StableDiffusionXLPipeline\", \"StableDiffusionPipeline\""),
    Damage(
      "an unsupported setting",
      { try $0.replace(#""act_fn": "silu""#, with: #""act_fn": "mish""#, in: "unet/config.json") },
      says: "'model/unet/config.json': 'act_fn' is \"mish\", which is not supported; supported: \"silu\""),
    Damage(
      "malformed JSON", { try $0.write(#"{"act_fn": "silu""#, to: "vae/config.json") },
      says: "'model/vae/config.json' is not valid JSON: "),
    Damage(
      "merges and vocabulary that disagree",
      { try $0.write("#version: 0.2\nthe ory\n", to: "tokenizer/merges.txt") },
      says: "'model/tokenizer/merges.txt', line 2: 'the ory' needs the token 'ory', which "
        + "'model/tokenizer/vocab.json' does not have; the two files must come from the same model"),
    Damage(
      "too many steps for the scheduler",
      {
        try $0.replace(
          #""num_train_timesteps": 1000"#, with: #""num_train_timesteps": 0"#,
          in: "scheduler/scheduler_config.json")
      },
      says: "'model/scheduler/scheduler_config.json': 'num_train_timesteps' is 0, but it must be "),
  ]

  static let weights = [
    Damage(
      "a truncated file", { try $0.edit(vae) { $0.removeLast($0.count / 2) } },
      says:
        "'model/vae/diffusion_pytorch_model.safetensors' is not a whole safetensors file: its tensors need "),
    Damage(
      "a header longer than the file",
      { try $0.edit(vae) { $0.replaceSubrange(0..<8, with: bytes(of: [1_000_000])) } },
      says:
        "'model/\(vae)' is not a whole safetensors file: its header should be 1000000 bytes long, but the file "
        + "has only "),
    Damage(
      "offsets that overlap", { try $0.replaceInHeader("[128,4736]", with: "[120,4728]", of: vae) },
      says:
        "'model/\(vae)' is not a whole safetensors file: 'decoder.conv_in.weight' starts at byte 120 of the "
        + "data, inside another tensor that ends at 128"),
    Damage(
      "offsets that overflow",
      { try $0.replaceInHeader("[128,4736]", with: "[128,9223372036854775808]", of: vae) },
      says: "'model/\(vae)' is not a whole safetensors file: in its header, "),
    Damage(
      "another dtype",
      {
        try $0.replaceInHeader(
          #""decoder.conv_in.weight":{"dtype":"F32""#, with: #""decoder.conv_in.weight":{"dtype":"I32""#,
          of: vae)
      },
      says:
        "'decoder.conv_in.weight' in 'model/\(vae)' is I32, but F32, F16, BF16, F64, F8_E4M3 or F8_E5M2 is needed; convert the file"
    ),
    Damage(
      "another shape",
      { try $0.replaceInHeader("[32,4,3,3]", with: "[32,9,4]", of: vae) },
      says:
        "'decoder.conv_in.weight' has shape [32, 9, 4], but the model needs [32, 4, 3, 3]; check that the config.json "
        + "beside 'model/\(vae)' belongs to it"),
    Damage(
      "a missing tensor", { try $0.editTensors(vae) { $0["decoder.conv_out.bias"] = nil } },
      says:
        "'decoder.conv_out.bias' is not in 'model/\(vae)' (the nearest name there is 'decoder.conv_norm_out.bias'); "
        + "check that the config.json beside it belongs to it"),
    Damage(
      "a leftover tensor", { try $0.editTensors(unet) { $0["lora.up.weight"] = Tensor([1], [1]) } },
      says: "'model/\(unet)' holds 1 tensor that the model does not have: 'lora.up.weight'; check that the "
        + "config.json beside it belongs to it"),
    Damage(
      "a NaN", { try $0.editTensors(unet) { $0["conv_in.bias"]?[3] = .nan } },
      says:
        "'conv_in.bias' in 'model/\(unet)' holds nan at [3], but weights must be finite; download or save it "
        + "again"),
    Damage(
      "text encoders of another model",
      {
        try $0.replace(
          #""cross_attention_dim": 62"#, with: #""cross_attention_dim": 64"#, in: "unet/config.json")
      },
      says: "'down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k.weight' has shape "),
  ]

  @Test(arguments: folders + weights) func isRefused(_ damage: Damage) throws {
    let model = try ModelCopy()
    try damage.make(model)
    let outcome = try model.generate()
    #expect(outcome.err.hasPrefix("Error: " + damage.message))
    #expect(outcome.err.filter(\.isNewline).count == 1)
    #expect(outcome.status == 1)
    #expect(outcome.out == "")
    #expect(try model.folder.contents == ["model"])
  }

  static let names = [
    "nowhere":
      "there is no folder or file 'nowhere'; a model is a folder in diffusers layout, a single .safetensors file, a "
      + "Hugging Face id such as stabilityai/sdxl-turbo, or 'shapes'",
    "stabilityai/sdxl-turbo": "'stabilityai/sdxl-turbo' is neither a folder nor in the local cache "
      + "'FOLDER/.cache/huggingface/hub'; download it with: hf download stabilityai/sdxl-turbo "
      + "--include '*.json' --include '*.txt' --include '*.fp16.safetensors'",
    "file":
      "'file' is not a whole safetensors file: it has 1 bytes, but the length of the header alone takes 8; "
      + "download or write it again",
    "empty":
      "'empty' is no complete model: it lacks model_index.json, scheduler, text_encoder, text_encoder_2, "
      + "tokenizer, tokenizer_2, unet, vae; needed is a folder in diffusers layout, as made by save_pretrained or "
      + "`hf download`",
  ]

  @Test(arguments: names.keys.sorted(), ["--model", "SDLENS_MODEL"]) func isNoModel(
    name: String, by way: String
  ) throws {
    let folder = try TemporaryFolder()
    try folder.write([1], to: "file")
    try folder.write([], to: "empty/.nothing")
    let isOption = way == "--model"
    for command in [["generate", "--prompt", "x", "--quiet"], ["info"]] {
      let outcome = try Command.run(
        command + (isOption ? [way, name] : []), in: folder, environment: isOption ? [:] : [way: name])
      #expect(outcome.err == "Error: \(Self.names[name] ?? "")\n")
      #expect(outcome.status == 1)
      #expect(outcome.out == "")
    }
  }
}
