import CKernels

/// What is added to a weight [rows, columns] whenever it is read: `scale · up · down`, of a low rank.
///
/// Source: Hu et al., "LoRA", arXiv 2106.09685, section 4.1.
public struct LowRankUpdate: Sendable {
  /// [rows, rank], whatever axes of length 1 follow.
  private let up: StoredTensor
  /// [rank, columns], the columns on one or several axes.
  private let down: StoredTensor
  private let scale: Float
  private let rank: Int
  /// Columns of the weight.
  public let columns: Int
  /// Rows of the weight.
  public let rows: Int

  /// Pairs two factors; nil when they do not fit together.
  public init?(up: StoredTensor, down: StoredTensor, scale: Float) {
    guard up.shape.rank >= 2, down.shape.rank >= 2, case let rank = down.shape[0], rank > 0,
      up.shape.count == up.shape[0] * rank
    else { return nil }
    (self.up, self.down, self.scale, self.rank) = (up, down, scale, rank)
    (rows, columns) = (up.shape[0], down.shape.count / rank)
  }

  /// Adds its part of some rows; `target` begins with the first of them.
  func add(_ rows: Range<Int>, to target: UnsafeMutablePointer<Float>) {
    guard !rows.isEmpty else { return }
    var (factors, row) = (Tensor(uninitialized: [rows.count, rank]), Tensor(uninitialized: [columns]))
    factors.withMutableElements {
      up.copy(rows.lowerBound * rank..<rows.upperBound * rank, to: $0.baseAddress!)
    }
    for index in 0..<rank {
      row.withMutableElements { down.copy(index * columns..<(index + 1) * columns, to: $0.baseAddress!) }
      row.withElements { row in
        for place in 0..<rows.count {
          kernel_add_scaled(
            target + place * columns, scale * factors[place * rank + index], row.baseAddress!, columns)
        }
      }
    }
  }
}

extension StoredTensor {
  /// The position and the value of the first element that is NaN or infinite.
  public var firstNotFinite: (position: Int, value: Float)? { elements.firstNotFinite() }
}
