import CKernels

/// Attention whose scores never leave the cache, sixteen queries at a time.
struct KernelAttention: EngineAttention {
  let heads: Int
  let causal: Bool

  func attend(_ q: Tensor, _ k: Tensor, _ v: Tensor, into y: inout Tensor, probabilities: inout Tensor?) {
    let (batch, queries, width, keys) = (q.shape[0], q.shape[1], q.width, k.shape[1])
    let size = width / heads
    // A head's queries are cut where there are too few heads for all threads.
    let blocks = max(1, min((4 * Parallel.threads + batch * heads - 1) / (batch * heads), queries / 16))
    y.withMutableElements { y in
      probabilities.withMutableElements { probabilities in
        Tensor.withElements(q, k, v) { q, k, v in
          // Disjoint: each piece is some rows of one head of one picture.
          Parallel.forEach(batch, heads, blocks) { picture, head, block in
            let first = block * queries / blocks
            let count = (block + 1) * queries / blocks - first
            let query = (picture * queries + first) * width + head * size
            let key = picture * keys * width + head * size
            withGathered(k + key, v + key, keys, size, stride: width) { k, v, stride in
              var part = kernel_head(
                k: k, v: v, keys: keys, size: size, key_stride: stride, stride: width, causal: causal)
              var scratch = Tensor(uninitialized: [kernel_attention_scratch(&part)])
              scratch.withMutableElements {
                kernel_attention(
                  y.baseAddress! + query, &part, q + query, first, count, $0.baseAddress!,
                  probabilities.map { $0 + ((picture * heads + head) * queries + first) * keys })
              }
            }
          }
        }
      }
    }
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
