import CKernels

/// The engine of this program's own kernels, `sdlens`: products in registers, Strassen's and Winograd's schemes,
/// attention without a matrix of scores.
public struct KernelEngine: Engine {
  /// In which numbers it multiplies.
  public let precision: Precision

  /// The engine.
  public init(precision: Precision = .float32) { self.precision = precision }

  /// Whether the kernels have a variant made for the vector registers of this processor.
  public static var hasVectors: Bool { kernel_has_vectors() }

  /// `sdlens`, and the precision unless it is float32: what that makes is another result.
  public var name: String { precision == .float32 ? "sdlens" : "sdlens-\(precision)" }

  /// See `Engine`.
  public func linear(_ weight: WeightMatrix, bias: Tensor?) -> any EngineLinear {
    KernelLinear(weight: weight, bias: bias, precision: precision)
  }

  /// See `Engine`.
  public func convolution(_ weight: WeightMatrix, bias: Tensor, _ geometry: ConvolutionGeometry)
    -> any EngineConvolution
  {
    KernelConvolution(weight, bias: bias, geometry, precision)
  }

  /// See `Engine`.
  public func attention(heads: Int, causal: Bool) -> any EngineAttention {
    KernelAttention(heads: heads, causal: causal)
  }
}

/// A linear layer that is one product.
struct KernelLinear: EngineLinear {
  let weight: WeightMatrix
  let bias: Tensor?
  let precision: Precision

  func multiply(_ x: Tensor, into y: inout Tensor, accumulate: Bool) {
    multiply(x, into: &y, accumulate ? kernel_add : kernel_set)
  }

  /// What is multiplied becomes gated while it is in the cache.
  func multiplyGated(_ x: Tensor, into y: inout Tensor) { multiply(x, into: &y, kernel_gate) }

  private func multiply(_ x: Tensor, into y: inout Tensor, _ result: kernel_result) {
    y.withMutableElements { y in
      x.withElements { elements in
        Product.multiply(
          elements.baseAddress!, rows: x.rows, together: x.rowsTogether,
          by: [Product.Factor(weight: weight, bias: bias, y: y.baseAddress!)], precision: precision,
          result: result)
      }
    }
  }

  /// All in one product, for which `x` is laid out once.
  static func multiply(_ x: Tensor, by layers: [KernelLinear], into y: inout [Tensor]) {
    y.withMutableElements { y in
      x.withElements { elements in
        Product.multiply(
          elements.baseAddress!, rows: x.rows, together: x.rowsTogether,
          by: zip(layers, y).map { Product.Factor(weight: $0.weight, bias: $0.bias, y: $1) },
          precision: layers[0].precision)
      }
    }
  }
}

extension Tensor {
  /// The rows of one picture or prompt [batch, …, width]; of a matrix, one.
  var rowsTogether: Int { shape.rank > 2 ? rows / max(1, shape[0]) : 1 }
}
