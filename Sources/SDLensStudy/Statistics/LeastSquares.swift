import SDLensCore

/// The linear function that fits numbers best: `y ≈ ⟨w, x⟩ + b` with the least sum of squares, and of equal ones the
/// shortest w. That is scikit-learn's `LinearRegression`.
public struct LeastSquares: Sendable {
  /// `w`.
  public let weights: [Double]
  /// `b`.
  public let bias: Double

  /// Fits rows of `x` to their targets, by the eigenvectors of the covariance (LAPACK's `dsyevd`).
  ///
  /// - Throws: `DecompositionFailed`.
  public init(_ x: Matrix, _ targets: [Double]) throws {
    precondition(targets.count == x.rows && x.rows > 1, "\(targets.count) targets of \(x.rows) rows")
    let (count, width) = (Double(x.rows), x.columns)
    let mean = (Matrix([Double](repeating: 1 / count, count: x.rows), rows: 1, columns: x.rows) * x).elements
    let level = targets.reduce(0, +) / count
    var centered = x
    for index in centered.elements.indices { centered.elements[index] -= mean[index % width] }
    let eigen = try LAPACK.symmetricEigen(centered.transposed(times: centered))
    let y = Matrix(targets.map { $0 - level }, rows: x.rows, columns: 1)
    let along = eigen.vectors * centered.transposed(times: y)
    // What does not vary beyond rounding tells nothing.
    let least = (eigen.values.first ?? 0) * Double(max(x.rows, width)) * 0x1p-52
    let scaled = zip(along.elements, eigen.values).map { $1 > least ? $0 / $1 : 0 }
    weights = (Matrix(scaled, rows: 1, columns: width) * eigen.vectors).elements
    bias = level - zip(weights, mean).reduce(0) { $0 + $1.0 * $1.1 }
  }

  /// `⟨w, x⟩ + b` of every row.
  public func predictions(_ x: Matrix) -> [Double] {
    (x.times(transposed: Matrix(weights, rows: 1, columns: weights.count))).elements.map { $0 + bias }
  }
}
