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
    // A block's scores stay in the core's own cache.
    let block = max(16, min(queries, 65536 / keys))
    let blocks = (queries + block - 1) / block
    var result = Tensor(uninitialized: q.shape)
    probabilities?.pointee = Tensor(uninitialized: [batch, heads, queries, keys])
    result.withMutableElements { out in
      nonisolated(unsafe) let out = out
      q.withElements { q in
        k.withElements { k in
          v.withElements { v in
            let observed = probabilities?.pointee.withMutableElements { $0.baseAddress! }
            nonisolated(unsafe) let observer = observed
            // Disjoint: each piece is some rows of one head of one picture.
            Parallel.forEach(batch * heads * blocks) { piece in
              let head = piece / blocks % heads
              let picture = piece / blocks / heads
              let first = piece % blocks * block
              let count = min(block, queries - first)
              let queryStart = (picture * queries + first) * width + head * size
              let keyStart = picture * keys * width + head * size
              var scores = Tensor(uninitialized: [count, keys])
              scores.withMutableElements { scores in
                let s = scores.baseAddress!
                BLAS.multiply(
                  m: count, n: keys, k: size, alpha: 1 / Float(size).squareRoot(),
                  q.baseAddress! + queryStart, strideA: width, k.baseAddress! + keyStart, strideB: width,
                  transposed: true, beta: 0, into: s, strideC: keys)
                for row in 0..<count {
                  kernel_softmax(s + row * keys, causal ? min(keys, first + row + 1) : keys, keys)
                }
                if let observer {
                  (observer + ((picture * heads + head) * queries + first) * keys).update(
                    from: s, count: count * keys)
                }
                BLAS.multiply(
                  m: count, n: size, k: keys, s, strideA: keys, v.baseAddress! + keyStart, strideB: width,
                  transposed: false, beta: 0, into: out.baseAddress! + queryStart, strideC: width)
              }
            }
          }
        }
      }
    }
    return result
  }
}
