import SDLensCore
import SDLensDiffusion
import SDLensTestSupport
import Testing

/// An engine of a program outside, of plain loops: only public interfaces are used in this file.
private struct PlainEngine: Engine {
  let name = "plain"

  func linear(_ weight: WeightMatrix, bias: Tensor?) -> any EngineLinear {
    Layer { Reference.product($0, weight.tensor(), bias: bias) }
  }

  func convolution(_ weight: WeightMatrix, bias: Tensor, _ geometry: ConvolutionGeometry)
    -> any EngineConvolution
  {
    let window: Shape = [geometry.outputs, geometry.inputs, geometry.kernel, geometry.kernel]
    return Layer {
      Reference.convolution(
        $0, weight.tensor().reshaped(window), bias: bias, stride: geometry.stride, padding: geometry.padding)
    }
  }

  func attention(heads: Int, causal: Bool) -> any EngineAttention { Heads(heads: heads, causal: causal) }

  private struct Layer: EngineLinear, EngineConvolution {
    let function: @Sendable (Tensor) -> Tensor
    func multiply(_ x: Tensor, into y: inout Tensor, accumulate: Bool) {
      let product = function(x).reshaped(y.shape)
      if accumulate { y += product } else { y = product }
    }
    func convolve(_ x: Tensor, into y: inout Tensor, accumulate: Bool) {
      multiply(x, into: &y, accumulate: accumulate)
    }
  }

  private struct Heads: EngineAttention {
    let heads: Int
    let causal: Bool
    func attend(_ q: Tensor, _ k: Tensor, _ v: Tensor, into y: inout Tensor, probabilities: inout Tensor?) {
      let found = Reference.attention(q, k, v, heads: heads, causal: causal)
      y = found.output
      if probabilities != nil { probabilities = found.probabilities }
    }
  }
}

@Suite struct PlainEngineTests {
  // The goldens of UNetGoldenTests and DecoderGoldenTests, at their tolerances.
  @Test func theSmallModelRunsOnAnEngineFromOutside() throws {
    let pipeline = try Pipeline(ModelFolder(TinyModel.path, engine: PlainEngine()))
    let unet = try TinyModel.goldens("unet")
    let prediction = pipeline.denoiser(
      try unet.channelsLast("least.latents"), timestep: Double(try unet.tensor("least.timestep")[0]),
      text: try unet.tensor("least.prompt_embeds"), pooled: try unet.tensor("least.pooled_prompt_embeds"),
      timeIDs: try unet.tensor("least.time_ids").elements)
    try unet.expect(prediction, equals: "least.noise_pred", within: 3.5e-6)
    let vae = try TinyModel.goldens("vae")
    let image = pipeline.decoder(try vae.channelsLast("least.latents"))
    try vae.expect(image, equals: "least.image", within: 6e-6)
  }

  @Test func theTextEncodersRunOnIt() throws {
    let plain = try PromptEncoder(ModelFolder(TinyModel.path, engine: PlainEngine()))(["a red circle"])
    let ours = try PromptEncoder(ModelFolder(TinyModel.path))(["a red circle"])
    expectClose(plain.embeddings, ours.embeddings, within: 2e-6, "embeddings")
    expectClose(plain.pooled, ours.pooled, within: 2e-6, "pooled")
  }
}
