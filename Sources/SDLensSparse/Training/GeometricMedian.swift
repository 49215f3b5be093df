import CKernels
import SDLensCore

/// The point whose distances to given points have the smallest sum.
///
/// Weiszfeld's iteration from the mean, `m ← Σ x/‖x − m‖ ∕ Σ 1/‖x − m‖`, until the mean distance changes by
/// less than 10⁻¹⁰ of itself, at most 100 times; distances count as at least 10⁻⁶. Sums are in double precision.
/// Source: Pillutla et al., "Robust Aggregation for Federated Learning", 2022.
package enum GeometricMedian {
  private static let iterations = 100
  private static let tolerance = 1e-10
  private static let shortest = 1e-6
  private static let rowsAtOnce = 256

  /// The median of the rows of `points` [some, width], [width].
  package static func of(_ points: Tensor) -> Tensor {
    var median = average(points, weights: Array(repeating: 1, count: points.rows))
    var distances = distances(points, to: median)
    for _ in 0..<iterations {
      median = average(points, weights: distances.map { 1 / max($0, shortest) })
      let last = distances.reduce(0, +)
      distances = Self.distances(points, to: median)
      let sum = distances.reduce(0, +)
      if abs(last - sum) <= tolerance * sum { break }
    }
    return Tensor(median.map(Float.init), [points.width])
  }

  private static func distances(_ points: Tensor, to center: [Double]) -> [Double] {
    let width = points.width
    return [Double](unsafeUninitializedCapacity: points.rows) { distances, count in
      let distances = distances.baseAddress!
      points.withElements { x in
        Parallel.forRanges(points.rows, grain: 64) { rows in
          for row in rows {
            distances[row] = kernel_squared_distance(x.baseAddress! + row * width, center, width).squareRoot()
          }
        }
      }
      count = points.rows
    }
  }

  private static func average(_ points: Tensor, weights: [Double]) -> [Double] {
    let width = points.width
    // Sums of blocks of rows, added in order: the same on any number of threads.
    let blocks = (points.rows + rowsAtOnce - 1) / rowsAtOnce
    var sums = [Double](repeating: 0, count: blocks * width)
    sums.withUnsafeMutableBufferPointer { sums in
      let sums = sums.baseAddress!
      points.withElements { x in
        Parallel.forEach(blocks) { block in
          for row in block * rowsAtOnce..<min(points.rows, (block + 1) * rowsAtOnce) {
            kernel_add_scaled_double(sums + block * width, weights[row], x.baseAddress! + row * width, width)
          }
        }
      }
    }
    let total = weights.reduce(0, +)
    return (0..<width).map { column in
      stride(from: column, to: sums.count, by: width).reduce(0) { $0 + sums[$1] } / total
    }
  }
}
