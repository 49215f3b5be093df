import Foundation
import SDLensCore

/// The decoder of a tiny autoencoder, for drafts: latents to pictures at a small part of the work (diffusers:
/// AutoencoderTiny.decode; TAESD of O. Boer Bohan).
///
/// `x = 3 tanh(latents / 3)`, a convolution, then stages of residual blocks, each but the last twice the size, and a
/// convolution; every convolution is 3 × 3 of one width.
public struct TinyDecoder: Sendable {
  /// `x = relu(conv(relu(conv(relu(conv(x))))) + x)`.
  private struct Block: Sendable {
    let convolutions: [Convolution]

    init(_ w: WeightScope, width: Int) throws {
      // Between them stand activations, which are counted too.
      convolutions = try [0, 2, 4].map {
        try Convolution(w["conv"][$0], inputs: width, outputs: width)
      }
    }

    func callAsFunction(_ x: inout Tensor) {
      var y = x
      for convolution in convolutions.dropLast() {
        y = convolution(y)
        y.apply(.relu)
      }
      convolutions[convolutions.count - 1].add(y, to: &x)
      x.apply(.relu)
    }
  }

  /// Blocks, and the convolution behind them: in all stages but the last after doubling the size.
  private struct Stage: Sendable {
    let blocks: [Block]
    let convolution: Convolution
  }

  /// What a decoder-only reader leaves in the file.
  static let unusedWeights = ["encoder."]

  /// The sizes.
  public let config: TinyDecoderConfig
  private let convolutionIn: Convolution
  private let stages: [Stage]

  /// Reads the decoder from the root of the autoencoder's weight file.
  public init(_ root: WeightScope, config: TinyDecoderConfig) throws {
    self.config = config
    let (w, width) = (root["decoder"]["layers"], config.width)
    convolutionIn = try Convolution(w[0], inputs: config.latentChannels, outputs: width)
    // The layers are numbered through, activations and upsamplers among them.
    var next = 2
    stages = try config.blocks.enumerated().map { stage, count in
      let isLast = stage == config.blocks.count - 1
      let blocks = try (0..<count).map { try Block(w[next + $0], width: width) }
      next += count + (isLast ? 0 : 1)
      defer { next += 1 }
      return Stage(
        blocks: blocks,
        convolution: try Convolution(
          w[next], inputs: width, outputs: isLast ? config.outChannels : width, bias: isLast))
    }
  }

  /// Reads the decoder of a folder.
  ///
  /// - Throws: `WeightError`.
  public init(_ folder: DecoderFolder) throws {
    let weights = try folder.weights()
    try self.init(weights.root, config: folder.config)
    try weights.finish(ignoring: Self.unusedWeights)
  }

  /// Latents [batch, h, w, 4] as the sampler leaves them → pictures [batch, 8h, 8w, 3], about −1…1.
  public func callAsFunction(_ latents: Tensor) -> Tensor {
    var clamped = latents
    clamped.withMutableElements { x in
      for index in x.indices { x[index] = 3 * tanh(x[index] / config.scalingFactor / 3) }
    }
    var x = convolutionIn(clamped)
    x.apply(.relu)
    for (index, stage) in stages.enumerated() {
      for block in stage.blocks { block(&x) }
      if index < stages.count - 1 {
        x = Upsampling.nearest(x, height: 2 * x.shape[1], width: 2 * x.shape[2])
      }
      x = stage.convolution(x)
    }
    return x.scaled(by: 2, plus: -1)
  }
}

/// The sizes of a tiny autoencoder's decoder, from its `config.json`.
public struct TinyDecoderConfig: Sendable {
  /// Channels of all stages.
  public let width: Int
  /// Residual blocks of each stage, the smallest map first.
  public let blocks: [Int]
  /// Channels of the latents.
  public let latentChannels: Int
  /// Channels of the picture.
  public let outChannels: Int
  /// Latents are divided by this before they are decoded; 1 in TAESDXL, which learned from the sampler's own.
  public let scalingFactor: Float

  /// Picture pixels along one side of a latent pixel.
  public var factor: Int { 1 << (blocks.count - 1) }

  /// Reads the sizes and refuses every setting that would make it another computation.
  public init(_ file: ConfigFile) throws {
    try file.require("_class_name", "AutoencoderTiny", default: .null)
    let widths = try file.ints("decoder_block_out_channels", default: [64, 64, 64, 64])
    guard let width = widths.first, widths.count <= 8, widths.allSatisfy({ $0 == width }) else {
      throw BadConfigValue(
        path: file.path, key: "decoder_block_out_channels", found: file["decoder_block_out_channels"],
        needed: "a list of 1 to 8 equal integers")
    }
    self.width = width
    blocks = try file.ints("num_decoder_blocks", in: 0...64, default: [3, 3, 3, 1])
    guard blocks.count == widths.count else {
      throw BadConfigValue(
        path: file.path, key: "num_decoder_blocks", found: file["num_decoder_blocks"],
        needed: "a list of \(widths.count) integers, as many as 'decoder_block_out_channels' has")
    }
    try file.require("act_fn", "relu")
    try file.require("upsample_fn", "nearest")
    try file.require("upsampling_scaling_factor", 2)
    for key in ["latents_mean", "latents_std"] { try file.require(key, .null) }
    try file.require("shift_factor", 0, .null)
    latentChannels = try file.int("latent_channels", default: 4)
    outChannels = try file.int("out_channels", in: 3...3, default: 3)
    scalingFactor = Float(try file.double("scaling_factor", in: 1e-6...1e6, default: 1))
  }
}
