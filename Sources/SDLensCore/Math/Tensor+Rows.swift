extension Tensor {
  /// Writes rows on all threads: each call of `body` gets some of them, where the first lies, and which they are.
  ///
  /// - Parameters:
  ///   - range: the rows, all unless told otherwise.
  ///   - width: the elements of a row, those of the last axis unless told otherwise.
  ///   - grain: how many rows a call gets at least.
  package mutating func updateRows(
    _ range: Range<Int>? = nil, ofWidth width: Int? = nil, grain: Int,
    _ body: (_ y: UnsafeMutablePointer<Float>, _ rows: Range<Int>) -> Void
  ) {
    guard count > 0 else { return }
    let width = width ?? self.width
    let range = range ?? 0..<count / width
    precondition(range.upperBound * width <= count, "rows \(range) of \(width) in \(shape)")
    withMutableElements { y in
      let y = y.baseAddress! + range.lowerBound * width
      // Disjoint: the rows of each call lie behind those of the one before.
      Parallel.forRanges(range.count, grain: grain) { rows in
        body(
          y + rows.lowerBound * width, range.lowerBound + rows.lowerBound..<range.lowerBound + rows.upperBound
        )
      }
    }
  }

  /// The same for each row beside that of another tensor, which has as many rows.
  package mutating func updateRows(
    _ range: Range<Int>? = nil, ofWidth width: Int? = nil, reading other: Tensor, grain: Int,
    _ body: (_ y: UnsafeMutablePointer<Float>, _ x: UnsafePointer<Float>, _ rows: Range<Int>) -> Void
  ) {
    guard count > 0 else { return }
    let rows = count / (width ?? self.width)
    precondition(other.count % rows == 0, "\(rows) rows of \(other.shape)")
    other.withElements { x in
      updateRows(range, ofWidth: width, grain: grain) { y, range in
        body(y, x.baseAddress! + range.lowerBound * (other.count / rows), range)
      }
    }
  }
}
