import SDLensCore
import SDLensDiffusion
import SDLensTestSupport
import Testing

@Suite struct DecoderGoldenTests {
  // Reached: 1.1e-6 inside, 1.7e-6 for the image; PyTorch's own float32 is 1.3e-6 off.
  // vae.decode(latents / vae.config.scaling_factor).sample, with forward hooks on its modules
  @Test(arguments: ["single", "pair", "least"], EngineChoice.engines)
  func everyStageEqualsDiffusers(_ name: String, _ engine: EngineChoice) throws {
    let goldens = try TinyModel.goldens("vae")
    var stages: [String: Tensor] = [:]
    let decoder = try TinyModel.pipeline(engine).decoder
    let image = try decoder(goldens.channelsLast("\(name).latents")) { stages[$0] = $1 }
    #expect(stages.count == 9)
    for (stage, output) in stages.sorted(by: { $0.key < $1.key }) {
      try goldens.expect(output, equals: "\(name).\(stage)", within: 4e-6)
    }
    try goldens.expect(image, equals: "\(name).image", within: 6e-6)
  }
}
