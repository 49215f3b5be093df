import SDLensCore

/// The sizes of the autoencoder, from its `config.json`.
public struct DecoderConfig: Sendable {
  /// Channels of the stages, outermost (the picture's) first.
  public let widths: [Int]
  /// Residual blocks in each stage of the encoder; the decoder has one more.
  public let layersPerStage: Int
  /// Groups of the group norms.
  public let groups: Int
  /// Channels of the latents.
  public let latentChannels: Int
  /// Channels of the picture.
  public let outChannels: Int
  /// Latents are divided by this before they are decoded.
  public let scalingFactor: Float
  /// Whether a 1 × 1 convolution stands before the decoder.
  public let usesPostConvolution: Bool
  /// Whether a 1 × 1 convolution stands behind the encoder.
  public let usesQuantConvolution: Bool
  /// Whether the middle has an attention.
  public let usesAttention: Bool

  /// Picture pixels along one side of a latent pixel.
  public var factor: Int { 1 << (widths.count - 1) }

  /// Reads the sizes and refuses every setting that would make it another computation.
  public init(_ file: ConfigFile) throws {
    widths = try file.ints("block_out_channels", in: 1...1 << 16)
    guard !widths.isEmpty, widths.count <= 8 else {
      throw BadConfigValue(
        path: file.path, key: "block_out_channels", found: file["block_out_channels"],
        needed: "a list of 1 to 8 integers")
    }
    let stages = JSONValue.array(Array(repeating: "UpDecoderBlock2D", count: widths.count))
    try file.require("up_block_types", stages, default: .null)
    try file.require("act_fn", "silu")
    for key in ["latents_mean", "latents_std", "shift_factor"] { try file.require(key, .null) }
    layersPerStage = try file.int("layers_per_block", in: 1...64, default: 1)
    groups = try file.int("norm_num_groups", default: 32)
    latentChannels = try file.int("latent_channels", default: 4)
    outChannels = try file.int("out_channels", in: 3...3, default: 3)
    scalingFactor = Float(try file.double("scaling_factor", in: 1e-6...1e6, default: 0.18215))
    usesPostConvolution = try file.bool("use_post_quant_conv", default: true)
    usesQuantConvolution = try file.bool("use_quant_conv", default: true)
    usesAttention = try file.bool("mid_block_add_attention", default: true)
    for width in widths where width % groups != 0 {
      throw UnevenWidth(path: file.path, width: width, groups: groups)
    }
  }
}
