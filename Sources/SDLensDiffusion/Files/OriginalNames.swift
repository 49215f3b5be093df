import SDLensCore

/// The names of the weights in the original layout of SDXL, beside those of diffusers, which are ours.
///
/// Each pair is the beginning of names: what follows it is the same in both. Facts from diffusers 0.42,
/// `loaders/single_file_utils.py`.
struct OriginalNames: Sendable {
  private let toOurs: [String: String]
  private let toTheirs: [String: String]

  private init(_ pairs: [(ours: String, theirs: String)]) {
    toOurs = Dictionary(uniqueKeysWithValues: pairs.map { ($0.theirs, $0.ours) })
    toTheirs = Dictionary(uniqueKeysWithValues: pairs.map { ($0.ours, $0.theirs) })
  }

  /// Our name for one of theirs; nil for what is none.
  func ours(_ name: String) -> String? { Self.replaced(name, toOurs) }

  /// Their name for one of ours; nil for what has none.
  func theirs(_ name: String) -> String? { Self.replaced(name, toTheirs) }

  /// The name with its longest known beginning, of whole words, replaced.
  private static func replaced(_ name: String, _ table: [String: String]) -> String? {
    var end = name.endIndex
    while true {
      if let other = table[String(name[..<end])] { return other + name[end...] }
      guard let dot = name[..<end].lastIndex(of: ".") else { return nil }
      end = dot
    }
  }

  /// What of a tensor is the weight, by both of its names.
  static func form(of ours: String, _ theirs: String) -> WeightPlace.Form {
    if theirs == "text_projection" { return .transposed }
    return theirs.contains(".mid.attn_1.") && ours.hasSuffix(".weight") ? .matrix : .whole
  }

  /// Of the U-net of SDXL, and of those that have fewer layers.
  static let unet: OriginalNames = {
    var pairs = [
      ("time_embedding.linear_1", "time_embed.0"), ("time_embedding.linear_2", "time_embed.2"),
      ("add_embedding.linear_1", "label_emb.0.0"), ("add_embedding.linear_2", "label_emb.0.2"),
      ("conv_in", "input_blocks.0.0"), ("conv_norm_out", "out.0"), ("conv_out", "out.2"),
      ("mid_block.attentions.0", "middle_block.1"),
    ]
    func addResidual(_ ours: String, _ theirs: String) {
      pairs += [
        ("norm1", "in_layers.0"), ("conv1", "in_layers.2"), ("time_emb_proj", "emb_layers.1"),
        ("norm2", "out_layers.0"), ("conv2", "out_layers.3"), ("conv_shortcut", "skip_connection"),
      ].map { ("\(ours).\($0.0)", "\(theirs).\($0.1)") }
    }
    for (index, theirs) in ["middle_block.0", "middle_block.2"].enumerated() {
      addResidual("mid_block.resnets.\(index)", theirs)
    }
    for stage in 0..<3 {
      for index in 0..<2 {
        let theirs = "input_blocks.\(3 * stage + index + 1)"
        addResidual("down_blocks.\(stage).resnets.\(index)", "\(theirs).0")
        pairs.append(("down_blocks.\(stage).attentions.\(index)", "\(theirs).1"))
      }
      for index in 0..<3 {
        let theirs = "output_blocks.\(3 * stage + index)"
        addResidual("up_blocks.\(stage).resnets.\(index)", "\(theirs).0")
        pairs.append(("up_blocks.\(stage).attentions.\(index)", "\(theirs).1"))
      }
      pairs.append(("down_blocks.\(stage).downsamplers.0.conv", "input_blocks.\(3 * stage + 3).0.op"))
      pairs.append(("up_blocks.\(stage).upsamplers.0.conv", "output_blocks.\(3 * stage + 2).2.conv"))
    }
    return OriginalNames(pairs)
  }()

  /// Of the autoencoder, whose decoder counts its four stages from the other end.
  static let autoencoder: OriginalNames = {
    var pairs: [(String, String)] = []
    func addResidual(_ ours: String, _ theirs: String) {
      pairs += [(ours, theirs), ("\(ours).conv_shortcut", "\(theirs).nin_shortcut")]
    }
    for half in ["encoder", "decoder"] {
      pairs.append(("\(half).conv_norm_out", "\(half).norm_out"))
      for index in 0..<2 {
        addResidual("\(half).mid_block.resnets.\(index)", "\(half).mid.block_\(index + 1)")
      }
      pairs += [
        ("group_norm", "norm"), ("to_q", "q"), ("to_k", "k"), ("to_v", "v"), ("to_out.0", "proj_out"),
      ].map { ("\(half).mid_block.attentions.0.\($0.0)", "\(half).mid.attn_1.\($0.1)") }
    }
    for stage in 0..<4 {
      let (down, up) = ("encoder.down.\(stage)", "decoder.up.\(3 - stage)")
      for index in 0..<3 {
        addResidual("encoder.down_blocks.\(stage).resnets.\(index)", "\(down).block.\(index)")
        addResidual("decoder.up_blocks.\(stage).resnets.\(index)", "\(up).block.\(index)")
      }
      pairs.append(("encoder.down_blocks.\(stage).downsamplers.0.conv", "\(down).downsample.conv"))
      pairs.append(("decoder.up_blocks.\(stage).upsamplers.0.conv", "\(up).upsample.conv"))
    }
    return OriginalNames(pairs)
  }()

  /// Of OpenCLIP's text encoder, but for what `splitProjections` takes apart.
  static let openCLIP: OriginalNames = {
    var pairs = [
      ("text_model.embeddings.token_embedding", "token_embedding"),
      ("text_model.embeddings.position_embedding.weight", "positional_embedding"),
      ("text_model.final_layer_norm", "ln_final"), ("text_projection.weight", "text_projection"),
    ]
    for layer in 0..<32 {
      pairs += [
        ("layer_norm1", "ln_1"), ("layer_norm2", "ln_2"), ("mlp.fc1", "mlp.c_fc"), ("mlp.fc2", "mlp.c_proj"),
        ("self_attn.out_proj", "attn.out_proj"),
      ].map { ("text_model.encoder.layers.\(layer).\($0.0)", "transformer.resblocks.\(layer).\($0.1)") }
    }
    return OriginalNames(pairs)
  }()

  /// The three weights, or biases, that OpenCLIP keeps as one: queries, keys and values; empty for any other name.
  static func splitProjections(_ name: String) -> [String] {
    guard let match = name.wholeMatch(of: #/transformer\.resblocks\.(\d+)\.attn\.in_proj_(weight|bias)/#)
    else {
      return []
    }
    return ["q_proj", "k_proj", "v_proj"].map {
      "text_model.encoder.layers.\(match.1).self_attn.\($0).\(match.2)"
    }
  }
}
