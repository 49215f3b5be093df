/// Embeddings brought to length 1 in double precision, so that products are cosines.
public struct UnitVectors: Sendable {
  /// The vectors, [count, width]; one of length 0 stays 0.
  public let matrix: Matrix

  /// How many.
  public var count: Int { matrix.rows }

  /// Of vectors along the last axis.
  public init(_ vectors: Tensor) {
    var matrix = Matrix(vectors)
    let width = matrix.columns
    for row in 0..<matrix.rows {
      let range = row * width..<(row + 1) * width
      let length = matrix.elements[range].reduce(0) { $0 + $1 * $1 }.squareRoot()
      guard length > 0 else { continue }
      for index in range { matrix.elements[index] /= length }
    }
    self.matrix = matrix
  }

  /// The cosines of all with all others, [count, others].
  public func cosines(with others: UnitVectors) -> Matrix { matrix.times(transposed: others.matrix) }

  /// The cosine of one with one of others.
  public func cosine(_ row: Int, with other: Int, of others: UnitVectors) -> Double {
    zip(matrix.row(row), others.matrix.row(other)).reduce(0) { $0 + $1.0 * $1.1 }
  }
}
