import SDLensCore
import SDLensDiffusion
import SDLensTestSupport
import Testing

/// The encoder of the autoencoder equals diffusers; the recipe is in Scripts/goldens/image_to_image.py.
@Suite struct EncoderGoldenTests {
  // vae.encode(image).latent_dist, with forward hooks on its modules
  @Test(arguments: ["single", "pair", "least"], EngineChoice.engines)
  func everyStageEqualsDiffusers(_ name: String, _ engine: EngineChoice) throws {
    let goldens = try TinyModel.goldens("vae-encoder")
    let encoder = try LatentEncoder(ModelFolder(TinyModel.path, engine: engine.engine))
    var stages: [String: Tensor] = [:]
    let found = try encoder(goldens.channelsLast("\(name).image")) { stages[$0] = $1 }
    #expect(stages.count == 8)
    for (stage, output) in stages.sorted(by: { $0.key < $1.key }) {
      try goldens.expect(output, equals: "\(name).\(stage)", within: 8e-6)
    }
    try goldens.expect(found.mean, equals: "\(name).mode", within: 8e-6)
    try goldens.expect(found.deviation, equals: "\(name).std", within: 8e-6)
    // One generator for the whole batch.
    var source = NoiseSource(seeds: [42])
    try goldens.expect(found.sample(source(found.mean.shape)), equals: "\(name).sample", within: 8e-6)
  }

  @Test func whatWouldBeComputedOtherwiseIsRefused() throws {
    let folder = try TemporaryFolder()
    try TinyModel.copy(to: folder)
    try TinyModel.set("in_channels", to: "4", in: "vae/config.json", of: folder)
    func refusal() -> String { errorMessage { try LatentEncoder(ModelFolder(folder.path)) } }
    #expect(
      refusal() == "'\(folder("vae/config.json"))': 'in_channels' is 4, but it must be an integer from 3 to 3"
    )
    try TinyModel.set("in_channels", to: "", in: "vae/config.json", of: folder)
    try TinyModel.set(
      "down_block_types", to: #"["AttnDownEncoderBlock2D"]"#, in: "vae/config.json", of: folder)
    #expect(
      refusal().hasPrefix(
        "'\(folder("vae/config.json"))': 'down_block_types' is [\"AttnDownEncoderBlock2D\"], which is not supported"
      ))
  }
}
