import SDLensCore

/// The sizes of a U-net, from its `config.json`: SDXL's own, smaller ones with fewer layers (SSD-1B, Segmind Vega), which have
/// no attention in the middle, and those of Stable Diffusion 1 and 2.
public struct UNetConfig: DenoiserLayout {
  /// The kind of model.
  public let family: ModelFamily
  /// Channels of the residual stream at the levels, outermost first.
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
  /// Whether the projections around the transformer layers are 1 × 1 convolutions in the file.
  let projectsByConvolution: Bool
  /// Sinusoids for each of the six time ids; 0 where the U-net is told of no sizes.
  public let additionTimeWidth: Int
  /// Width of the pooled prompt and all sinusoids together; 0 where the U-net is told of neither.
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

  /// The transformer blocks, in the order of the forward pass.
  public var blocks: [BlockLayout] {
    BlockName.all.compactMap { name in
      depths[name].map { layers in
        let level = family.level(of: name)
        return BlockLayout(
          name: name, width: widths[level], layers: layers, heads: heads[level], level: level)
      }
    }
  }

  /// Reads the sizes and refuses every setting that would make it another computation.
  public init(_ file: ConfigFile) throws {
    family =
      ModelFamily.all.first { file["down_block_types"] == .array($0.downStages.map(JSONValue.string)) }
      ?? .sdxl
    try Self.checkTopology(file, family)
    let levels = family.downStages.count
    widths = try file.ints("block_out_channels", count: levels)
    depths = try Self.depths(file, family)
    // The files say `attention_head_dim` where the number of heads is meant.
    let key = file["num_attention_heads"] == nil ? "attention_head_dim" : "num_attention_heads"
    heads = try file.ints(key, count: levels)
    try file.require("layers_per_block", 2, .array(Array(repeating: 2, count: levels)))
    layersPerStage = 2
    groups = try file.int("norm_num_groups", default: 32)
    epsilon = Float(try file.double("norm_eps", in: 0...1, default: 1e-5))
    contextWidth = try file.int("cross_attention_dim")
    projectsByConvolution = try !file.bool("use_linear_projection", default: false)
    let isTold = family.isToldOfSizes
    additionTimeWidth = isTold ? try file.int("addition_time_embed_dim") : 0
    additionInputs = isTold ? try file.int("projection_class_embeddings_input_dim") : 0
    inChannels = try file.int("in_channels", default: 4)
    outChannels = try file.int("out_channels", default: 4)
    let sampleSize = try file.int("sample_size", in: 1...4096)
    self.sampleSize = try !isTold && Self.isEarly(file) ? max(sampleSize, 64) : sampleSize
    for (width, heads) in zip(widths, heads) where width % groups != 0 || width % heads != 0 {
      throw UnevenWidth(path: file.path, width: width, groups: groups, heads: heads)
    }
    guard !isTold || additionInputs > 6 * additionTimeWidth else {
      throw BadConfigValue(
        path: file.path, key: "projection_class_embeddings_input_dim", found: .int(additionInputs),
        needed: "more than 6 times 'addition_time_embed_dim'")
    }
  }

  /// Whether a file is of a diffusers before 0.9, whose files of Stable Diffusion may say 32 where 64 is meant: the
  /// `__init__` of `StableDiffusionPipeline` takes 64.
  private static func isEarly(_ file: ConfigFile) throws -> Bool {
    let version = try file.string("_diffusers_version", default: "").split(separator: ".").prefix(2).map {
      Int($0)
    }
    return version.count == 2 && version[0] == 0 && version[1].map { $0 < 9 } == true
  }

  private enum Middle: String, CaseIterable {
    case withAttention = "UNetMidBlock2DCrossAttn"
    /// One residual block alone.
    case plain = "UNetMidBlock2D"
  }

  /// The transformer layers of each block: one number for a level, or one for each block of a stage.
  private static func depths(_ file: ConfigFile, _ family: ModelFamily) throws -> [BlockName: Int] {
    let key = "transformer_layers_per_block"
    let levels = family.downStages.count
    let down = try stages(file, key, levels, blocks: 2) ?? Array(repeating: [1, 1], count: levels)
    let listed =
      if case .array(let all)? = file[key] {
        all.contains { if case .array = $0 { true } else { false } }
      } else { false }
    let reverse = "reverse_\(key)"
    let up = try stages(file, reverse, levels, blocks: 3)
    if listed, up == nil {
      throw BadConfigValue(
        path: file.path, key: reverse, found: nil, needed: "given where '\(key)' differs within a stage")
    }
    let middle: Middle = try file.choice("mid_block_type", default: .withAttention)
    var depths: [BlockName: Int] = [:]
    for name in family.blocks {
      switch name.part {
      case .down: depths[name] = down[name.stage][name.index]
      case .mid: depths[name] = middle == .plain ? nil : down[levels - 1][0]
      case .up:
        depths[name] =
          (up ?? down.reversed().map { Array(repeating: $0[0], count: 3) })[name.stage][name.index]
      }
    }
    return depths
  }

  /// So many stages, each a number or a list of one for each block; nil when the key is absent.
  private static func stages(
    _ file: ConfigFile, _ key: String, _ levels: Int, blocks: Int
  ) throws -> [[Int]]? {
    guard let value = file[key] else { return nil }
    func count(_ value: JSONValue) -> Int? {
      if case .int(let count) = value, 1...1024 ~= count { count } else { nil }
    }
    let stages: [[Int]]? =
      switch value {
      case .array(let all) where all.count == levels:
        all.compactMap { stage in
          if case .array(let list) = stage {
            let counts = list.compactMap(count)
            return counts.count == list.count && list.count == blocks ? counts : nil
          }
          return count(stage).map { Array(repeating: $0, count: blocks) }
        }
      default: count(value).map { Array(repeating: Array(repeating: $0, count: blocks), count: levels) }
      }
    guard let stages, stages.count == levels else {
      throw BadConfigValue(
        path: file.path, key: key, found: value,
        needed: "\(levels) integers from 1 to 1024, or lists of \(blocks) of them")
    }
    return stages
  }

  /// The settings that the family has and that the forward pass is built for; everything else is refused.
  private static func checkTopology(_ file: ConfigFile, _ family: ModelFamily) throws {
    let (down, up) = (family.downStages.map(JSONValue.string), family.upStages.map(JSONValue.string))
    try file.require("down_block_types", .array(down), default: .null)
    try file.require("up_block_types", .array(up), default: .null)
    if family.isToldOfSizes {
      try file.require("addition_embed_type", "text_time", default: .null)
      try file.require("use_linear_projection", true, default: false)
    } else {
      try file.require("addition_embed_type", .null)
    }
    try file.require("act_fn", "silu", "swish")
    try file.require("attention_type", "default")
    try file.require("flip_sin_to_cos", true)
    try file.require("freq_shift", 0)
    try file.require("time_embedding_type", "positional")
    try file.require("resnet_time_scale_shift", "default")
    for key in ["conv_in_kernel", "conv_out_kernel"] { try file.require(key, 3) }
    for key in ["downsample_padding", "mid_block_scale_factor", "resnet_out_scale_factor"] {
      try file.require(key, 1)
    }
    for key in [
      "center_input_sample", "class_embeddings_concat", "dual_cross_attention",
      "mid_block_only_cross_attention", "resnet_skip_time_act",
    ] {
      try file.require(key, false)
    }
    try file.require(
      "only_cross_attention", false, .array(Array(repeating: false, count: down.count)))
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
