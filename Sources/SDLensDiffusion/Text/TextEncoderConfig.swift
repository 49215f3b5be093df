import SDLensCore

/// The sizes of a CLIP text encoder, from its `config.json`; the defaults are those of transformers.
public struct TextEncoderConfig: Sendable {
  /// Token numbers the encoder knows: 0 to one less.
  public let vocabularySize: Int
  /// Width of the residual stream.
  public let width: Int
  /// Width inside the feed-forward layers.
  public let innerWidth: Int
  /// Width of the projected pooled output.
  public let projectionWidth: Int
  /// Number of transformer layers.
  public let layers: Int
  /// Attention heads in each layer.
  public let heads: Int
  /// The most tokens a text may have.
  public let positions: Int
  /// Added to the variance in the layer norms.
  public let epsilon: Float
  /// The number of the token that ends a text; see `TextEncoder.end(of:)` for 2.
  public let endToken: Int
  let activation: Activation

  /// Reads the sizes and refuses every setting that would make it another computation; of a whole CLIP, those of its text
  /// encoder.
  ///
  /// - Parameter projectionWidth: where another file than that of the encoder says it.
  /// - Throws: the errors of `ConfigFile`.
  public init(_ file: ConfigFile, projectionWidth: Int? = nil) throws {
    var (file, projectionWidth) = (file, projectionWidth)
    if file["model_type"] == "clip", let text = try file.section("text_config") {
      projectionWidth = try projectionWidth ?? file.int("projection_dim", default: 512)
      file = text
    }
    try file.require("model_type", "clip_text_model")
    vocabularySize = try file.int("vocab_size", default: 49408)
    width = try file.int("hidden_size", default: 512)
    innerWidth = try file.int("intermediate_size", default: 2048)
    self.projectionWidth = try projectionWidth ?? file.int("projection_dim", default: 512)
    layers = try file.int("num_hidden_layers", in: 1...1000, default: 12)
    heads = try file.int("num_attention_heads", default: 8)
    positions = try file.int("max_position_embeddings", default: 77)
    epsilon = Float(try file.double("layer_norm_eps", in: 0...1, default: 1e-5))
    endToken = try file.int("eos_token_id", in: 0...1 << 24, default: 49407)
    activation = try file.clipActivation()
    try file.checkHeads(heads, divide: width)
  }
}

extension ConfigFile {
  private enum ActivationName: String, CaseIterable {
    case quickGELU = "quick_gelu"
    case gelu
  }

  /// The `hidden_act` of a CLIP encoder.
  public func clipActivation() throws -> Activation {
    switch try choice("hidden_act", default: ActivationName.quickGELU) {
    case .quickGELU: .quickGELU
    case .gelu: .gelu
    }
  }

  /// Refuses a number of heads that does not divide the width.
  public func checkHeads(_ heads: Int, divide width: Int) throws {
    guard width % heads == 0 else {
      throw BadConfigValue(
        path: path, key: label("num_attention_heads"), found: .int(heads),
        needed: "a divisor of 'hidden_size', which is \(width)")
    }
  }
}
