import CLAPACKE

/// Decompositions of dense matrices.
public enum LAPACK {
  /// The eigenvalues of a symmetric matrix, largest first, and an orthonormal eigenvector for each.
  ///
  /// `a v_i = λ_i v_i`, with `v_i` row i of `vectors`; its sign is such that its largest component is positive.
  /// Only the lower triangle of `a` is read. Divide and conquer (`dsyevd`).
  ///
  /// - Throws: `DecompositionFailed` when `a` holds NaN or infinity, or the iteration does not converge.
  public static func symmetricEigen(_ a: Matrix) throws -> (values: [Double], vectors: Matrix) {
    let n = a.rows
    precondition(a.columns == n, "eigenvalues of \(n) × \(a.columns)")
    precondition(n <= 46_340, "\(n) × \(n) is beyond LAPACK's 32 bits")
    guard a.elements.allSatisfy(\.isFinite) else { throw DecompositionFailed.notFinite }
    guard n > 0 else { return ([], a) }
    BLAS.checkBuffers()
    var (vectors, values) = (a.elements, [Double](repeating: 0, count: n))
    // Column-major and symmetric: what is our lower triangle is LAPACK's upper one, and its columns our rows.
    let status = LAPACKE_dsyevd(
      LAPACK_COL_MAJOR, 86 /* V */, 85 /* U */, Int32(n), &vectors, Int32(n), &values)
    guard status == 0 else { throw DecompositionFailed.noConvergence(size: n) }
    var sorted = Matrix(rows: n, columns: n)
    for (target, source) in (0..<n).reversed().enumerated() {
      let vector = vectors[source * n..<(source + 1) * n]
      let largest = vector.max { abs($0) < abs($1) } ?? 0
      for (column, component) in vector.enumerated() {
        sorted[target, column] = largest < 0 ? -component : component
      }
    }
    return (values.reversed(), sorted)
  }
}

/// A matrix that could not be decomposed.
public enum DecompositionFailed: UserError {
  case notFinite
  case noConvergence(size: Int)

  /// What was wrong with it.
  public var description: String {
    switch self {
    case .notFinite:
      "a matrix of statistics holds NaN or infinity; the vectors it was made of must be finite"
    case .noConvergence(let size):
      "the eigenvalues of a matrix of \(size) × \(size) did not converge; are the vectors it was made of sensible?"
    }
  }
}
