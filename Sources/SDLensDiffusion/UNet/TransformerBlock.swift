import SDLensCore

/// Attention of one layer: queries from `x`, keys and values from `x` itself or from the prompt.
struct AttentionLayer: Sendable {
  let kind: HookSet.AttentionKind
  let toQuery: Linear
  let toKey: Linear
  let toValue: Linear
  let toOut: Linear
  let attention: Attention

  init(_ w: WeightScope, kind: HookSet.AttentionKind, width: Int, context: Int, heads: Int) throws {
    self.kind = kind
    toQuery = try Linear(w["to_q"], inputs: width, outputs: width, bias: false)
    toKey = try Linear(w["to_k"], inputs: context, outputs: width, bias: false)
    toValue = try Linear(w["to_v"], inputs: context, outputs: width, bias: false)
    toOut = try Linear(w["to_out"][0], inputs: width, outputs: width)
    attention = Attention(w, heads: heads)
  }

  /// `stream += out(attention(x, context))`, all [batch, tokens, width].
  func add(_ x: Tensor, over context: Tensor, to stream: inout Tensor, layer: Int, hooks: BlockHooks?) {
    let projected =
      kind == .selfAttention
      ? Linear.apply([toQuery, toKey, toValue], to: x)
      : [toQuery(x)] + Linear.apply([toKey, toValue], to: context)
    let (q, k, v) = (projected[0], projected[1], projected[2])
    let heads: Tensor
    if let hooks {
      let watchers = hooks.observers(.probabilities, of: kind, layer: layer)
      var probabilities = Tensor(uninitialized: [0])
      heads =
        watchers.isEmpty ? attention(q, k, v) : attention(q, k, v, probabilities: &probabilities)
      for watcher in watchers { watcher(probabilities, hooks.step) }
      for watcher in hooks.observers(.headOutputs, of: kind, layer: layer) { watcher(heads, hooks.step) }
    } else {
      heads = attention(q, k, v)
    }
    toOut.add(heads, to: &stream)
  }
}

/// Expands fourfold with a gated unit and comes back: `out(value · gelu(gate))`.
struct FeedForward: Sendable {
  let expand: Linear
  let contract: Linear

  init(_ w: WeightScope, width: Int) throws {
    expand = try Linear(w["net"][0]["proj"], inputs: width, outputs: 8 * width)
    contract = try Linear(w["net"][2], inputs: 4 * width, outputs: width)
  }

  /// `stream += feedForward(x)`.
  func add(_ x: Tensor, to stream: inout Tensor) {
    contract.add(expand.gated(x), to: &stream)
  }
}

/// One transformer layer of a cross-attention block (diffusers: BasicTransformerBlock).
struct TransformerBlock: Sendable {
  let norms: (LayerNorm, LayerNorm, LayerNorm)
  let selfAttention: AttentionLayer
  let crossAttention: AttentionLayer
  let feedForward: FeedForward

  init(_ w: WeightScope, width: Int, context: Int, heads: Int) throws {
    norms = (
      try LayerNorm(w["norm1"], width: width), try LayerNorm(w["norm2"], width: width),
      try LayerNorm(w["norm3"], width: width)
    )
    selfAttention = try AttentionLayer(
      w["attn1"], kind: .selfAttention, width: width, context: width, heads: heads)
    crossAttention = try AttentionLayer(
      w["attn2"], kind: .crossAttention, width: width, context: context, heads: heads)
    feedForward = try FeedForward(w["ff"], width: width)
  }

  /// Refines `x` [batch, tokens, width] against the prompt `text` [batch, 77, context].
  func callAsFunction(_ x: inout Tensor, text: Tensor, layer: Int, hooks: BlockHooks?) {
    let y = norms.0(x)
    selfAttention.add(y, over: y, to: &x, layer: layer, hooks: hooks)
    crossAttention.add(norms.1(x), over: text, to: &x, layer: layer, hooks: hooks)
    feedForward.add(norms.2(x), to: &x)
  }
}
