import SDLensCore

/// How the rows of a batch, or the features of a dictionary, are shared out among ranks.
package struct Shares: Sendable {
  /// Who shares.
  let ranks: any Communicator
  /// What each rank has, side by side.
  let parts: [Range<Int>]
  /// What this rank has.
  var own: Range<Int> { parts[ranks.rank] }

  /// Shares out `0..<count`, cut at multiples of 64: such blocks of rows are computed together.
  package init(_ count: Int, among ranks: any Communicator) {
    let (size, blocks) = (StripedMatrix.rowsAtOnce, Self.blocks(count))
    self.ranks = ranks
    parts = (0..<ranks.count).map {
      min(count, blocks * $0 / ranks.count * size)..<min(count, blocks * ($0 + 1) / ranks.count * size)
    }
  }

  /// The pieces that `count` rows can be cut into.
  static func blocks(_ count: Int) -> Int {
    (count + StripedMatrix.rowsAtOnce - 1) / StripedMatrix.rowsAtOnce
  }

  /// Fills all rows, of `width` elements each, from those that each rank has.
  func gather(_ rows: UnsafeMutablePointer<Float>, width: Int) {
    ranks.gather(rows, parts.map { $0.lowerBound * width..<$0.upperBound * width })
  }

  /// Fills all rows of a matrix.
  func gather(_ matrix: inout Tensor) {
    guard ranks.count > 1 else { return }
    let width = matrix.width
    matrix.withMutableElements { gather($0.baseAddress!, width: width) }
  }

  /// Fills all rows of strips.
  func gather(_ matrix: inout StripedMatrix) {
    guard ranks.count > 1 else { return }
    let (rows, count) = (matrix.rows, matrix.count)
    matrix.withMutableElements { elements in
      for strip in 0..<count {
        gather(elements + strip * rows * StripedMatrix.columns, width: StripedMatrix.columns)
      }
    }
  }

  /// Fills the numbers that belong to the entries of codes, row by row.
  func gather(_ numbers: UnsafeMutablePointer<Float>, of codes: Codes) {
    ranks.gather(numbers, parts.map { codes.starts[$0.lowerBound]..<codes.starts[$0.upperBound] })
  }
}
