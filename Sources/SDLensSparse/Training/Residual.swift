import CKernels
import SDLensCore

/// What codes leave of the vectors they stand for, and how it would change with each of them.
struct Residual {
  /// `target − Σ_j s_j f_j`, [rows, width].
  let rows: Tensor
  /// `residual · f_j` of every active feature, in the places of the codes; else undefined.
  let slopes: [Float]
  /// Sums over the rows, by column.
  let moments: ColumnMoments

  /// How the work is laid out for the caches: so many rows at a time, and of them so many columns.
  struct Tiling {
    let rows: Int
    let columns: Int

    /// Where every row has other features than the next: a row at a time.
    static func few(width: Int) -> Tiling { Tiling(rows: 1, columns: width) }
    /// Where rows share their features, of which a panel stays in the second cache.
    static let many = Tiling(rows: ColumnMoments.rowsAtOnce, columns: 256)
  }

  /// What codes leave of `target` [rows, width], with the directions of `decoder` [features, width].
  init(of target: Tensor, _ codes: Codes, decoder: Tensor, tiling: Tiling) {
    let width = target.width
    var rows = Tensor(uninitialized: [codes.rows, width])
    var slopes = [Float](repeating: 0, count: codes.rows * codes.slots)
    let active = (0..<codes.rows).map { codes.active($0) }
    var moments = ColumnMoments(rows: codes.rows, width: width)
    rows.withMutableElements { result in
      slopes.withUnsafeMutableBufferPointer { slopes in
        nonisolated(unsafe) let (result, slopes) = (result.baseAddress!, slopes.baseAddress!)
        target.withElements { target in
          decoder.withElements { decoder in
            // Disjoint: each block has its own rows.
            moments.forBlocks { block, add in
              for first in stride(from: block.lowerBound, to: block.upperBound, by: tiling.rows) {
                let group = first..<min(first + tiling.rows, block.upperBound)
                for column in stride(from: 0, to: width, by: tiling.columns) {
                  let columns = min(tiling.columns, width - column)
                  for row in group {
                    codes.withRow(row) { indices, values in
                      kernel_weighted_sum(
                        result + row * width + column, target.baseAddress! + row * width + column, -1,
                        indices, values, active[row], decoder.baseAddress! + column, width, columns)
                    }
                  }
                }
                for column in stride(from: 0, to: width, by: tiling.columns) {
                  let columns = min(tiling.columns, width - column)
                  for row in group {
                    codes.withRow(row) { indices, _ in
                      kernel_row_dots(
                        slopes + row * codes.slots, result + row * width + column, indices, active[row],
                        decoder.baseAddress! + column, width, columns, column > 0)
                    }
                  }
                }
              }
              add(result + block.lowerBound * width)
            }
          }
        }
      }
    }
    (self.rows, self.slopes, self.moments) = (rows, slopes, moments)
  }
}

/// Sums and sums of squares of the columns of a matrix.
struct ColumnMoments {
  /// So many rows are summed in single precision, everything else in double.
  static let rowsAtOnce = 64

  /// The number of rows.
  let count: Int
  /// `Σ x` by column, once `forBlocks` is through.
  private(set) var sums: [Double]
  /// `Σ x²` by column.
  private(set) var squares: [Double]

  /// Of a matrix [rows, width] that `forBlocks` will go over.
  init(rows: Int, width: Int) {
    count = rows
    sums = Array(repeating: 0, count: width)
    squares = sums
  }

  /// Of a matrix.
  init(_ x: Tensor) {
    self.init(rows: x.rows, width: x.width)
    let width = x.width
    x.withElements { x in
      forBlocks { block, add in add(x.baseAddress! + block.lowerBound * width) }
    }
  }

  /// Goes over the rows in blocks, side by side; `body` calls `add` with the block when it is there.
  mutating func forBlocks(_ body: (Range<Int>, _ add: (UnsafePointer<Float>) -> Void) -> Void) {
    let (count, width) = (count, sums.count)
    let blocks = (count + Self.rowsAtOnce - 1) / Self.rowsAtOnce
    var partial = Tensor(repeating: 0, [blocks, 2 * width])
    partial.withMutableElements { partial in
      nonisolated(unsafe) let partial = partial.baseAddress!
      Parallel.forEach(blocks) { block in
        let rows = block * Self.rowsAtOnce..<min(count, (block + 1) * Self.rowsAtOnce)
        body(rows) { x in
          let place = partial + block * 2 * width
          kernel_column_sums(place, place + width, x, rows.count, width)
        }
      }
      // In the order of the rows: the same on any number of threads.
      for block in 0..<blocks {
        for column in 0..<width {
          sums[column] += Double(partial[block * 2 * width + column])
          squares[column] += Double(partial[(block * 2 + 1) * width + column])
        }
      }
    }
  }

  /// `Σ (x − mean)²` by column.
  var deviations: [Double] {
    zip(sums, squares).map { sum, square in max(0, square - sum * sum / Double(count)) }
  }
}

extension Codes {
  /// How many features are active in a row; they come first.
  func active(_ row: Int) -> Int {
    withRow(row) { _, values in
      var count = slots
      while count > 0, values[count - 1] == 0 { count -= 1 }
      return count
    }
  }
}
