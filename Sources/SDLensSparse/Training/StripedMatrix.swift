import CKernels
import SDLensCore

/// A matrix [rows, width] cut into strips of 64 columns, each with its rows one after the other.
///
/// What is gathered from some tens of rows of a strip comes out of the first cache. The last strip is filled up with
/// zeros.
struct StripedMatrix {
  /// The columns of a strip.
  static let columns = Int(KERNEL_STRIP)
  /// The rows whose part of a strip fits the first cache.
  static let rowsAtOnce = 64

  let rows: Int
  let width: Int
  /// [strips, rows, 64], from a place on
  private var elements: Tensor
  private var start = 0

  /// The number of strips.
  var count: Int { Self.count(width) }
  static func count(_ width: Int) -> Int { (width + columns - 1) / columns }

  /// Room for a matrix.
  init(rows: Int, width: Int) {
    (self.rows, self.width) = (rows, width)
    elements = Tensor(uninitialized: [Self.count(width), rows, Self.columns])
  }

  /// A matrix that lies at a place among other elements.
  init(rows: Int, width: Int, _ elements: Tensor, from start: Int) {
    (self.rows, self.width, self.elements, self.start) = (rows, width, elements, start)
  }

  /// Some rows of a matrix, or all.
  init(_ x: Tensor, rows chosen: [Int32]? = nil) {
    self.init(rows: chosen?.count ?? x.rows, width: x.width)
    let (rows, width) = (rows, width)
    elements.withMutableElements { elements in
      let elements = elements.baseAddress!
      x.withElements { x in
        // Disjoint: each range has its own rows.
        Parallel.forRanges(rows, grain: 16) { range in
          for row in range {
            let from = chosen.map { Int($0[row]) } ?? row
            Self.set(row, of: rows, to: x.baseAddress! + from * width, width, in: elements)
          }
        }
      }
    }
  }

  /// The strips from one on, as a matrix of some width.
  func columns(from strip: Int, width: Int) -> StripedMatrix {
    StripedMatrix(rows: rows, width: width, elements, from: start + strip * rows * Self.columns)
  }

  /// Writes one row of all strips.
  static func set(
    _ row: Int, of rows: Int, to x: UnsafePointer<Float>, _ width: Int,
    in elements: UnsafeMutablePointer<Float>
  ) {
    for strip in 0..<count(width) {
      let target = elements + (strip * rows + row) * columns
      let found = min(columns, width - strip * columns)
      target.update(from: x + strip * columns, count: found)
      (target + found).update(repeating: 0, count: columns - found)
    }
  }

  /// Hands out all elements for writing.
  mutating func withMutableElements<R>(_ body: (UnsafeMutablePointer<Float>) throws -> R) rethrows -> R {
    try elements.withMutableElements { try body($0.baseAddress! + start) }
  }

  /// Hands out all elements.
  func withElements<R>(_ body: (UnsafePointer<Float>) throws -> R) rethrows -> R {
    try elements.withElements { try body($0.baseAddress! + start) }
  }
}

/// Sums and sums of squares of the columns of a matrix.
struct ColumnMoments {
  /// The number of rows.
  let count: Int
  /// `Σ x` by column.
  let sums: [Double]
  /// `Σ x²` by column.
  let squares: [Double]

  /// Of a matrix.
  ///
  /// 64 rows are summed in single precision, all else in double, in the order of the rows: the same on any number
  /// of threads.
  init(_ x: StripedMatrix) {
    let (rows, width) = (x.rows, x.width)
    count = rows
    let columns = StripedMatrix.columns
    var sums = [Double](repeating: 0, count: x.count * columns)
    var squares = sums
    sums.withUnsafeMutableBufferPointer { sums in
      squares.withUnsafeMutableBufferPointer { squares in
        x.withElements { x in
          // Disjoint: each strip has its own columns.
          Parallel.forEach(StripedMatrix.count(width)) { strip in
            for row in stride(from: 0, to: rows, by: StripedMatrix.rowsAtOnce) {
              var (sum, square) = (
                [Float](repeating: 0, count: columns), [Float](repeating: 0, count: columns)
              )
              kernel_column_sums(
                &sum, &square, x + (strip * rows + row) * columns, min(StripedMatrix.rowsAtOnce, rows - row),
                columns
              )
              for column in 0..<columns {
                sums[strip * columns + column] += Double(sum[column])
                squares[strip * columns + column] += Double(square[column])
              }
            }
          }
        }
      }
    }
    self.sums = Array(sums.prefix(width))
    self.squares = Array(squares.prefix(width))
  }

  /// Of no matrix.
  static let none = ColumnMoments(count: 0, sums: [], squares: [])

  private init(count: Int, sums: [Double], squares: [Double]) {
    (self.count, self.sums, self.squares) = (count, sums, squares)
  }

  /// `Σ (x − mean)²` by column.
  var deviations: [Double] {
    zip(sums, squares).map { sum, square in max(0, square - sum * sum / Double(count)) }
  }
}
