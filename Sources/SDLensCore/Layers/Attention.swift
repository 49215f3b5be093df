import CKernels

/// Softmax attention: `softmax(q kᵀ / √d) v` for every head, heads side by side in the last axis.
public struct Attention: Sendable {
  private let heads: Int
  private let causal: Bool

  /// `causal`: a token sees only itself and those before it.
  public init(heads: Int, causal: Bool = false) {
    self.heads = heads
    self.causal = causal
  }

  /// Queries [batch, tokens, heads · d], keys and values [batch, others, heads · d] → the queries' shape.
  ///
  /// `probabilities`, if given, receives [batch, heads, tokens, others].
  public func callAsFunction(
    _ q: Tensor, _ k: Tensor, _ v: Tensor, probabilities: UnsafeMutablePointer<Tensor>? = nil
  ) -> Tensor {
    let (batch, queries, width) = (q.shape[0], q.shape[1], q.shape[2])
    let keys = k.shape[1]
    precondition(k.shape == v.shape && k.shape[0] == batch && k.shape[2] == width && width % heads == 0)
    let size = width / heads
    // A head's queries are cut where there are too few heads for all threads.
    let blocks = max(1, min((4 * Parallel.threads + batch * heads - 1) / (batch * heads), queries / 16))
    var result = Tensor(uninitialized: q.shape)
    probabilities?.pointee = Tensor(uninitialized: [batch, heads, queries, keys])
    result.withMutableElements { out in
      nonisolated(unsafe) let out = out.baseAddress!
      q.withElements { q in
        k.withElements { k in
          v.withElements { v in
            let observed = probabilities?.pointee.withMutableElements { $0.baseAddress! }
            nonisolated(unsafe) let observer = observed
            // Disjoint: each piece is some rows of one head of one picture.
            Parallel.forEach(batch * heads * blocks) { piece in
              let head = piece / blocks % heads
              let picture = piece / blocks / heads
              let first = piece % blocks * queries / blocks
              let count = (piece % blocks + 1) * queries / blocks - first
              let queryStart = (picture * queries + first) * width + head * size
              let keyStart = picture * keys * width + head * size
              withGathered(k.baseAddress! + keyStart, v.baseAddress! + keyStart, keys, size, stride: width) {
                k, v, stride in
                var head = kernel_head(
                  k: k, v: v, keys: keys, size: size, key_stride: stride, stride: width, causal: causal)
                var scratch = Tensor(uninitialized: [kernel_attention_scratch(&head)])
                scratch.withMutableElements {
                  kernel_attention(
                    out + queryStart, &head, q.baseAddress! + queryStart, first, count, $0.baseAddress!,
                    observer.map { $0 + ((piece / blocks) * queries + first) * keys })
                }
              }
            }
          }
        }
      }
    }
    return result
  }

  /// Calls `body` with a head's keys and values lying together, which all its queries read again and again.
  private func withGathered(
    _ k: UnsafePointer<Float>, _ v: UnsafePointer<Float>, _ keys: Int, _ size: Int, stride: Int,
    _ body: (UnsafePointer<Float>, UnsafePointer<Float>, Int) -> Void
  ) {
    if heads == 1 { return body(k, v, stride) }
    var copy = Tensor(uninitialized: [2, keys, size])
    copy.withMutableElements {
      let (keyCopy, valueCopy) = ($0.baseAddress!, $0.baseAddress! + keys * size)
      for row in 0..<keys {
        (keyCopy + row * size).update(from: k + row * stride, count: size)
        (valueCopy + row * size).update(from: v + row * stride, count: size)
      }
      body(keyCopy, valueCopy, size)
    }
  }
}
