import SDLensCore

/// A CLIP text encoder: tokens to one vector each and, with a projection, one for the whole text
/// (transformers: CLIPTextModel, CLIPTextModelWithProjection).
public struct TextEncoder: Sendable {
  /// The sizes.
  public let config: TextEncoderConfig
  private let tokenEmbedding: WeightMatrix
  private let positionEmbedding: Tensor
  private let layers: [CLIPLayer]
  private let finalNorm: LayerNorm
  private let projection: Linear?

  /// What is left in the file of a whole CLIP: the positions 0, 1, 2, … and the scale that is for training.
  public static let unusedWeights = [".position_ids", "logit_scale"]

  /// What is left in the file of a text encoder by itself: what other programs put beside it.
  ///
  /// Without a projection of its own, that of a whole CLIP; and all that encodes pictures.
  public static func unusedWeights(projected: Bool) -> [String] {
    unusedWeights + ["vision_model.", "visual_projection.weight"]
      + (projected ? [] : ["text_projection.weight"])
  }

  /// What a batch of texts becomes.
  public struct Output: Sendable {
    /// The residual stream before the last layer, [batch, tokens, width].
    public let penultimate: Tensor
    /// The projected state of the token that ends each text, [batch, projection]; nil without a projection.
    public let pooled: Tensor?
  }

  /// Reads the weights, those of `text_projection` too if `projected`.
  ///
  /// - Throws: `WeightError`.
  public init(_ w: WeightScope, config: TextEncoderConfig, projected: Bool) throws {
    self.config = config
    // transformers 5 leaves the first name out when it saves a model without projection that it made.
    let text = w.contains("text_model") ? w["text_model"] : w
    let embeddings = text["embeddings"]
    tokenEmbedding = try embeddings["token_embedding"].matrix(
      "weight", [config.vocabularySize, config.width])
    positionEmbedding = try embeddings["position_embedding"].tensor(
      "weight", [config.positions, config.width])
    layers = try (0..<config.layers).map {
      try CLIPLayer(
        text["encoder"]["layers"][$0], width: config.width, innerWidth: config.innerWidth,
        heads: config.heads, epsilon: config.epsilon, activation: config.activation, causal: true)
    }
    finalNorm = try LayerNorm(text["final_layer_norm"], width: config.width, epsilon: config.epsilon)
    projection =
      projected
      ? try Linear(w["text_projection"], inputs: config.width, outputs: config.projectionWidth, bias: false)
      : nil
  }

  /// Encodes texts of equally many tokens, which the vocabulary and the positions allow.
  public func callAsFunction(_ texts: [[Int]]) -> Output {
    var x = embedded(texts)
    for layer in layers.dropLast() { layer(&x) }
    let penultimate = x
    guard let projection else { return Output(penultimate: penultimate, pooled: nil) }
    layers[layers.count - 1](&x)
    let ends = texts.indices.map { $0 * texts[0].count + end(of: texts[$0]) }
    return Output(penultimate: penultimate, pooled: projection(finalNorm(x.gathered(rows: ends))))
  }

  /// The last state of every token of texts of equally many, [batch, tokens, width] (transformers: last_hidden_state).
  public func states(of texts: [[Int]]) -> Tensor {
    var x = embedded(texts)
    for layer in layers { layer(&x) }
    return finalNorm(x)
  }

  /// The sum of token and position embeddings, [batch, tokens, width].
  private func embedded(_ texts: [[Int]]) -> Tensor {
    let (tokens, width) = (texts[0].count, config.width)
    precondition(tokens <= config.positions && texts.allSatisfy { $0.count == tokens })
    var x = Tensor(uninitialized: [texts.count, tokens, width])
    x.withMutableElements { x in
      positionEmbedding.withElements { positions in
        for (row, id) in texts.joined().enumerated() {
          tokenEmbedding.withRows(id..<id + 1) { token in
            for column in 0..<width {
              x[row * width + column] = token[column] + positions[row % tokens * width + column]
            }
          }
        }
      }
    }
    return x
  }

  /// Where a text ends: at the first end token, or at 0 if it has none.
  ///
  /// An end token of 2 in the file is a mistake of old ones: then it is the first token of the largest number.
  public func end(of ids: [Int]) -> Int {
    ids.firstIndex(of: config.endToken == 2 ? ids.max() ?? 0 : config.endToken) ?? 0
  }
}

extension Tensor {
  /// Some of the vectors along the last axis, [rows, width].
  fileprivate func gathered(rows: [Int]) -> Tensor {
    Tensor(
      rows.flatMap { row in withElements { Array($0[row * width..<(row + 1) * width]) } },
      [rows.count, width])
  }
}
