import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensTestSupport
import Testing

/// The tiny decoder equals diffusers' AutoencoderTiny; Scripts/goldens/tiny_decoder.py has the recipe.
@Suite struct TinyDecoderTests {
  private static let path = Goldens()("tiny-decoder")
  private let folder: TemporaryFolder

  /// A copy in which the configuration can be changed.
  init() throws {
    folder = try TemporaryFolder()
    let files = FileManager.default
    try files.createDirectory(atPath: folder("decoder"), withIntermediateDirectories: false)
    for name in try files.contentsOfDirectory(atPath: Self.path) {
      try files.createSymbolicLink(
        atPath: folder("decoder/\(name)"), withDestinationPath: "\(Self.path)/\(name)")
    }
  }

  private func set(_ key: String, _ json: String) throws {
    try TinyModel.set(key, to: json, in: "decoder/config.json", of: folder)
  }

  // Reached: 2e-7, and 8e-7 in 0…1.
  // AutoencoderTiny.from_pretrained(…).decode(latents).sample
  @Test(arguments: ["single", "pair", "least"], EngineChoice.engines)
  func picturesEqualDiffusers(_ name: String, _ engine: EngineChoice) throws {
    let goldens = try TinyModel.goldens("tiny-decoder")
    let decoder = try TinyDecoder(DecoderFolder(Self.path, engine: engine.engine))
    let image = try decoder(goldens.channelsLast("\(name).latents"))
    try goldens.expect(image, equals: "\(name).image", within: 8e-7)
  }

  // StableDiffusionXLPipeline divides by the factor of whatever decoder it has.
  @Test func latentsAreDividedByTheFactorOfTheFile() throws {
    let latents = try TinyModel.goldens("tiny-decoder").channelsLast("single.latents")
    let usual = try TinyDecoder(DecoderFolder(Self.path))
    try set("scaling_factor", "0.5")
    let other = try TinyDecoder(DecoderFolder(folder("decoder")))
    expectClose(other(latents), usual(latents.scaled(by: 2)), within: 1e-6, "half the factor")
  }

  @Test func aModelDecodesDraftsWithIt() throws {
    let model = try ModelFolder(TinyModel.path, decoder: Self.path)
    let pipeline = try Pipeline(model)
    let latents = try TinyModel.goldens("tiny-decoder").channelsLast("single.latents")
    let draft = try pipeline.picture(latents)
    let wanted = try TinyModel.goldens("tiny-decoder").channelsLast("single.image")
    let clamped = Tensor(wanted.elements.map { min(max($0 / 2 + 0.5, 0), 1) }, wanted.shape)
    expectClose(draft, clamped, within: 3e-6, "draft")
    let exact = try TinyModel.pipeline.picture(latents)
    #expect(exact.shape == draft.shape && exact.differs(from: draft))
    // It is a fact of its own: the model is the same.
    let plain = try ModelFolder(TinyModel.path)
    #expect(try model.fingerprint().description == plain.fingerprint().description)
    #expect(try plain.otherDecoder == nil)
    #expect(try model.otherDecoder?.wholeMatch(of: /tiny-decoder [0-9a-f]{16}/) != nil)
    let (small, large) = (try ModelSummary(model), try ModelSummary(plain))
    #expect(small.parts.map(\.name) == large.parts.map(\.name) + ["decoder"])
    // Three maps of 16 channels are as large as three of the VAE's widest late stage, but it has fewer weights.
    #expect(small.memory <= large.memory)
    #expect(small.decoder == (try model.otherDecoder) && large.decoder == nil)
  }

  @Test(arguments: [
    (
      "_class_name", #""AutoencoderKL""#,
      "'_class_name' is \"AutoencoderKL\", which is not supported; supported: \"AutoencoderTiny\""
    ),
    ("_class_name", "", "'_class_name' is null, which is not supported; supported: \"AutoencoderTiny\""),
    ("act_fn", #""silu""#, "'act_fn' is \"silu\", which is not supported; supported: \"relu\""),
    (
      "upsample_fn", #""bilinear""#,
      "'upsample_fn' is \"bilinear\", which is not supported; supported: \"nearest\""
    ),
    (
      "upsampling_scaling_factor", "4",
      "'upsampling_scaling_factor' is 4, which is not supported; supported: 2"
    ),
    (
      "latents_mean", "[0, 0, 0, 0]",
      "'latents_mean' is [0, 0, 0, 0], which is not supported; supported: null"
    ),
    ("shift_factor", "0.1", "'shift_factor' is 0.1, which is not supported; supported: 0, null"),
    ("scaling_factor", "0", "'scaling_factor' is 0, but it must be a number from 1e-06 to 1000000.0"),
    ("out_channels", "4", "'out_channels' is 4, but it must be an integer from 3 to 3"),
    ("latent_channels", "0", "'latent_channels' is 0, but it must be an integer from 1 to 16777216"),
    (
      "decoder_block_out_channels", "[16, 16, 16, 8]",
      "'decoder_block_out_channels' is [16, 16, 16, 8], but it must be a list of 1 to 8 equal integers"
    ),
    (
      "decoder_block_out_channels", "[]",
      "'decoder_block_out_channels' is [], but it must be a list of 1 to 8 equal integers"
    ),
    (
      "num_decoder_blocks", "[1, 1, 1]",
      "'num_decoder_blocks' is [1, 1, 1], but it must be a list of 4 integers, as many as "
        + "'decoder_block_out_channels' has"
    ),
    (
      "num_decoder_blocks", "[1, 1, 1, 65]",
      "'num_decoder_blocks' is [1, 1, 1, 65], but it must be a list of integers from 0 to 64"
    ),
  ])
  func aDecoderThatIsNotBuilt(key: String, json: String, message: String) throws {
    try set(key, json)
    #expect(
      errorMessage { try TinyDecoder(DecoderFolder(folder("decoder"))) }
        == "'\(folder("decoder"))/config.json': \(message)")
  }

  @Test func otherSizesThanTheWeightsHave() throws {
    try set("num_decoder_blocks", "[2, 1, 1, 1]")
    #expect(
      errorMessage { try TinyDecoder(DecoderFolder(folder("decoder"))) }.contains("decoder.layers."))
    try set("num_decoder_blocks", "[1, 1, 0, 1]")
    #expect(
      errorMessage { try TinyDecoder(DecoderFolder(folder("decoder"))) }.contains("decoder.layers."))
  }

  @Test func aDecoderOfAnotherSizeThanTheModels() throws {
    let json =
      #"{"_class_name": "AutoencoderTiny", "decoder_block_out_channels": [1], "num_decoder_blocks": [0]}"#
    try folder.write(json.utf8, to: "one/config.json")
    let shapes: [(String, Shape)] = [
      ("0.weight", [1, 4, 3, 3]), ("0.bias", [1]), ("2.weight", [3, 1, 3, 3]), ("2.bias", [3]),
    ]
    try Safetensors.write(
      shapes.map { .init("decoder.layers.\($0)", Tensor(repeating: 0, $1)) },
      to: folder("one/diffusion_pytorch_model.safetensors"))
    #expect(
      errorMessage { try Pipeline(ModelFolder(TinyModel.path, decoder: folder("one"))) }
        == "'\(folder("one"))' makes 1 pixels a side of latents of 4 channels, but the model's own decoder 8 of 4; give a "
        + "--decoder that was made for this model")
  }

  @Test func decodersThatAreNotThere() throws {
    func message(_ name: String) -> String {
      errorMessage {
        try ModelFolder(TinyModel.path, decoder: name, environment: ["HF_HUB_CACHE": folder("cache")])
      }
    }
    let needed =
      "--decoder takes a folder with an AutoencoderTiny of diffusers (config.json, "
      + "diffusion_pytorch_model.safetensors), or a Hugging Face id such as madebyollin/taesdxl"
    #expect(message("none/of/these") == "there is no folder 'none/of/these'; \(needed)")
    #expect(message(Self.path + "/config.json") == "'\(Self.path)/config.json' is a file; \(needed)")
    #expect(
      message("madebyollin/taesdxl")
        == "'madebyollin/taesdxl' is neither a folder nor in the local cache '\(folder("cache"))'; download it with: "
        + "hf download madebyollin/taesdxl --include 'config.json' --include 'diffusion_pytorch_model*.safetensors'"
    )
    #expect(
      errorMessage { try Pipeline(ModelFolder(TinyModel.path, decoder: folder.path)) }.contains("config.json")
    )
  }
}
