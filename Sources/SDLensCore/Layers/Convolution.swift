/// A k × k convolution over channels-last pictures, zero-padded on each side, by k / 2 unless told otherwise.
public struct Convolution: Sendable {
  private let geometry: ConvolutionGeometry
  private let engine: any EngineConvolution

  /// Reads `weight` [outputs, inputs, kernel, kernel], PyTorch's order, and, unless told otherwise, `bias`
  /// [outputs].
  public init(
    _ w: WeightScope, inputs: Int, outputs: Int, kernel: Int = 3, stride: Int = 1, padding: Int? = nil,
    bias hasBias: Bool = true
  ) throws {
    precondition(kernel % 2 == 1 || padding != nil, "an even kernel of \(kernel) has no middle")
    geometry = ConvolutionGeometry(
      inputs: inputs, outputs: outputs, kernel: kernel, stride: stride, padding: padding ?? kernel / 2)
    engine = w.engine.convolution(
      try w.matrix("weight", [outputs, inputs, kernel, kernel]),
      bias: hasBias ? try w.tensor("bias", [outputs]) : Tensor(repeating: 0, [outputs]), geometry)
  }

  /// [batch, height, width, inputs] → [batch, …, outputs], where an extent n becomes
  /// ⌊(n + 2 padding - kernel) / stride⌋ + 1.
  public func callAsFunction(_ x: Tensor) -> Tensor {
    var y = Tensor(uninitialized: shape(for: x))
    engine.convolve(x, into: &y, accumulate: false)
    return y
  }

  /// `y += convolution(x)`, the residual connection in one go.
  public func add(_ x: Tensor, to y: inout Tensor) {
    precondition(y.shape == shape(for: x), "\(x.shape) cannot go to \(y.shape)")
    engine.convolve(x, into: &y, accumulate: true)
  }

  private func shape(for x: Tensor) -> Shape {
    precondition(x.width == geometry.inputs, "\(x.shape) into a convolution of \(geometry.inputs) channels")
    return [
      x.shape[0], geometry.places(in: x.shape[1]), geometry.places(in: x.shape[2]), geometry.outputs,
    ]
  }
}
