/// `y = x Wᵀ + b` over the last axis.
public struct Linear: Sendable {
  let weight: WeightMatrix
  let bias: Tensor?

  /// A layer of weights [outputs, inputs] in memory; `bias` is [outputs].
  public init(weight: WeightMatrix, bias: Tensor?) {
    precondition(bias == nil || bias?.count == weight.rows)
    (self.weight, self.bias) = (weight, bias)
  }

  /// Reads `weight` [outputs, inputs] and, unless told otherwise, `bias` [outputs].
  public init(_ w: WeightScope, inputs: Int, outputs: Int, bias: Bool = true) throws {
    weight = try w.matrix("weight", [outputs, inputs])
    self.bias = bias ? try w.tensor("bias", [outputs]) : nil
  }

  /// [..., inputs] → [..., outputs].
  public func callAsFunction(_ x: Tensor) -> Tensor {
    Self.apply([self], to: x)[0]
  }

  /// The results of several layers of one size for the same `x`, which is read once.
  public static func apply(_ layers: [Linear], to x: Tensor) -> [Tensor] {
    let (inputs, outputs) = (layers[0].weight.columns, layers[0].weight.rows)
    precondition(layers.allSatisfy { $0.weight.columns == inputs && $0.weight.rows == outputs })
    precondition(x.width == inputs, "\(x.shape) into layers of \(inputs) inputs")
    var results = layers.map { _ in Tensor(uninitialized: Shape(x.shape.extents.dropLast() + [outputs])) }
    let factors = results.indices.map { index in
      Product.Factor(
        weight: layers[index].weight, bias: layers[index].bias,
        y: results[index].withMutableElements { $0.baseAddress! })
    }
    x.withElements { Product.multiply($0.baseAddress!, rows: x.rows, together: x.rowsTogether, by: factors) }
    return results
  }

  /// `y += x Wᵀ + b`, the residual connection in one go.
  public func add(_ x: Tensor, to y: inout Tensor) {
    precondition(y.rows == x.rows && y.width == weight.rows, "\(x.shape) cannot be added to \(y.shape)")
    precondition(x.width == weight.columns, "\(x.shape) into a layer of \(weight.columns) inputs")
    y.withMutableElements { y in
      x.withElements { elements in
        Product.multiply(
          elements.baseAddress!, rows: x.rows, together: x.rowsTogether,
          by: [Product.Factor(weight: weight, bias: bias, y: y.baseAddress!)], accumulate: true)
      }
    }
  }
}

extension Tensor {
  /// The rows of one picture or prompt [batch, …, width]; of a matrix, one.
  fileprivate var rowsTogether: Int { shape.extents.count > 2 ? rows / max(1, shape[0]) : 1 }
}
