/// Softmax attention: `softmax(q kᵀ / √d) v` for every head, heads side by side in the last axis.
public struct Attention: Sendable {
  private let heads: Int
  private let engine: any EngineAttention

  /// Attention by the engine of the weights around it; `causal`: a token sees only itself and those before it.
  public init(_ w: WeightScope, heads: Int, causal: Bool = false) {
    self.init(heads: heads, causal: causal, engine: w.engine)
  }

  /// Attention by an engine.
  public init(heads: Int, causal: Bool = false, engine: any Engine = KernelEngine()) {
    self.heads = heads
    self.engine = engine.attention(heads: heads, causal: causal)
  }

  /// Queries [batch, tokens, heads · d], keys and values [batch, others, heads · d] → the queries' shape.
  public func callAsFunction(_ q: Tensor, _ k: Tensor, _ v: Tensor) -> Tensor {
    var probabilities: Tensor?
    return attend(q, k, v, &probabilities)
  }

  /// The same; `probabilities` receives [batch, heads, tokens, others].
  public func callAsFunction(_ q: Tensor, _ k: Tensor, _ v: Tensor, probabilities: inout Tensor) -> Tensor {
    var observed: Tensor? = Tensor(uninitialized: [q.shape[0], heads, q.shape[1], k.shape[1]])
    defer { probabilities = observed! }
    return attend(q, k, v, &observed)
  }

  private func attend(_ q: Tensor, _ k: Tensor, _ v: Tensor, _ probabilities: inout Tensor?) -> Tensor {
    precondition(
      k.shape == v.shape && k.shape[0] == q.shape[0] && k.width == q.width && q.width % heads == 0,
      "\(heads) heads of \(q.shape) over \(k.shape) and \(v.shape)")
    var result = Tensor(uninitialized: q.shape)
    engine.attend(q, k, v, into: &result, probabilities: &probabilities)
    return result
  }
}
