import CKernels

/// The product that most of the work is: rows of activations times the rows of a weight matrix.
enum Product {
  private static let rowsAtOnce = Int(KERNEL_ROWS)
  private static let depth = Int(KERNEL_DEPTH)

  /// `y = x wᵀ + bias`, or `y += x wᵀ + bias`, with `x` [rows, w.columns] and `y` [rows, w.rows].
  static func multiply(
    _ x: UnsafePointer<Float>, rows: Int, by w: WeightMatrix, bias: Tensor?,
    into y: UnsafeMutablePointer<Float>, accumulate: Bool = false
  ) {
    w.withKernelWeights { weights in
      let packed = packed(x, rows: rows, depth: w.columns)
      packed.withElements { packed in
        // Disjoint: each piece writes its own rectangle of y.
        let pieces = pieces(rows: rows, outputs: w.rows)
        Parallel.forEach(pieces.count) { index in
          let piece = pieces[index]
          multiply(
            packed.baseAddress!, packedRows: padded(rows), by: weights, bias: bias, into: y,
            stride: w.rows, piece, accumulate: accumulate)
        }
      }
    }
  }

  /// One rectangle of the result; `packed` as made by `pack`.
  static func multiply(
    _ packed: UnsafePointer<Float>, packedRows: Int, by weights: kernel_weights, bias: Tensor? = nil,
    into y: UnsafeMutablePointer<Float>, stride: Int, _ piece: Piece, accumulate: Bool = false
  ) {
    func multiply(_ bias: UnsafePointer<Float>?) {
      withUnsafePointer(to: weights) {
        kernel_product(
          y, stride, packed, packedRows, piece.rows.lowerBound, piece.rows.upperBound, $0,
          piece.outputs.lowerBound, piece.outputs.upperBound, bias, accumulate)
      }
    }
    if let bias { bias.withElements { multiply($0.baseAddress!) } } else { multiply(nil) }
  }

  /// A rectangle of the result.
  struct Piece {
    let rows: Range<Int>
    let outputs: Range<Int>
  }

  /// Cuts the result into rectangles: panels of outputs, and rows too where panels alone are too few.
  static func pieces(rows: Int, outputs: Int) -> [Piece] {
    let enough = 4 * Parallel.threads
    let fair = (outputs + enough - 1) / enough
    let panel = min(Int(KERNEL_PANEL), max(48, (fair + 11) / 12 * 12))
    let panels = (outputs + panel - 1) / panel
    let tiles = padded(rows) / rowsAtOnce
    let blocks = max(1, min((enough + panels - 1) / panels, tiles / 4))
    return (0..<blocks).flatMap { block in
      let first = tiles * block / blocks * rowsAtOnce
      let last = min(rows, tiles * (block + 1) / blocks * rowsAtOnce)
      return (0..<panels).map { index in
        Piece(rows: first..<last, outputs: index * panel..<min(outputs, (index + 1) * panel))
      }
    }
  }

  /// The number of rows when the last group is filled up.
  static func padded(_ rows: Int) -> Int { (rows + rowsAtOnce - 1) / rowsAtOnce * rowsAtOnce }

  /// Lays out activations [rows, depth] for the kernel.
  private static func packed(_ x: UnsafePointer<Float>, rows: Int, depth: Int) -> Tensor {
    var packed = Tensor(uninitialized: [padded(rows), depth])
    packed.withMutableElements { packed in
      nonisolated(unsafe) let packed = packed.baseAddress!
      Parallel.forRanges(padded(rows) / rowsAtOnce, grain: max(1, 16384 / (depth * rowsAtOnce))) {
        pack(x, rows: rows, depth: depth, groups: $0, into: packed)
      }
    }
    return packed
  }

  /// Lays out some groups of rows.
  static func pack(
    _ x: UnsafePointer<Float>, rows: Int, depth: Int, groups: Range<Int>,
    into packed: UnsafeMutablePointer<Float>
  ) {
    for group in groups {
      let row = group * rowsAtOnce
      for start in stride(from: 0, to: depth, by: Self.depth) {
        let count = min(Self.depth, depth - start)
        kernel_pack(
          packed + start * padded(rows) + row * count, x + row * depth + start, depth,
          min(rowsAtOnce, rows - row), count)
      }
    }
  }
}
