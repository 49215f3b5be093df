import SDLensCore
import SDLensDiffusion

/// The encoder of BERT: tokens to one vector each (transformers: BertModel, last_hidden_state).
struct BERT: Sendable {
  /// Width of the vectors.
  let width: Int
  /// Token numbers the encoder knows: 0 to one less.
  let vocabularySize: Int
  /// The most tokens a text may have.
  let positions: Int
  private let words: WeightMatrix
  private let places: Tensor
  private let kind: Tensor
  private let norm: LayerNorm
  private let layers: [BERTLayer]

  /// What stays in the file: the heads for tasks, and the positions 0, 1, 2, ….
  static let unusedWeights = [
    "pooler.", "bert.pooler.", "cls.", "classifier.", "qa_outputs.", ".position_ids",
  ]

  /// Reads the sizes of a `config.json` and the weights.
  ///
  /// - Throws: `WeightError`, and the errors of `ConfigFile`.
  init(_ root: WeightScope, _ config: ConfigFile) throws {
    guard config["model_type"] == "bert" else {
      throw UnsupportedConfigValue(
        path: config.path, key: "model_type", found: config["model_type"] ?? .null, supported: ["bert"])
    }
    try config.require("hidden_act", "gelu", "gelu_python")
    try config.require("position_embedding_type", "absolute")
    try config.require("is_decoder", false)
    let width = try config.int("hidden_size", default: 768)
    let innerWidth = try config.int("intermediate_size", default: 3072)
    let depth = try config.int("num_hidden_layers", in: 1...1000, default: 12)
    let heads = try config.int("num_attention_heads", default: 12)
    let epsilon = Float(try config.double("layer_norm_eps", in: 0...1, default: 1e-12))
    let kinds = try config.int("type_vocab_size", default: 2)
    vocabularySize = try config.int("vocab_size", default: 30522)
    positions = try config.int("max_position_embeddings", default: 512)
    try config.checkHeads(heads, divide: width)
    self.width = width

    // Saved with a head of its own, the model has a name in front.
    let w = root.contains("bert") ? root["bert"] : root
    let embeddings = w["embeddings"]
    words = try embeddings["word_embeddings"].matrix("weight", [vocabularySize, width])
    places = try embeddings["position_embeddings"].tensor("weight", [positions, width])
    // A text alone is of the first kind.
    kind = try embeddings["token_type_embeddings"].tensor("weight", [kinds, width]).rows(0..<1)
    norm = try LayerNorm(bert: embeddings["LayerNorm"], width: width, epsilon: epsilon)
    layers = try (0..<depth).map {
      try BERTLayer(
        w["encoder"]["layer"][$0], width: width, innerWidth: innerWidth, heads: heads, epsilon: epsilon)
    }
  }

  /// Encodes texts of equally many tokens, [texts, tokens, width].
  func callAsFunction(_ texts: [[Int]]) -> Tensor {
    var x = norm(embedded(texts))
    for layer in layers { layer(&x) }
    return x
  }

  /// The sum of the embeddings of token, position and kind.
  private func embedded(_ texts: [[Int]]) -> Tensor {
    let tokens = texts[0].count
    precondition(tokens <= positions && texts.allSatisfy { $0.count == tokens })
    var x = Tensor(uninitialized: [texts.count, tokens, width])
    x.withMutableElements { x in
      places.withElements { places in
        for (row, id) in texts.joined().enumerated() {
          words.withRows(id..<id + 1) { word in
            for column in 0..<width {
              x[row * width + column] =
                word[column] + kind[column] + places[row % tokens * width + column]
            }
          }
        }
      }
    }
    return x
  }
}

extension LayerNorm {
  /// Reads `weight` and `bias`, or `gamma` and `beta`, as files that were made from Google's own name them.
  fileprivate init(bert w: WeightScope, width: Int, epsilon: Float) throws {
    self =
      try w.has("gamma")
      ? LayerNorm(weight: w.tensor("gamma", [width]), bias: w.tensor("beta", [width]), epsilon: epsilon)
      : LayerNorm(w, width: width, epsilon: epsilon)
  }
}

/// One layer of BERT: attention to all tokens, then a feed-forward network, each added and then normalised.
private struct BERTLayer: Sendable {
  private let toQuery: Linear
  private let toKey: Linear
  private let toValue: Linear
  private let toOut: Linear
  private let attention: Attention
  private let expand: Linear
  private let contract: Linear
  private let norms: (LayerNorm, LayerNorm)

  init(_ w: WeightScope, width: Int, innerWidth: Int, heads: Int, epsilon: Float) throws {
    let (a, out) = (w["attention"]["self"], w["attention"]["output"])
    toQuery = try Linear(a["query"], inputs: width, outputs: width)
    toKey = try Linear(a["key"], inputs: width, outputs: width)
    toValue = try Linear(a["value"], inputs: width, outputs: width)
    toOut = try Linear(out["dense"], inputs: width, outputs: width)
    attention = Attention(w, heads: heads)
    expand = try Linear(w["intermediate"]["dense"], inputs: width, outputs: innerWidth)
    contract = try Linear(w["output"]["dense"], inputs: innerWidth, outputs: width)
    norms = (
      try LayerNorm(bert: out["LayerNorm"], width: width, epsilon: epsilon),
      try LayerNorm(bert: w["output"]["LayerNorm"], width: width, epsilon: epsilon)
    )
  }

  /// Refines `x`, [batch, tokens, width].
  func callAsFunction(_ x: inout Tensor) {
    let projected = Linear.apply([toQuery, toKey, toValue], to: x)
    toOut.add(attention(projected[0], projected[1], projected[2]), to: &x)
    x = norms.0(x)
    var y = expand(x)
    y.apply(.gelu)
    contract.add(y, to: &x)
    x = norms.1(x)
  }
}
