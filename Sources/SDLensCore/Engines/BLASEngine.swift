import CKernels

/// The engine on OpenBLAS's products, `openblas`: the cross-check of the other one, and the fast one where that has
/// no kernels for the processor.
///
/// Work is cut into pieces of a fixed size, and no piece reaches over two pictures: results are the same bytes on any
/// number of threads.
public struct BLASEngine: Engine {
  /// The engine.
  public init() {}

  /// `openblas`.
  public var name: String { "openblas" }

  /// See `Engine`.
  public func linear(_ weight: WeightMatrix, bias: Tensor?) -> any EngineLinear {
    BLASLinear(weight: weight, bias: bias)
  }

  /// See `Engine`.
  public func convolution(_ weight: WeightMatrix, bias: Tensor, _ geometry: ConvolutionGeometry)
    -> any EngineConvolution
  {
    BLASConvolution(product: BLASLinear(weight: weight, bias: bias), geometry: geometry)
  }

  /// See `Engine`.
  public func attention(heads: Int, causal: Bool) -> any EngineAttention {
    BLASAttention(heads: heads, causal: causal)
  }
}

/// A linear layer cut into rectangles of rows and outputs.
struct BLASLinear: EngineLinear {
  let weight: WeightMatrix
  let bias: Tensor?
  private static let (rowsAtOnce, outputsAtOnce) = (128, 256)

  func multiply(_ x: Tensor, into y: inout Tensor, accumulate: Bool) {
    let together = x.shape.rank > 2 ? x.rowsTogether : x.rows
    guard together > 0 else { return }
    y.withMutableElements { y in
      x.withElements { x in
        multiply(
          x.baseAddress!, groups: x.count / weight.columns / together, rows: together, into: y.baseAddress!,
          accumulate: accumulate)
      }
    }
  }

  /// The same for groups of rows [groups · rows, inputs].
  func multiply(
    _ x: UnsafePointer<Float>, groups: Int, rows: Int, into y: UnsafeMutablePointer<Float>, accumulate: Bool
  ) {
    let (inputs, outputs) = (weight.columns, weight.rows)
    let blocks = (rows + Self.rowsAtOnce - 1) / Self.rowsAtOnce
    let panels = (outputs + Self.outputsAtOnce - 1) / Self.outputsAtOnce
    // Disjoint: each piece writes its own rectangle.
    Parallel.forEach(groups, blocks, panels) { group, block, panel in
      let start = block * Self.rowsAtOnce
      let first = group * rows + start
      let count = min(Self.rowsAtOnce, rows - start)
      let panel = panel * Self.outputsAtOnce..<min(outputs, (panel + 1) * Self.outputsAtOnce)
      let target = y + first * outputs + panel.lowerBound
      bias?.withElements { bias in
        for row in 0..<count {
          if accumulate {
            kernel_add_scaled(target + row * outputs, 1, bias.baseAddress! + panel.lowerBound, panel.count)
          } else {
            (target + row * outputs).update(from: bias.baseAddress! + panel.lowerBound, count: panel.count)
          }
        }
      }
      weight.withRows(panel) { weights in
        BLAS.multiply(
          m: count, n: panel.count, k: inputs, x + first * inputs, strideA: inputs, weights, strideB: inputs,
          transposed: true, beta: bias == nil && !accumulate ? 0 : 1, into: target, strideC: outputs)
      }
    }
  }
}

/// A convolution as a product of windows, laid out in the order of the weights.
struct BLASConvolution: EngineConvolution {
  let product: BLASLinear
  let geometry: ConvolutionGeometry

  func convolve(_ x: Tensor, into y: inout Tensor, accumulate: Bool) {
    if geometry.isPointwise { return product.multiply(x, into: &y, accumulate: accumulate) }
    let (batch, height, width) = (x.shape[0], x.shape[1], x.shape[2])
    y.withMutableElements { y in
      x.withElements { x in
        Windows(geometry, batch: batch, height: height, width: width)
          .forEachBlock { patches, picture, pixels in
            layOut(
              pixels, of: x.baseAddress! + picture * height * width * geometry.inputs, height, width, patches)
          } multiply: { patches, first, count in
            product.multiply(
              patches, groups: 1, rows: count, into: y.baseAddress! + first * geometry.outputs,
              accumulate: accumulate)
          }
      }
    }
  }

  /// Writes the windows of some pixels, [pixels.count, inputs · kernel · kernel]; outside the picture are zeros.
  private func layOut(
    _ pixels: Range<Int>, of x: UnsafePointer<Float>, _ height: Int, _ width: Int,
    _ patches: UnsafeMutablePointer<Float>
  ) {
    let (kernel, across) = (geometry.kernel, geometry.places(in: width))
    let window = kernel * kernel
    for pixel in pixels {
      let patch = patches + (pixel - pixels.lowerBound) * geometry.inputs * window
      for place in 0..<window {
        let line = pixel / across * geometry.stride + place / kernel - geometry.padding
        let column = pixel % across * geometry.stride + place % kernel - geometry.padding
        if 0..<height ~= line, 0..<width ~= column {
          let source = x + (line * width + column) * geometry.inputs
          for input in 0..<geometry.inputs { patch[input * window + place] = source[input] }
        } else {
          for input in 0..<geometry.inputs { patch[input * window + place] = 0 }
        }
      }
    }
  }
}

/// Attention by two products and a softmax between them.
struct BLASAttention: EngineAttention {
  let heads: Int
  let causal: Bool
  private static let queriesAtOnce = 128

  func attend(_ q: Tensor, _ k: Tensor, _ v: Tensor, into y: inout Tensor, probabilities: inout Tensor?) {
    let (batch, queries, width, keys) = (q.shape[0], q.shape[1], q.width, k.shape[1])
    let size = width / heads
    let blocks = (queries + Self.queriesAtOnce - 1) / Self.queriesAtOnce
    y.withMutableElements { y in
      probabilities.withMutableElements { probabilities in
        Tensor.withElements(q, k, v) { q, k, v in
          // Disjoint: each piece is some rows of one head of one picture.
          Parallel.forEach(batch, heads, blocks) { picture, head, block in
            let first = block * Self.queriesAtOnce
            let count = min(Self.queriesAtOnce, queries - first)
            let query = (picture * queries + first) * width + head * size
            let key = picture * keys * width + head * size
            var scores = Tensor(uninitialized: [count, keys])
            scores.withMutableElements {
              let p = $0.baseAddress!
              BLAS.multiply(
                m: count, n: keys, k: size, alpha: 1 / Float(size).squareRoot(), q + query, strideA: width,
                k + key, strideB: width, transposed: true, beta: 0, into: p, strideC: keys)
              for row in 0..<count {
                let seen = causal ? min(keys, first + row + 1) : keys
                kernel_softmax(p + row * keys, seen)
                (p + row * keys + seen).update(repeating: 0, count: keys - seen)
              }
              BLAS.multiply(
                m: count, n: size, k: keys, p, strideA: keys, v + key, strideB: width, transposed: false,
                beta: 0, into: y.baseAddress! + query, strideC: width)
              if let probabilities {
                (probabilities + ((picture * heads + head) * queries + first) * keys)
                  .update(from: p, count: count * keys)
              }
            }
          }
        }
      }
    }
  }
}
