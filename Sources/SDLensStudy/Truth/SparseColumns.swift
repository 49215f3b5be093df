import SDLensCore
import SDLensSparse

/// A table of scores, most of them 0, kept column by column: a row for each picture or place, a column for each
/// feature.
///
/// Memory: 8 bytes for each score that is not 0.
public struct SparseColumns: Sendable {
  /// A score that is not 0.
  public struct Entry: Sendable {
    /// Its row.
    public let row: Int32
    /// The score.
    public let value: Float
  }

  /// The number of rows so far.
  public private(set) var rows = 0
  /// The number of columns.
  public var count: Int { entries.count }
  private var entries: [[Entry]]

  /// A table of so many columns, without rows.
  public init(count: Int) { entries = Array(repeating: [], count: count) }

  /// The scores of a column that are not 0, row after row.
  public subscript(column: Int) -> [Entry] { entries[column] }

  /// Adds a row of its scores that are not 0; a column may come once.
  public mutating func append(_ scores: some Sequence<(column: Int, value: Float)>) {
    for (column, value) in scores where value != 0 {
      entries[column].append(Entry(row: Int32(rows), value: value))
    }
    rows += 1
  }

  /// Adds a row of all columns.
  public mutating func append(_ scores: some Sequence<Float>) {
    append(scores.lazy.enumerated().map { (column: $0, value: $1) })
  }

  /// Some columns with all their zeros, [rows, columns].
  public func dense(_ columns: [Int]) -> Matrix {
    var matrix = Matrix(rows: rows, columns: columns.count)
    for (target, column) in columns.enumerated() {
      for entry in entries[column] { matrix[Int(entry.row), target] = Double(entry.value) }
    }
    return matrix
  }
}

/// The labels of the rows of a table: for each row a set of at most 64 labels, as bits.
public struct RowLabels: Sendable {
  /// How many labels there are.
  public let count: Int
  /// The labels of each row; label i is bit i.
  public private(set) var rows: [UInt64] = []
  /// How many rows have each label.
  public private(set) var positives: [Int]

  /// No rows yet.
  public init(count: Int) {
    precondition(0...64 ~= count, "\(count) labels; a row has room for 64")
    self.count = count
    positives = Array(repeating: 0, count: count)
  }

  /// Adds the labels of a row.
  public mutating func append(_ labels: UInt64) {
    precondition(count == 64 || labels >> UInt64(count) == 0, "a label beyond the \(count) there are")
    rows.append(labels)
    for label in labels.bits { positives[label] += 1 }
  }

  /// Whether a row has a label.
  public func has(_ label: Int, row: Int) -> Bool { rows[row] >> UInt64(label) & 1 == 1 }
}

extension UInt64 {
  /// The numbers of the bits that are set, lowest first.
  var bits: some Sequence<Int> {
    sequence(state: self) { rest in
      guard rest != 0 else { return nil }
      defer { rest &= rest - 1 }
      return rest.trailingZeroBitCount
    }
  }
}
