import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensTestSupport
import Testing

/// A single file is the folder that it was made of, bit for bit.
@Suite struct SingleFileTests {
  let folder: TemporaryFolder
  private var path: String { folder("model.safetensors") }

  init() throws { folder = try TemporaryFolder() }

  /// A guided run of two steps: what the prompt becomes, the latents and the picture.
  private func run(_ model: ModelFolder) throws -> [Tensor] {
    let encoder = try PromptEncoder(model)
    let prompt = encoder.guided(["a photo of a cat"], negative: ["blurry"])
    let pipeline = try Pipeline(model)
    let settings = try RunSettings(seed: 5, steps: 2, guidance: 3, height: 64, width: 48)
    let latents = try pipeline.sample(prompt, settings).latents
    return [prompt.embeddings, prompt.pooled, latents, try pipeline.picture(latents)]
  }

  private func expectSameRun(_ model: ModelFolder, as other: ModelFolder) throws {
    for (found, wanted) in zip(try run(model), try run(other)) { expectSame(found, wanted, "a run") }
  }

  private static var noise: [Safetensors.Item] {
    [
      // What other programs leave in such files.
      Safetensors.Item("model_ema.diffusion_modelinput_blocks00weight", Tensor([1], [1])),
      Safetensors.Item("model_ema.decay", Tensor([0.9], [])),
      Safetensors.Item("denoiser.sigmas", Tensor([1, 2], [2])),
      Safetensors.Item(
        "conditioner.embedders.0.transformer.text_model.embeddings.position_ids", [0, 1, 2] as [Int64],
        [1, 3]),
      Safetensors.Item("conditioner.embedders.1.model.logit_scale", Tensor([4.6], [])),
    ]
  }

  @Test func aWholeFileIsItsFolder() throws {
    try Safetensors.write(OriginalLayout.tiny() + Self.noise, to: path)
    let model = try ModelFolder(path, base: TinyModel.path)
    let tiny = try ModelFolder(TinyModel.path)
    try expectSameRun(model, as: tiny)
    #expect(model.title == "model.safetensors")
    #expect(try model.fingerprint().value != tiny.fingerprint().value)
    #expect(try ModelSummary(model).parts.map(\.parameters) == ModelSummary(tiny).parts.map(\.parameters))
    #expect(model.notes == [])
  }

  // https://github.com/Stability-AI/ModelSpec
  @Test(arguments: [("v", true), ("V_Prediction", true), ("epsilon", false)])
  func metadataTellWhatIsPredicted(_ word: String, _ isVelocity: Bool) throws {
    try Safetensors.write(
      OriginalLayout.tiny() + Self.noise, metadata: ["modelspec.prediction_type": word], to: path)
    let config = try ModelFolder(path, base: TinyModel.path).schedulerConfig()
    #expect((config["prediction_type"] == "v_prediction") == isVelocity)
  }

  @Test func halfPrecisionIsRead() throws {
    try Safetensors.write(OriginalLayout.tiny(half: true), to: path)
    let copy = try TemporaryFolder()
    try TinyModel.copy(to: copy)
    for (part, name) in [
      ("unet", "diffusion_pytorch_model"), ("vae", "diffusion_pytorch_model"), ("text_encoder", "model"),
      ("text_encoder_2", "model"),
    ] {
      let source = try Safetensors(contentsOf: "\(TinyModel.path)/\(part)/\(name).safetensors")
      let items = try source.names.filter { source.entry($0)?.type == .f32 }.map {
        try Safetensors.Item(half: source.tensor($0), $0)
      }
      try FileManager.default.removeItem(atPath: copy("\(part)/\(name).safetensors"))
      try Safetensors.write(items, to: copy("\(part)/\(name).safetensors"))
    }
    try expectSameRun(ModelFolder(path, base: TinyModel.path), as: ModelFolder(copy.path))
  }

  @Test(arguments: ["model.diffusion_model.", ""]) func aUNetAloneTakesTheRestFromItsBase(_ prefix: String)
    throws
  {
    let names = try Safetensors(contentsOf: "\(TinyModel.path)/unet/diffusion_pytorch_model.safetensors")
    if prefix.isEmpty {
      try Safetensors.write(names.names.map { ($0, try names.tensor($0)) }, to: path)
    } else {
      try Safetensors.write(OriginalLayout.tiny(["unet"]), to: path)
    }
    try expectSameRun(ModelFolder(path, base: TinyModel.path), as: ModelFolder(TinyModel.path))
    #expect(
      errorMessage { try ModelFolder(path) }
        == "'\(path)' has no text_encoder, text_encoder_2, vae; name with --base a model of the same kind that has "
        + "the rest: a folder in diffusers layout, a Hugging Face id, or 'shapes'")
  }

  @Test func whatAFileSaysOfItsSamplingCounts() throws {
    try Safetensors.write(
      OriginalLayout.tiny() + [
        Safetensors.Item("v_pred", Tensor([], [0])), Safetensors.Item("ztsnr", Tensor([], [0])),
      ], to: path)
    let config = try ModelFolder(path, base: TinyModel.path).schedulerConfig()
    #expect(config["prediction_type"] == "v_prediction" && config["rescale_betas_zero_snr"] == true)
  }

  @Test(arguments: [
    ("ssd-1b", "is SSD-1B", 10, 4), ("vega", "is Segmind Vega", 10, 2), ("sdxl", "does not tell how", 11, 2),
  ])
  func settingsComeWithTheProgram(_ kind: String, _ note: String, _ blocks: Int, _ layers: Int) throws {
    let unet = try OriginalLayout.weights(of: kind).map {
      Safetensors.Item("model.diffusion_model.\($0.theirs)", try OriginalLayout.tensor($0))
    }
    let rest = try OriginalLayout.tiny(["vae", "text_encoder", "text_encoder_2"])
    try Safetensors.write(kind == "sdxl" ? OriginalLayout.tiny() : unet + rest, to: path)
    let model = try ModelFolder(path)
    #expect(model.notes.contains { $0.contains(note) })
    #expect(try model.blocks.count == blocks)
    let config = try UNetConfig(model.config("unet"))
    #expect(config[try BlockName("down.2.1")].layers == (kind == "sdxl" ? 10 : layers))
    #expect(config.widths == [320, 640, 1280])
    #expect(
      errorMessage { try Pipeline(model) }.hasSuffix(
        "check that the file '\(try model.config("vae").path)' used with '\(path)' belongs to it"))
  }

  // UNet2DConditionModel(**config)(latents, 801, text, added_cond_kwargs={…}).sample
  @Test(arguments: ["ssd-1b", "vega"]) func smallerUNetsEqualDiffusers(_ kind: String) throws {
    try OriginalLayout.writeConfig(of: kind, to: folder, as: "config.json")
    let weights = try OriginalLayout.weights(of: kind)
    try Safetensors.write(weights.map { ($0.ours, try OriginalLayout.tensor($0)) }, to: path)
    let file = try WeightFile(folder: folder.path, name: "model")
    let unet = try UNet(file.root, config: UNetConfig(ConfigFile(folder("config.json"))))
    try file.finish()
    #expect(unet.config.blocks.map(\.name.description).contains("mid.0") == false)
    #expect(unet.config.blocks.count == 10)
    let goldens = try Goldens().tensors("smaller-unets.safetensors")
    let recorder = Recorder()
    var hooks = HookSet()
    for block in unet.config.blocks { recorder.record([.update], of: block.name, in: &hooks) }
    let output = try unet(
      goldens.channelsLast("\(kind).latents"), timestep: 801, text: goldens.tensor("\(kind).text"),
      pooled: goldens.tensor("\(kind).pooled"), timeIDs: [96, 80, 0, 0, 96, 80], hooks: hooks)
    #expect(recorder.tensors.count == 10)
    try goldens.expect(output, equals: "\(kind).output", within: 1e-5)
  }

  @Test func blocksThatAModelHasNotAreRefused() throws {
    try OriginalLayout.writeConfig(of: "vega", to: folder, as: "config.json")
    let config = try UNetConfig(ConfigFile(folder("config.json")))
    #expect(
      errorMessage { try config.check([BlockName("up.0.1"), BlockName("mid.0")]) }
        == "the model has no block mid.0; its 10 blocks are: down.1.0, down.1.1, down.2.0, down.2.1, up.0.0, up.0.1, "
        + "up.0.2, up.1.0, up.1.1, up.1.2")
  }
}

/// Files that are given as a model and are none, each with what it is and what to do.
@Suite struct ForeignFileTests {
  let folder: TemporaryFolder
  private var path: String { folder("model.safetensors") }

  init() throws { folder = try TemporaryFolder() }

  private func refusal() -> String {
    errorMessage { try ModelFolder(path, base: TinyModel.path) }.replacing("'\(path)'", with: "FILE")
  }

  /// How a file of `torch.save` begins.
  static let torch =
    "PK\u{3}\u{4}\u{14}" + String(repeating: "\u{0}", count: 21) + "\u{10}\u{0}\u{0}\u{0}archive/data.pkl"

  static let safe = "download the .safetensors file, or write one in Python with safetensors.torch.save_file"

  @Test(arguments: [
    (
      torch,
      "is a PyTorch checkpoint (.ckpt, .pt or .bin of version 1.6 or later), which can "
        + "run code when it is opened; \(safe)"
    ),
    (
      "GGUF\u{3}",
      "is a GGUF file, with weights quantised for other programs; take the .safetensors file in float16"
    ),
    (
      "\n <!DOCTYPE html><html>",
      "is a web page, perhaps the one that asks to log in or to accept a licence; open the "
        + "address in a browser, and download the file itself"
    ),
    (
      #"{"error": "Access denied"}"#,
      "is JSON text, perhaps an answer that says why a download failed; read it, and "
        + "download the file again"
    ),
    (
      String(repeating: "x", count: 257) + "ustar\u{0}",
      "is a tar archive, as PyTorch wrote checkpoints before version "
        + "0.1.10; \(safe)"
    ),
  ])
  func filesOfAnotherKind(_ text: String, _ message: String) throws {
    try folder.write(text.utf8, to: "model.safetensors")
    #expect(refusal() == "FILE \(message)")
  }

  static let archive = [0x50, 0x4B, 3, 4, 20] + [UInt8](repeating: 0, count: 21) + [5, 0, 0, 0]

  static let binary: [([UInt8], String)] = [
    (
      [0x80, 2, 0x8A, 0x0A],
      "is a PyTorch checkpoint of before version 1.6, a pickle, which can run code when it is opened; \(safe)"
    ),
    ([0x1F, 0x8B, 8], "is compressed by gzip; unpack it first"),
    (
      archive + Array("a.npyx".utf8),
      "is an archive of NumPy's (.npz); write the array that is meant with numpy.save, or the tensors with "
        + "safetensors.numpy.save_file"
    ),
    ([0x50, 0x4B, 3, 4, 0], "is a zip archive; unpack it first"),
    (
      [0x93] + Array("NUMPY".utf8) + [1, 0],
      "is an array of NumPy's (.npy); write it with safetensors.numpy.save_file"
    ),
    (Array("PAR1".utf8) + [21, 4], "is a Parquet table, but a .safetensors file is needed; \(safe)"),
    ([0xFF, 0xD8, 0xFF, 0xE0], "is a picture (JPEG), but a .safetensors file is needed; \(safe)"),
  ]

  @Test(arguments: binary)
  func binaryFilesOfAnotherKind(_ bytes: [UInt8], _ message: String) throws {
    try folder.write(bytes, to: "model.safetensors")
    #expect(refusal() == "FILE \(message)")
  }

  @Test func halfWrittenDownloads() throws {
    try Safetensors.write(OriginalLayout.tiny(["unet"]), to: path)
    let bytes = try Data(contentsOf: URL(fileURLWithPath: path))
    try folder.write(bytes.prefix(bytes.count / 2), to: "model.safetensors")
    #expect(refusal().hasPrefix("FILE is not a whole safetensors file: its tensors need "))
    #expect(refusal().hasSuffix("; download or write it again"))
    try folder.write([], to: "model.safetensors")
    #expect(refusal() == "FILE is empty (0 bytes); download or write it again")
  }

  static let sdxl = "models of SDXL can be read"

  @Test(arguments: [
    (
      ["conditioner.embedders.0.model.transformer.resblocks.9.mlp.c_proj.bias"],
      "is the refiner of SDXL, which goes on "
        + "with pictures of another model; take the base model"
    ),
    (
      ["cond_stage_model.transformer.text_model.x", "model.diffusion_model.input_blocks.0.0.weight"],
      "is a model of Stable "
        + "Diffusion 1; \(sdxl)"
    ),
    (["cond_stage_model.model.ln_final.bias"], "is a model of Stable Diffusion 2; \(sdxl)"),
    (["model.diffusion_model.joint_blocks.0.x"], "is a model of Stable Diffusion 3; \(sdxl)"),
    (["double_blocks.0.img_attn.norm.x"], "is a model of the kind of Flux; \(sdxl)"),
    (["control_model.input_hint_block.0.weight"], "is a ControlNet, which steers a model; \(sdxl)"),
    (["controlnet_cond_embedding.conv_in.bias"], "is a ControlNet, which steers a model; \(sdxl)"),
    (["clip_g", "clip_l"], "is a textual inversion, a made-up word for a model; \(sdxl)"),
    (
      ["edm_mean", "conv_in.weight"],
      "is a model of the kind of Playground v2.5 or CosXL, whose noise is of another kind; \(sdxl)"
    ),
    (
      ["scaled_fp8", "conv_in.weight"],
      "holds 8-bit weights that are to be multiplied by scales ('scaled_fp8'); take the "
        + "file in float16, or one of plain 8-bit floats"
    ),
    (
      ["conv_in.comfy_quant", "conv_in.weight", "conv_in.weight_scale"],
      "holds 8-bit weights that are to be multiplied by scales ('conv_in.weight_scale'); take the "
        + "file in float16, or one of plain 8-bit floats"
    ),
    (
      ["lora_unet_x.lora_up.weight", "lora_unet_x.alpha"],
      "is a LoRA, which changes a model; give it with --lora, and the "
        + "model with --model"
    ),
    (["W_dec", "W_enc", "b_dec"], "is a dictionary of features, not a model; give it with --sae"),
    (
      ["decoder.conv_in.weight", "encoder.conv_in.weight"],
      "is an autoencoder, which has no U-net; give it with --vae, and the model with --model"
    ),
    (
      ["first_stage_model.decoder.norm_out.bias"],
      "is an autoencoder, which has no U-net; give it with --vae, and the model with --model"
    ),
    (["conv_in.weight"], "has the U-net of Stable Diffusion 1 or 2, which reads no sizes; \(sdxl)"),
    (
      ["a.b"],
      "has no U-net under the names of SDXL or of diffusers; the first name in it is 'a.b': give the file of a "
        + "model of SDXL"
    ),
  ])
  func modelsOfAnotherKind(_ names: [String], _ message: String) throws {
    try Safetensors.write(names.map { ($0, Tensor([1], [1])) }, to: path)
    #expect(refusal() == "FILE \(message)")
  }

  @Test(arguments: [
    (
      9,
      "is a model for inpainting, whose U-net also reads a mask (9 channels); take the model that it was made of"
    ),
    (8, "is a model that edits pictures by instructions (8 channels); take the model that it was made of"),
  ])
  func uNetsThatReadMore(_ channels: Int, _ message: String) throws {
    let input = Tensor(repeating: 1, [2, channels, 3, 3])
    try Safetensors.write([("model.diffusion_model.input_blocks.0.0.weight", input)], to: path)
    #expect(refusal() == "FILE \(message)")
  }

  @Test func aWeightUnderTwoNames() throws {
    let bias = Tensor([1], [1])
    try Safetensors.write(
      [("model.diffusion_model.input_blocks.0.0.bias", bias), ("unet.conv_in.bias", bias)], to: path)
    #expect(
      refusal()
        == "FILE holds the weight 'unet.conv_in.bias' twice, as 'model.diffusion_model.input_blocks.0.0.bias' and "
        + "as 'unet.conv_in.bias', and does not say which counts; write it anew with the weights of one model"
    )
  }

  @Test func aBaseIsForFiles() throws {
    #expect(
      errorMessage { try ModelFolder(TinyModel.path, base: TinyModel.path) }
        == "--base gives what a single file lacks, but the model '\(TinyModel.path)' is a folder; leave --base out"
    )
    try Safetensors.write(OriginalLayout.tiny(), to: path)
    #expect(
      errorMessage { try ModelFolder(path, base: path) }
        == "'\(path)' is a file, but --base needs a model in diffusers layout: a folder, a Hugging Face id, or 'shapes'"
    )
  }

  @Test func aTensorThatTheModelDoesNotHave() throws {
    try Safetensors.write(
      OriginalLayout.tiny() + [Safetensors.Item("model.diffusion_model.extra.weight", Tensor([1], [1]))],
      to: path)
    let model = try ModelFolder(path, base: TinyModel.path)
    #expect(
      errorMessage { try Pipeline(model) }
        == "'\(path)' holds 1 tensor that the model does not have: 'extra.weight'; check that "
        + "the file '\(TinyModel.path)/unet/config.json' used with it belongs to it")
  }
}
