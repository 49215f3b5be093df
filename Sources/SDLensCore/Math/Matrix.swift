/// A dense matrix of doubles in row-major order, for statistics: means and eigenvalues over many rows lose too
/// much in single precision.
public struct Matrix: Sendable, Equatable {
  /// The number of rows.
  public let rows: Int
  /// The number of columns.
  public let columns: Int
  /// All elements, row by row.
  public var elements: [Double]

  /// A matrix of given elements; their number must fit.
  public init(_ elements: [Double], rows: Int, columns: Int) {
    precondition(elements.count == rows * columns, "\(elements.count) elements for \(rows) × \(columns)")
    (self.rows, self.columns, self.elements) = (rows, columns, elements)
  }

  /// A matrix of zeros.
  public init(rows: Int, columns: Int) {
    self.init(Array(repeating: 0, count: rows * columns), rows: rows, columns: columns)
  }

  /// The vectors along the last axis of a tensor.
  public init(_ tensor: Tensor) {
    self.init(tensor.withElements { $0.map(Double.init) }, rows: tensor.rows, columns: tensor.width)
  }

  /// The element of a row and a column.
  public subscript(row: Int, column: Int) -> Double {
    get { elements[row * columns + column] }
    set { elements[row * columns + column] = newValue }
  }

  /// One row.
  public func row(_ index: Int) -> ArraySlice<Double> { elements[index * columns..<(index + 1) * columns] }

  /// `a b`.
  public static func * (a: Matrix, b: Matrix) -> Matrix { product(a, false, b, false) }

  /// `aᵀ b`, with `a` this matrix.
  public func transposed(times b: Matrix) -> Matrix { Self.product(self, true, b, false) }

  /// `a bᵀ`, with `a` this matrix.
  public func times(transposed b: Matrix) -> Matrix { Self.product(self, false, b, true) }

  private static func product(
    _ a: Matrix, _ aTransposed: Bool, _ b: Matrix, _ bTransposed: Bool
  ) -> Matrix {
    let (rows, depth) = aTransposed ? (a.columns, a.rows) : (a.rows, a.columns)
    let columns = bTransposed ? b.rows : b.columns
    precondition(depth == (bTransposed ? b.columns : b.rows), "matrices that do not fit")
    var result = Matrix(rows: rows, columns: columns)
    result.elements.withUnsafeMutableBufferPointer { c in
      let c = c.baseAddress
      a.elements.withUnsafeBufferPointer { a in
        b.elements.withUnsafeBufferPointer { b in
          guard let c, let a = a.baseAddress, let b = b.baseAddress else { return }
          // Disjoint: each range of rows of the result.
          Parallel.forRanges(rows, grain: max(16, (1 << 18) / max(1, depth * columns))) { range in
            let strideA = aTransposed ? rows : depth
            BLAS.multiply(
              m: range.count, n: columns, k: depth, a + range.lowerBound * (aTransposed ? 1 : depth),
              strideA: strideA, transposed: aTransposed, b, strideB: bTransposed ? depth : columns,
              transposed: bTransposed, into: c + range.lowerBound * columns, strideC: columns)
          }
        }
      }
    }
    return result
  }

  /// The matrix with rows and columns exchanged.
  public var transposed: Matrix {
    var result = Matrix(rows: columns, columns: rows)
    for row in 0..<rows { for column in 0..<columns { result[column, row] = self[row, column] } }
    return result
  }

  /// Some of the rows, in the given order.
  public func rows(at indices: [Int]) -> Matrix {
    Matrix(indices.flatMap(row), rows: indices.count, columns: columns)
  }

  /// Some of the columns, in the given order.
  public func columns(at indices: [Int]) -> Matrix {
    var kept: [Double] = []
    kept.reserveCapacity(rows * indices.count)
    for row in 0..<rows { for column in indices { kept.append(self[row, column]) } }
    return Matrix(kept, rows: rows, columns: indices.count)
  }
}
