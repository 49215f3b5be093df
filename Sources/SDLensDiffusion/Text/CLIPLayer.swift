import SDLensCore

/// One layer of a CLIP encoder, of texts or of pictures: attention, then a feed-forward network
/// (transformers: CLIPEncoderLayer).
public struct CLIPLayer: Sendable {
  private let norms: (LayerNorm, LayerNorm)
  private let toQuery: Linear
  private let toKey: Linear
  private let toValue: Linear
  private let toOut: Linear
  private let attention: Attention
  private let expand: Linear
  private let contract: Linear
  private let activation: Activation

  /// Reads the weights; in a `causal` layer a token sees only itself and those before it.
  ///
  /// - Throws: `WeightError`.
  public init(
    _ w: WeightScope, width: Int, innerWidth: Int, heads: Int, epsilon: Float, activation: Activation,
    causal: Bool
  ) throws {
    let a = w["self_attn"]
    norms = (
      try LayerNorm(w["layer_norm1"], width: width, epsilon: epsilon),
      try LayerNorm(w["layer_norm2"], width: width, epsilon: epsilon)
    )
    toQuery = try Linear(a["q_proj"], inputs: width, outputs: width)
    toKey = try Linear(a["k_proj"], inputs: width, outputs: width)
    toValue = try Linear(a["v_proj"], inputs: width, outputs: width)
    toOut = try Linear(a["out_proj"], inputs: width, outputs: width)
    attention = Attention(w, heads: heads, causal: causal)
    expand = try Linear(w["mlp"]["fc1"], inputs: width, outputs: innerWidth)
    contract = try Linear(w["mlp"]["fc2"], inputs: innerWidth, outputs: width)
    self.activation = activation
  }

  /// Refines `x`, [batch, tokens, width].
  public func callAsFunction(_ x: inout Tensor) {
    let y = norms.0(x)
    let projected = Linear.apply([toQuery, toKey, toValue], to: y)
    toOut.add(attention(projected[0], projected[1], projected[2]), to: &x)
    var z = expand(norms.1(x))
    z.apply(activation)
    contract.add(z, to: &x)
  }
}
