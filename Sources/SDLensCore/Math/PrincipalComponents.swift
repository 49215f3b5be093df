/// Mean and covariance of vectors that come in batches; sums are kept in double precision.
public struct VectorMoments: Sendable {
  /// How many vectors came.
  public private(set) var count = 0
  private var sums: [Double]
  private var products: Matrix
  /// The mean of the first batch, taken off all vectors: what is far from 0 loses digits in squares.
  private var origin: [Double] = []

  /// No vectors of a width.
  public init(width: Int) {
    sums = Array(repeating: 0, count: width)
    products = Matrix(rows: width, columns: width)
  }

  /// Adds vectors along the last axis of a tensor.
  public mutating func add(_ rows: Tensor) {
    let width = sums.count
    precondition(rows.width == width, "\(rows.shape) as vectors of width \(width)")
    guard rows.rows > 0 else { return }
    var batch = Matrix(rows)
    if count == 0 {
      origin = (0..<width).map { column in
        stride(from: column, to: batch.elements.count, by: width).reduce(0) { $0 + batch.elements[$1] }
          / Double(batch.rows)
      }
    }
    for index in batch.elements.indices {
      batch.elements[index] -= origin[index % width]
      sums[index % width] += batch.elements[index]
    }
    let added = batch.transposed(times: batch)
    for index in added.elements.indices { products.elements[index] += added.elements[index] }
    count += batch.rows
  }

  /// The mean vector; of no vectors, zeros.
  public var mean: [Double] {
    count == 0 ? sums : zip(origin, sums).map { $0 + $1 / Double(count) }
  }

  /// `Σ (x − mean)(x − mean)ᵀ / (count − 1)`; at least two vectors must have come.
  public var covariance: Matrix {
    precondition(count > 1, "the covariance of \(count) vectors")
    var result = products
    for row in 0..<result.rows {
      for column in 0..<result.columns {
        let corrected = products[row, column] - sums[row] * sums[column] / Double(count)
        result[row, column] = corrected / Double(count - 1)
      }
    }
    return result
  }
}

/// The directions along which vectors vary most.
public struct PrincipalComponents: Sendable {
  /// The variance along each direction, largest first.
  public let variances: [Double]
  /// A unit vector in each row, [width, width], in the same order.
  public let directions: Tensor
  /// The mean of the vectors.
  public let mean: [Double]

  /// The components of at least two vectors.
  ///
  /// - Throws: `DecompositionFailed`.
  public init(_ moments: VectorMoments) throws {
    let eigen = try LAPACK.symmetricEigen(moments.covariance)
    variances = eigen.values
    directions = Tensor(eigen.vectors.elements.map(Float.init), [eigen.vectors.rows, eigen.vectors.columns])
    mean = moments.mean
  }

  /// The share of all variance that lies along the first `count` directions, 0 to 1; 0 if nothing varies.
  ///
  /// What their best reconstruction explains: `1 − Σ‖h − h'‖² / Σ‖h − mean h‖²` over the vectors.
  public func explainedVariance(of count: Int) -> Double {
    let total = variances.reduce(0, +)
    return total > 0 ? variances.prefix(count).reduce(0, +) / total : 0
  }
  /// The same as a mean over dimensions: `mean_d (1 − var(h − h')_d / (var(h)_d + 1e-8))`.
  public func meanExplainedVariance(of count: Int) -> Double {
    let width = mean.count
    var (all, left) = ([Double](repeating: 0, count: width), [Double](repeating: 0, count: width))
    directions.withElements { directions in
      for (index, variance) in variances.enumerated() {
        for dimension in 0..<width {
          let component = Double(directions[index * width + dimension])
          all[dimension] += variance * component * component
          if index >= count { left[dimension] += variance * component * component }
        }
      }
    }
    return zip(all, left).reduce(0) { $0 + 1 - $1.1 / ($1.0 + 1e-8) } / Double(width)
  }
}
