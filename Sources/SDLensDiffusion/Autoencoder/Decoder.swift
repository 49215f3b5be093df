import SDLensCore

/// The decoder of the autoencoder: latents to pictures (diffusers: AutoencoderKL.decode).
public struct Decoder: Sendable {
  /// One stage on the way to the picture: residual blocks, then twice the size.
  struct Stage: Sendable {
    let blocks: [ResidualBlock]
    let upsampler: Convolution?
  }

  /// What a decoder-only reader leaves in the file.
  static let unusedWeights = ["encoder.", "quant_conv."]
  private static let epsilon: Float = 1e-6

  /// The sizes of the model.
  public let config: DecoderConfig
  let postConvolution: Convolution?
  let convolutionIn: Convolution
  let middle: (ResidualBlock, PixelAttention?, ResidualBlock)
  let stages: [Stage]
  let normOut: GroupNorm
  let convolutionOut: Convolution

  /// Reads the decoder from the root of the autoencoder's weight file.
  public init(_ root: WeightScope, config: DecoderConfig) throws {
    self.config = config
    let widths = Array(config.widths.reversed())
    let w = root["decoder"]
    func residual(_ w: WeightScope, _ inputs: Int, _ outputs: Int) throws -> ResidualBlock {
      try ResidualBlock(
        w, inputs: inputs, outputs: outputs, timeWidth: nil, groups: config.groups, epsilon: Self.epsilon)
    }
    let channels = config.latentChannels
    postConvolution =
      config.usesPostConvolution
      ? try Convolution(root["post_quant_conv"], inputs: channels, outputs: channels, kernel: 1) : nil
    convolutionIn = try Convolution(w["conv_in"], inputs: channels, outputs: widths[0])
    let mid = w["mid_block"]
    middle = (
      try residual(mid["resnets"][0], widths[0], widths[0]),
      config.usesAttention
        ? try PixelAttention(
          mid["attentions"][0], width: widths[0], groups: config.groups, epsilon: Self.epsilon) : nil,
      try residual(mid["resnets"][1], widths[0], widths[0])
    )
    stages = try widths.indices.map { stage in
      let up = w["up_blocks"][stage]
      let width = widths[stage]
      return Stage(
        blocks: try (0...config.layersPerStage).map {
          try residual(up["resnets"][$0], $0 == 0 ? widths[max(0, stage - 1)] : width, width)
        },
        upsampler: stage == widths.count - 1
          ? nil : try Convolution(up["upsamplers"][0]["conv"], inputs: width, outputs: width))
    }
    let last = widths[widths.count - 1]
    normOut = try GroupNorm(w["conv_norm_out"], channels: last, groups: config.groups, epsilon: Self.epsilon)
    convolutionOut = try Convolution(w["conv_out"], inputs: last, outputs: config.outChannels)
  }

  /// Latents [batch, h, w, 4] as the sampler leaves them → pictures [batch, 8h, 8w, 3], about −1…1.
  public func callAsFunction(_ latents: Tensor) -> Tensor { callAsFunction(latents) { _, _ in } }

  /// The same, showing `watch` what leaves each stage, under the stage's name in the checkpoint.
  package func callAsFunction(_ latents: Tensor, watch: (String, Tensor) -> Void) -> Tensor {
    var x = latents.scaled(by: 1 / config.scalingFactor)
    if let postConvolution { x = postConvolution(x) }
    watch("post_quant_conv", x)
    x = convolutionIn(x)
    watch("conv_in", x)
    middle.0(&x)
    watch("mid_block.resnets.0", x)
    middle.1?(&x)
    watch("mid_block.attentions.0", x)
    middle.2(&x)
    watch("mid_block", x)
    for (index, stage) in stages.enumerated() {
      for block in stage.blocks { block(&x) }
      if let upsampler = stage.upsampler {
        x = upsampler(Upsampling.nearest(x, height: 2 * x.shape[1], width: 2 * x.shape[2]))
      }
      watch("up_blocks.\(index)", x)
    }
    return convolutionOut(normOut(x, silu: true))
  }
}

/// One-headed attention over the pixels of a feature map, added to it.
struct PixelAttention: Sendable {
  let norm: GroupNorm
  let toQuery: Linear
  let toKey: Linear
  let toValue: Linear
  let toOut: Linear
  let attention: Attention

  init(_ w: WeightScope, width: Int, groups: Int, epsilon: Float) throws {
    norm = try GroupNorm(w["group_norm"], channels: width, groups: groups, epsilon: epsilon)
    // The older names are those of files written before diffusers 0.18.
    toQuery = try Linear(w["to_q", formerly: "query"], inputs: width, outputs: width)
    toKey = try Linear(w["to_k", formerly: "key"], inputs: width, outputs: width)
    toValue = try Linear(w["to_v", formerly: "value"], inputs: width, outputs: width)
    toOut = try Linear(w["to_out.0", formerly: "proj_attn"], inputs: width, outputs: width)
    attention = Attention(w, heads: 1)
  }

  /// [batch, height, width, channels] → the same shape.
  func callAsFunction(_ x: inout Tensor) {
    let tokens = norm(x).reshaped([x.shape[0], x.shape[1] * x.shape[2], x.width])
    let projected = Linear.apply([toQuery, toKey, toValue], to: tokens)
    toOut.add(attention(projected[0], projected[1], projected[2]), to: &x)
  }
}
