/// `y = x Wᵀ + b` over the last axis.
public struct Linear: Sendable {
  private let inputs: Int
  private let outputs: Int
  private let engine: any EngineLinear

  /// A layer of weights [outputs, inputs] in memory; `bias` is [outputs].
  public init(weight: WeightMatrix, bias: Tensor?, engine: any Engine = KernelEngine()) {
    precondition(bias == nil || bias?.count == weight.rows)
    (inputs, outputs) = (weight.columns, weight.rows)
    self.engine = engine.linear(weight, bias: bias)
  }

  /// Reads `weight` [outputs, inputs] and, unless told otherwise, `bias` [outputs].
  public init(_ w: WeightScope, inputs: Int, outputs: Int, bias: Bool = true) throws {
    self.init(
      weight: try w.matrix("weight", [outputs, inputs]), bias: bias ? try w.tensor("bias", [outputs]) : nil,
      engine: w.engine)
  }

  /// [..., inputs] → [..., outputs].
  public func callAsFunction(_ x: Tensor) -> Tensor {
    var y = room(for: x)
    engine.multiply(x, into: &y, accumulate: false)
    return y
  }

  /// `z[..., :w] · gelu(z[..., w:])` of the layer's outputs z, the gated unit of feed-forward layers:
  /// [..., inputs] → [..., outputs / 2].
  public func gated(_ x: Tensor) -> Tensor {
    precondition(x.width == inputs && outputs % 2 == 0, "\(x.shape) into a layer of \(inputs) inputs")
    var y = Tensor(uninitialized: Shape(x.shape.extents.dropLast() + [outputs / 2]))
    engine.multiplyGated(x, into: &y)
    return y
  }

  /// The results of several layers of one size and engine for the same `x`, which is read once.
  public static func apply(_ layers: [Linear], to x: Tensor) -> [Tensor] {
    precondition(layers.allSatisfy { $0.inputs == layers[0].inputs && $0.outputs == layers[0].outputs })
    var results = layers.map { $0.room(for: x) }
    func multiply<Layer: EngineLinear>(by first: Layer) {
      let all = layers.compactMap { $0.engine as? Layer }
      precondition(all.count == layers.count, "layers of several engines")
      Layer.multiply(x, by: all, into: &results)
    }
    multiply(by: layers[0].engine)
    return results
  }

  /// `y += x Wᵀ + b`, the residual connection in one go.
  public func add(_ x: Tensor, to y: inout Tensor) {
    precondition(y.rows == x.rows && y.width == outputs, "\(x.shape) cannot be added to \(y.shape)")
    precondition(x.width == inputs, "\(x.shape) into a layer of \(inputs) inputs")
    engine.multiply(x, into: &y, accumulate: true)
  }

  /// Where the result for `x` goes.
  private func room(for x: Tensor) -> Tensor {
    precondition(x.width == inputs, "\(x.shape) into a layer of \(inputs) inputs")
    return Tensor(uninitialized: Shape(x.shape.extents.dropLast() + [outputs]))
  }
}
