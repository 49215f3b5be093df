import SDLensCore

/// The sizes of a U-net of SDXL's topology, from its `config.json`: SDXL's own, and smaller ones with fewer layers
/// (SSD-1B, Segmind Vega), which have no attention in the middle.
public struct UNetConfig: Sendable {
  /// Channels of the residual stream at the three levels, outermost first.
  public let widths: [Int]
  /// Transformer layers in each block; a block that is not there has none.
  let depths: [BlockName: Int]
  /// Attention heads at each level.
  public let heads: [Int]
  /// Residual blocks in each stage on the way down; one more on the way up.
  public let layersPerStage: Int
  /// Groups of the group norms.
  public let groups: Int
  /// Added to the variance in the group norms of the residual blocks.
  public let epsilon: Float
  /// Width of the prompt embeddings.
  public let contextWidth: Int
  /// Sinusoids for each of the six time ids.
  public let additionTimeWidth: Int
  /// Width of the pooled prompt and all sinusoids together.
  public let additionInputs: Int
  /// Channels of the latents.
  public let inChannels: Int
  /// Channels of the prediction.
  public let outChannels: Int
  /// Height and width of the latents that the model was trained for.
  public let sampleSize: Int

  /// Width of the time embedding.
  public var embeddingWidth: Int { 4 * widths[0] }

  /// Width of the pooled prompt embedding.
  public var pooledWidth: Int { additionInputs - 6 * additionTimeWidth }

  /// Reads the sizes and refuses every setting that would make it another computation.
  public init(_ file: ConfigFile) throws {
    try Self.checkTopology(file)
    widths = try file.ints("block_out_channels", count: 3)
    depths = try Self.depths(file)
    // SDXL's files say `attention_head_dim` where the number of heads is meant.
    let key = file["num_attention_heads"] == nil ? "attention_head_dim" : "num_attention_heads"
    heads = try file.ints(key, count: 3)
    layersPerStage = try file.int("layers_per_block", in: 2...2)
    groups = try file.int("norm_num_groups", default: 32)
    epsilon = Float(try file.double("norm_eps", in: 0...1, default: 1e-5))
    contextWidth = try file.int("cross_attention_dim")
    additionTimeWidth = try file.int("addition_time_embed_dim")
    additionInputs = try file.int("projection_class_embeddings_input_dim")
    inChannels = try file.int("in_channels", default: 4)
    outChannels = try file.int("out_channels", default: 4)
    sampleSize = try file.int("sample_size", in: 1...4096)
    for (width, heads) in zip(widths, heads) where width % groups != 0 || width % heads != 0 {
      throw UnevenWidth(path: file.path, width: width, groups: groups, heads: heads)
    }
    guard additionInputs > 6 * additionTimeWidth else {
      throw BadConfigValue(
        path: file.path, key: "projection_class_embeddings_input_dim", found: .int(additionInputs),
        needed: "more than 6 times 'addition_time_embed_dim'")
    }
  }

  private enum Middle: String, CaseIterable {
    case withAttention = "UNetMidBlock2DCrossAttn"
    /// One residual block alone.
    case plain = "UNetMidBlock2D"
  }

  /// The transformer layers of each block: one number for a level, or one for each block of a stage.
  private static func depths(_ file: ConfigFile) throws -> [BlockName: Int] {
    let key = "transformer_layers_per_block"
    let down = try stages(file, key, blocks: 2) ?? Array(repeating: [1, 1], count: 3)
    let listed =
      if case .array(let all)? = file[key] {
        all.contains { if case .array = $0 { true } else { false } }
      } else { false }
    let reverse = "reverse_\(key)"
    let up = try stages(file, reverse, blocks: 3)
    if listed, up == nil {
      throw BadConfigValue(
        path: file.path, key: reverse, found: nil, needed: "given where '\(key)' differs within a stage")
    }
    let middle: Middle = try file.choice("mid_block_type", default: .withAttention)
    var depths: [BlockName: Int] = [:]
    for name in BlockName.all {
      switch name.part {
      case .down: depths[name] = down[name.stage][name.index]
      case .mid: depths[name] = middle == .plain ? nil : down[2][0]
      case .up:
        depths[name] =
          (up ?? down.reversed().map { Array(repeating: $0[0], count: 3) })[name.stage][name.index]
      }
    }
    return depths
  }

  /// Three stages, each a number or a list of one for each block; nil when the key is absent.
  private static func stages(_ file: ConfigFile, _ key: String, blocks: Int) throws -> [[Int]]? {
    guard let value = file[key] else { return nil }
    func count(_ value: JSONValue) -> Int? {
      if case .int(let count) = value, 1...1024 ~= count { count } else { nil }
    }
    let stages: [[Int]]? =
      switch value {
      case .array(let all) where all.count == 3:
        all.compactMap { stage in
          if case .array(let list) = stage {
            let counts = list.compactMap(count)
            return counts.count == list.count && list.count == blocks ? counts : nil
          }
          return count(stage).map { Array(repeating: $0, count: blocks) }
        }
      default: count(value).map { Array(repeating: Array(repeating: $0, count: blocks), count: 3) }
      }
    guard let stages, stages.count == 3 else {
      throw BadConfigValue(
        path: file.path, key: key, found: value,
        needed: "3 integers from 1 to 1024, or lists of \(blocks) of them")
    }
    return stages
  }

  /// The settings that SDXL has and that the forward pass is built for; everything else is refused.
  private static func checkTopology(_ file: ConfigFile) throws {
    let down: [JSONValue] = ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"]
    let up: [JSONValue] = ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"]
    try file.require("down_block_types", .array(down), default: .null)
    try file.require("up_block_types", .array(up), default: .null)
    try file.require("addition_embed_type", "text_time", default: .null)
    try file.require("act_fn", "silu")
    try file.require("attention_type", "default")
    try file.require("use_linear_projection", true, default: false)
    try file.require("flip_sin_to_cos", true)
    try file.require("freq_shift", 0)
    try file.require("time_embedding_type", "positional")
    try file.require("resnet_time_scale_shift", "default")
    for key in ["conv_in_kernel", "conv_out_kernel"] { try file.require(key, 3) }
    for key in ["downsample_padding", "mid_block_scale_factor", "resnet_out_scale_factor"] {
      try file.require(key, 1)
    }
    for key in [
      "center_input_sample", "class_embeddings_concat", "dual_cross_attention", "only_cross_attention",
      "mid_block_only_cross_attention", "resnet_skip_time_act",
    ] {
      try file.require(key, false)
    }
    for key in [
      "class_embed_type", "cross_attention_norm", "encoder_hid_dim", "encoder_hid_dim_type",
      "num_class_embeds", "time_cond_proj_dim",
      "time_embedding_act_fn", "time_embedding_dim", "timestep_post_act",
    ] {
      try file.require(key, .null)
    }
  }
}

/// A level whose channels cannot be shared out evenly.
public struct UnevenWidth: UserError {
  let path: String
  let width: Int
  let groups: Int
  /// Nil where there is no attention.
  var heads: Int?
  /// The file, the width and what must divide it.
  public var description: String {
    "'\(path)': a level of \(width) channels cannot be divided into \(groups) groups"
      + (heads.map { " and \($0) heads; both numbers must divide it" } ?? "; their number must divide it")
  }
}
