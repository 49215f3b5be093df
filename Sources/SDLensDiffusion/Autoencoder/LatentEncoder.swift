import Foundation
import SDLensCore

/// The encoder of the autoencoder: pictures to latents (diffusers: AutoencoderKL.encode).
public struct LatentEncoder: Sendable {
  /// One stage on the way to the latents: residual blocks, then half the size.
  private struct Stage: Sendable {
    let blocks: [ResidualBlock]
    let downsampler: Convolution?
  }

  private static let epsilon: Float = 1e-6
  /// What of an autoencoder's weights it does not need.
  static let unusedWeights = ["decoder.", "post_quant_conv."]

  /// The sizes of the model.
  public let config: DecoderConfig
  private let convolutionIn: Convolution
  private let stages: [Stage]
  private let middle: (ResidualBlock, PixelAttention?, ResidualBlock)
  private let normOut: GroupNorm
  private let convolutionOut: Convolution
  private let quantConvolution: Convolution?

  /// Reads the encoder of a model.
  ///
  /// - Throws: `NoEncoder`, `WeightError`, and the errors of `ConfigFile`.
  public init(_ folder: ModelFolder) throws {
    let file = try folder.config("vae")
    let config = try DecoderConfig(file)
    let types = JSONValue.array(Array(repeating: "DownEncoderBlock2D", count: config.widths.count))
    try file.require("down_block_types", types, default: .null)
    _ = try file.int("in_channels", in: 3...3, default: 3)
    let weights = try folder.weights("vae")
    guard weights.root.contains("encoder") else { throw NoEncoder(path: weights.path) }
    try self.init(weights.root, config: config)
    try weights.finish(ignoring: Self.unusedWeights)
  }

  private init(_ root: WeightScope, config: DecoderConfig) throws {
    self.config = config
    let (w, widths) = (root["encoder"], config.widths)
    func residual(_ w: WeightScope, _ inputs: Int, _ outputs: Int) throws -> ResidualBlock {
      try ResidualBlock(
        w, inputs: inputs, outputs: outputs, timeWidth: nil, groups: config.groups, epsilon: Self.epsilon)
    }
    convolutionIn = try Convolution(w["conv_in"], inputs: 3, outputs: widths[0])
    stages = try widths.indices.map { stage in
      let down = w["down_blocks"][stage]
      let width = widths[stage]
      return Stage(
        blocks: try (0..<config.layersPerStage).map {
          try residual(down["resnets"][$0], $0 == 0 ? widths[max(0, stage - 1)] : width, width)
        },
        downsampler: stage == widths.count - 1
          ? nil
          : try Convolution(
            down["downsamplers"][0]["conv"], inputs: width, outputs: width, stride: 2, padding: 0))
    }
    let (last, mid) = (widths[widths.count - 1], w["mid_block"])
    middle = (
      try residual(mid["resnets"][0], last, last),
      config.usesAttention
        ? try PixelAttention(
          mid["attentions"][0], width: last, groups: config.groups, epsilon: Self.epsilon) : nil,
      try residual(mid["resnets"][1], last, last)
    )
    normOut = try GroupNorm(w["conv_norm_out"], channels: last, groups: config.groups, epsilon: Self.epsilon)
    let moments = 2 * config.latentChannels
    convolutionOut = try Convolution(w["conv_out"], inputs: last, outputs: moments)
    quantConvolution =
      config.usesQuantConvolution
      ? try Convolution(root["quant_conv"], inputs: moments, outputs: moments, kernel: 1) : nil
  }

  /// Pictures [batch, height, width, 3] in −1…1, sides multiples of the factor → the distribution of their latents
  /// [batch, h, w, 4].
  public func callAsFunction(_ pictures: Tensor) -> LatentDistribution {
    callAsFunction(pictures) { _, _ in }
  }

  /// The same, showing `watch` what leaves each stage, under the stage's name in the checkpoint.
  package func callAsFunction(_ pictures: Tensor, watch: (String, Tensor) -> Void) -> LatentDistribution {
    precondition(
      pictures.shape[1] % config.factor == 0 && pictures.shape[2] % config.factor == 0,
      "\(pictures.shape) for a factor of \(config.factor)")
    var x = convolutionIn(pictures)
    watch("conv_in", x)
    for (index, stage) in stages.enumerated() {
      for block in stage.blocks { block(&x) }
      if let downsampler = stage.downsampler { x = downsampler(x.paddedBelowAndRight()) }
      watch("down_blocks.\(index)", x)
    }
    middle.0(&x)
    middle.1?(&x)
    watch("mid_block.attentions.0", x)
    middle.2(&x)
    watch("mid_block", x)
    x = convolutionOut(normOut(x, silu: true))
    if let quantConvolution { x = quantConvolution(x) }
    watch("moments", x)
    return LatentDistribution(moments: x)
  }
}

/// What the encoder makes of pictures: for each number of the latents a mean and a deviation (diffusers:
/// DiagonalGaussianDistribution). They are not yet multiplied by the scaling factor.
public struct LatentDistribution: Sendable {
  /// [batch, h, w, 4]; the mode of the distribution too.
  public let mean: Tensor
  /// [batch, h, w, 4].
  public let deviation: Tensor

  /// - Parameter moments: [batch, h, w, 8], means and logarithms of variances; these are held in −30…20.
  init(moments: Tensor) {
    let channels = moments.width / 2
    let shape: Shape = [moments.shape[0], moments.shape[1], moments.shape[2], channels]
    func part(from first: Int, _ change: (Float) -> Float) -> Tensor {
      let numbers = moments.withElements { x in
        (0..<shape.count).map { change(x[$0 / channels * 2 * channels + first + $0 % channels]) }
      }
      return Tensor(numbers, shape)
    }
    mean = part(from: 0) { $0 }
    deviation = part(from: channels) { exp(0.5 * min(max($0, -30), 20)) }
  }

  /// A draw from it, `mean + deviation · noise`; `noise` is of unit variance.
  public func sample(_ noise: Tensor) -> Tensor {
    let fresh = deviation.combined(with: noise) { $0 * $1 }
    return mean.combined(with: fresh) { $0 + $1 }
  }
}

extension Tensor {
  /// [batch, height, width, channels] with one more row below and one more column at the right, of zeros: the way in which
  /// the autoencoder pads before it halves a map.
  fileprivate func paddedBelowAndRight() -> Tensor {
    let (batch, height, line) = (shape[0], shape[1], shape[2] * shape[3])
    let wide = line + shape[3]
    var result = Tensor(repeating: 0, [batch, height + 1, shape[2] + 1, shape[3]])
    result.withMutableElements { y in
      withElements { x in
        for row in 0..<batch * height {
          let start = (row / height * (height + 1) + row % height) * wide
          _ = y[start...].update(fromContentsOf: x[row * line..<(row + 1) * line])
        }
      }
    }
    return result
  }

  /// A picture as the encoder reads it, [1, height, width, 3] in −1…1: `2 x / 255 − 1`, as diffusers does.
  ///
  /// - Parameter picture: of three channels.
  public init(signed picture: Picture) {
    precondition(picture.channels == 3, "\(picture.channels) channels")
    self.init(
      picture.samples.map { 2 * (Float($0) / 255) - 1 }, [1, picture.height, picture.width, 3])
  }
}

/// An autoencoder that can only decode.
struct NoEncoder: UserError {
  let path: String
  var description: String {
    "'\(path)' has no encoder (no weight begins with 'encoder.'), so that no picture can be read with it; give a whole "
      + "autoencoder with --vae, as stabilityai/sdxl-vae"
  }
}
