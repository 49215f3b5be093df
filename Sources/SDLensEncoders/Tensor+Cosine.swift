import SDLensCore

extension Tensor {
  /// Every vector along the last axis divided by its length, x / max(‖x‖, 10⁻¹²) (torch's F.normalize).
  public func normalizedRows() -> Tensor {
    var result = self
    let width = width
    result.withMutableElements { x in
      for start in stride(from: 0, to: x.count, by: width) {
        let length = x[start..<start + width].reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
        for place in start..<start + width { x[place] = Float(Double(x[place]) / max(length, 1e-12)) }
      }
    }
    return result
  }

  /// The cosines between vectors: `self` [n, width] and `others` [m, width] → [n, m].
  public func cosines(with others: Tensor) -> Tensor {
    Linear(weight: WeightMatrix(others.normalizedRows()), bias: nil)(normalizedRows())
  }
}
