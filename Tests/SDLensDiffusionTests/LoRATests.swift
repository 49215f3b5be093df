import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensTestSupport
import Testing

/// LoRAs merged into the tiny model equal diffusers; the recipe is in Scripts/goldens/lora.py.
@Suite struct LoRATests {
  static let strengths = ["kohya": 0.7, "original": 1.0, "peft": -0.5, "processor": 1.0]
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private static func lora(_ name: String) throws -> LoRA {
    try LoRA(path: Goldens()("lora/\(name).safetensors"), strength: strengths[name] ?? 1)
  }

  /// What a prompt becomes, and the U-net's prediction for it.
  private func run(_ model: ModelFolder) throws -> [(String, Tensor)] {
    let goldens = try Goldens().tensors("lora.safetensors")
    let prompt = try PromptEncoder(model)(["a photo of a cat"])
    let output = try Pipeline(model).denoiser(
      goldens.channelsLast("latents"), timestep: 999, text: prompt.embeddings, pooled: prompt.pooled,
      timeIDs: [96, 96, 0, 0, 96, 96])
    return [("prompt_embeds", prompt.embeddings), ("pooled", prompt.pooled), ("output", output)]
  }

  // pipeline.load_lora_weights(NAME); pipeline.fuse_lora(lora_scale=STRENGTH)
  @Test(
    arguments: [["kohya"], ["original"], ["peft"], ["processor"], ["kohya", "peft"], []], EngineChoice.engines
  )
  func theMergedModelEqualsDiffusers(_ names: [String], _ engine: EngineChoice) throws {
    let goldens = try Goldens().tensors("lora.safetensors")
    let golden = names.count == 1 ? names[0] : names.isEmpty ? "plain" : "two"
    let model = try ModelFolder(TinyModel.path, loras: try names.map(Self.lora), engine: engine.engine)
    for (name, tensor) in try run(model) {
      try goldens.expect(tensor, equals: "\(golden).\(name)", within: 1e-5)
    }
  }

  @Test func ofASingleFileItIsThatOfItsFolder() throws {
    try Safetensors.write(OriginalLayout.tiny(), to: folder("model.safetensors"))
    let loras = try ["kohya", "peft"].map(Self.lora)
    let file = try ModelFolder(folder("model.safetensors"), base: TinyModel.path, loras: loras)
    let pairs = zip(try run(file), try run(ModelFolder(TinyModel.path, loras: loras)))
    for ((name, found), (_, wanted)) in pairs { expectSame(found, wanted, name) }
  }

  @Test func itChangesTheFingerprint() throws {
    let models = try [[], ["kohya"], ["peft"], ["kohya", "peft"]].map {
      try ModelFolder(TinyModel.path, loras: try $0.map(Self.lora))
    }
    let weaker = try ModelFolder(
      TinyModel.path, loras: [LoRA(path: Goldens()("lora/kohya.safetensors"), strength: 0.5)])
    #expect(try Set((models + [weaker]).map { try $0.fingerprint().description }).count == 5)
    #expect(models.map(\.loraTitle)[3] == "kohya.safetensors:0.7, peft.safetensors:-0.5")
  }

  @Test func aStrengthFollowsTheFile() throws {
    #expect(try LoRA("a:b/style.safetensors:0.5") == LoRA(path: "a:b/style.safetensors", strength: 0.5))
    #expect(try LoRA("style.safetensors") == LoRA(path: "style.safetensors", strength: 1))
    try folder.write([1], to: "x:2")
    #expect(try LoRA(folder("x:2")) == LoRA(path: folder("x:2"), strength: 1))
    for text in ["high", "nan", "1000"] {
      #expect(
        errorMessage { try LoRA("style:\(text)") }
          == "the strength of the LoRA 'style' is '\(text)', but it must be a number from -100 to 100, as in FILE:0.8"
      )
    }
  }

  private func refusal(_ tensors: [(String, Tensor)], metadata: [String: String] = [:]) throws -> String {
    let path = folder("lora.safetensors")
    try Safetensors.write(tensors.map { (name: $0.0, tensor: $0.1) }, metadata: metadata, to: path)
    return errorMessage { try ModelFolder(TinyModel.path, loras: [LoRA(path: path)]) }
      .replacing("'\(path)'", with: "FILE")
  }

  private static let layer = "lora_unet_mid_block_attentions_0_proj_in"
  private static let (down, up) = (Tensor(repeating: 1, [2, 32]), Tensor(repeating: 1, [32, 2]))
  private static let only = "only plain LoRAs (up, down and alpha) can be merged"

  @Test(arguments: [
    ("hada_w1_a", "LoHa, products of low-rank matrices element by element"),
    ("lokr_w1", "LoKr, Kronecker products"),
    ("dora_scale", "DoRA, which also changes lengths"), ("diff", "whole differences of weights"),
    ("diff_b", "whole differences of biases"), ("lora_mid.weight", "a LoRA of three factors (Tucker)"),
    ("oft_blocks", "OFT, rotations"),
  ])
  func otherMethodsAreNamed(_ ending: String, _ method: String) throws {
    let name = "\(Self.layer).\(ending)"
    #expect(
      try refusal([
        ("\(Self.layer).lora_down.weight", Self.down), ("\(Self.layer).lora_up.weight", Self.up),
        (name, Self.up),
      ]) == "FILE is of another kind, \(method) ('\(name)'); \(Self.only)")
  }

  @Test func layersOfAnotherModelAreListed() throws {
    let names = (0..<7).map { "lora_unet_other_\($0)" } + [Self.layer]
    let message = try refusal(
      names.flatMap { [("\($0).lora_down.weight", Self.down), ("\($0).lora_up.weight", Self.up)] })
    #expect(
      message == "FILE changes 8 layers, of which the model has no "
        + (0..<5).map { "'lora_unet_other_\($0)'" }.joined(separator: ", ")
        + ", … (7 in all); take a LoRA that was made for this model")
  }

  @Test func factorsMustFit() throws {
    let (down, up) = ("\(Self.layer).lora_down.weight", "\(Self.layer).lora_up.weight")
    #expect(
      try refusal([(down, Self.down)]) == "FILE has no up (lora_B) for '\(Self.layer)'; download it again")
    #expect(
      try refusal([(down, Tensor(repeating: 1, [2, 31])), (up, Self.up)])
        == "FILE has factors of shapes [32, 2] and [2, 31] for '\(Self.layer)', which is [32, 32] in the model; take a "
        + "LoRA that was made for this model")
    #expect(
      try refusal([(down, Tensor(repeating: 1, [3, 32])), (up, Self.up)]).hasPrefix(
        "FILE has factors of shapes [32, 2] and [3, 32]"))
    var damaged = Self.up
    damaged[5] = .nan
    #expect(
      try refusal([(down, Self.down), (up, damaged)])
        == "FILE holds nan in '\(up)' at position 5, but weights must be finite; download it again")
    #expect(
      try refusal([(down, Self.down), (up, Self.up), ("\(Self.layer).alpha", Tensor([1, 2], [2]))])
        == "FILE has an alpha '\(Self.layer).alpha' that is no finite number; download it again")
    #expect(
      try refusal([(down, Self.down), (up, Self.up), ("strange", Self.up)])
        == "FILE holds 'strange', which is neither up, down nor alpha of a layer; only plain LoRAs can be merged"
    )
    let other = "unet.mid_block.attentions.0.proj_in"
    #expect(
      try refusal([
        (down, Self.down), (up, Self.up), ("\(other).lora_A.weight", Self.down),
        ("\(other).lora_B.weight", Self.up),
      ])
        == "FILE changes 'unet.mid_block.attentions.0.proj_in.weight' twice, under two names; write it anew")
  }

  /// What PEFT's `save_pretrained` leaves, whose scale is in `adapter_config.json`: alpha / r, or alpha / √r (`LoraLayer`).
  @Test(arguments: [
    (#"{"r": 2, "lora_alpha": 8, "x": NaN}"#, 4.0),
    (#"{"r": 2, "lora_alpha": 8, "use_rslora": true}"#, 8 / 2.0.squareRoot()),
    (#"{"r": 2, "lora_alpha": 8, "alpha_pattern": {"attentions.0.proj_in": 3}}"#, 1.5),
    (#"{"r": 2, "lora_alpha": 8, "alpha_pattern": {"roj_in": 3}}"#, 4),
  ])
  func ofAFolderOfPEFT(_ config: String, _ scale: Double) throws {
    let layer = "mid_block.attentions.0.proj_in"
    let (down, up) = (Tensor(repeating: 0.1, [2, 32]), Tensor(repeating: 0.1, [32, 2]))
    try folder.write(config.utf8, to: "adapter_config.json")
    for (file, beginning) in [("adapter_model", "base_model.model."), ("plain", "unet.")] {
      try Safetensors.write(
        [("lora_A", down), ("lora_B", up)].map {
          (name: "\(beginning)\(layer).\($0.0).weight", tensor: $0.1)
        },
        to: folder("\(file).safetensors"))
    }
    let found = try run(ModelFolder(TinyModel.path, loras: [LoRA(path: folder.path)]))
    let plain = try LoRA(path: folder("plain.safetensors"), strength: scale)
    let wanted = try run(ModelFolder(TinyModel.path, loras: [plain]))
    for ((name, found), (_, wanted)) in zip(found, wanted) { expectSame(found, wanted, name) }
  }

  /// diffusers 0.42 names them so with transformers 5.
  @Test func textEncoderLayersWithoutTextModel() throws {
    let layer = "text_encoder.encoder.layers.0.self_attn.q_proj"
    #expect(
      try refusal([
        ("\(layer).lora_A.weight", Tensor(repeating: 0.1, [2, 20])),
        ("\(layer).lora_B.weight", Tensor(repeating: 0.1, [20, 2])),
      ]) == "")
  }

  @Test func aFolderOfDiffusersStandsForItsWeights() throws {
    let file = try folder.write([1], to: "pytorch_lora_weights.safetensors")
    #expect(try LoRA(path: folder.path).path == file)
  }

  @Test func aFolderIsSearchedAsDiffusersDoes() throws {
    func message() -> String {
      errorMessage { try LoRA(path: folder.path) }.replacing("'\(folder.path)'", with: "FOLDER")
    }
    #expect(
      message()
        == "FOLDER has no .safetensors file; --lora takes one, or a folder or Hugging Face id that has one")
    let first = try folder.write([1], to: "a.safetensors")
    #expect(try LoRA(path: folder.path).path == first)
    try folder.write([1], to: "b.safetensors")
    #expect(
      message()
        == "FOLDER has 2 files of weights, of which none is named adapter_model or pytorch_lora_weights: "
        + "a.safetensors, b.safetensors; name one by its path")
  }

  @Test func aNameOnHuggingFaceIsFoundInItsCache() throws {
    let environment = ["HF_HUB_CACHE": folder.path]
    let snapshot = "models--owner--style/snapshots/abcd"
    #expect(
      errorMessage { try LoRA(path: "owner/style", environment: environment) }
        == "'owner/style' is neither a folder nor in the local cache '\(folder.path)'; download it with: "
        + "hf download owner/style --include 'adapter_config.json' --include '*.safetensors'")
    try FileManager.default.createDirectory(atPath: folder(snapshot), withIntermediateDirectories: true)
    try Safetensors.write([("x", Tensor([1], [1]))], to: folder("\(snapshot)/style.safetensors"))
    let lora = try LoRA(path: "owner/style", strength: 0.5, environment: environment)
    #expect(lora.path == folder("\(snapshot)/style.safetensors") && lora.title == "owner/style:0.5")
    // What ends as a file does is one.
    #expect(try LoRA(path: "owner/x.safetensors", environment: environment).path == "owner/x.safetensors")
  }

  /// The name that PEFT gives an adapter: `default`, `default_0` of diffusers, or one of the user's.
  @Test(arguments: ["default", "default_0", "my-style"]) func adaptersMayHaveNames(_ adapter: String) throws {
    let layer = "unet.mid_block.attentions.0.proj_in"
    let (down, up) = (Tensor(repeating: 0.1, [2, 32]), Tensor(repeating: 0.1, [32, 2]))
    func tensors(_ name: String) -> [(name: String, tensor: Tensor)] {
      [("\(layer).lora_A\(name).weight", down), ("\(layer).lora_B\(name).weight", up)]
    }
    try Safetensors.write(tensors(".\(adapter)"), to: folder("named.safetensors"))
    try Safetensors.write(tensors(""), to: folder("plain.safetensors"))
    func output(_ name: String) throws -> [(String, Tensor)] {
      try run(ModelFolder(TinyModel.path, loras: [LoRA(path: folder("\(name).safetensors"))]))
    }
    for ((name, found), (_, wanted)) in zip(try output("named"), try output("plain")) {
      expectSame(found, wanted, name)
    }
    #expect(
      try refusal((tensors(".\(adapter)") + tensors(".other")).map { ($0.name, $0.tensor) })
        .hasPrefix(
          "FILE changes '\(layer)' twice, by '\(layer).lora_A.\(min(adapter, "other")).weight' and '"))
  }

  @Test func settingsOfPEFTThatMeanMoreAreNamed() throws {
    let layer = "unet.mid_block.attentions.0.proj_in"
    let tensors = [("\(layer).lora_A.weight", Self.down), ("\(layer).lora_B.weight", Self.up)]
    for (key, value) in [
      ("use_dora", "true"), ("lora_bias", "true"), ("alpha_pattern", #"{"a.*": 1}"#),
      ("init_lora_weights", #""pissa_niter_4""#), ("init_lora_weights", #""olora""#),
    ] {
      let message = try refusal(tensors, metadata: ["lora_adapter_metadata": #"{"unet.\#(key)": \#(value)}"#])
      #expect(message.hasPrefix("FILE was made with 'unet.\(key)' "), "\(message)")
      #expect(message.hasSuffix(", which is not supported; only plain LoRAs can be merged"))
    }
    #expect(
      try refusal(tensors, metadata: ["lora_adapter_metadata": "["])
        == "FILE says of itself in 'lora_adapter_metadata' what is no JSON object")
    #expect(try refusal(tensors) == "")
    for plain in ["true", "false", "null", #""gaussian""#] {
      let metadata = ["lora_adapter_metadata": #"{"unet.init_lora_weights": \#(plain)}"#]
      #expect(try refusal(tensors, metadata: metadata) == "")
    }
  }

  @Test func aFileThatIsNoLoRA() throws {
    #expect(
      try refusal([("conv_in.weight", Self.up)])
        == "FILE holds no LoRA: no name in it ends in lora_down.weight, lora_A.weight or lora.down.weight; a model is "
        + "given with --model")
    try folder.write(ForeignFileTests.torch.utf8, to: "lora.bin")
    #expect(
      errorMessage { try ModelFolder(TinyModel.path, loras: [LoRA(path: folder("lora.bin"))]) }.hasPrefix(
        "'\(folder("lora.bin"))' is a PyTorch checkpoint"))
  }
}
