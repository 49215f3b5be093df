import CKernels
import SDLensCore

/// The active features of a number of vectors: in each row as many as there are, with activations above 0.
public struct Codes: Sendable, Equatable {
  /// Where the entries of each row begin, and the end of the last: one more than there are rows.
  public private(set) var starts: [Int]
  /// The features of the entries, each below the size of the dictionary.
  public private(set) var indices: [Int32]
  /// The activations of the entries.
  public private(set) var values: [Float]

  /// The number of vectors.
  public var rows: Int { starts.count - 1 }
  /// The number of active features of all rows.
  public var count: Int { values.count }

  /// Rows as given: entry by entry, those of row i from `starts[i]` to below `starts[i + 1]`.
  public init(starts: [Int], indices: [Int32], values: [Float]) {
    precondition(starts.first == 0 && starts.last == values.count && indices.count == values.count)
    (self.starts, self.indices, self.values) = (starts, indices, values)
  }

  /// Rows of equal length, [rows, slots] both; a value of 0 is none.
  public init(rows: Int, slots: Int, indices: [Int32], values: [Float]) {
    precondition(indices.count == rows * slots && values.count == rows * slots)
    self.init(starts: [0], indices: [], values: [])
    starts.reserveCapacity(rows + 1)
    self.indices.reserveCapacity(values.count)
    self.values.reserveCapacity(values.count)
    for row in 0..<rows {
      for slot in row * slots..<(row + 1) * slots where values[slot] > 0 {
        self.indices.append(indices[slot])
        self.values.append(values[slot])
      }
      starts.append(self.values.count)
    }
  }

  /// Rows of entries, each in the order given.
  init(rows: [[(feature: Int32, value: Float)]]) {
    self.init(starts: [0], indices: [], values: [])
    let count = rows.reduce(0) { $0 + $1.count }
    starts.reserveCapacity(rows.count + 1)
    indices.reserveCapacity(count)
    values.reserveCapacity(count)
    for row in rows {
      for entry in row {
        indices.append(entry.feature)
        values.append(entry.value)
      }
      starts.append(values.count)
    }
  }

  /// The rows of several, one after the other.
  public init(joining parts: [Codes]) {
    guard parts.count != 1 else {
      self = parts[0]
      return
    }
    self.init(starts: [0], indices: [], values: [])
    for part in parts {
      starts += part.starts.dropFirst().map { values.count + $0 }
      indices += part.indices
      values += part.values
    }
  }

  /// What a selection takes of pre-activations [rows, features], the largest first.
  init(of z: Tensor, _ selection: Selection) {
    switch selection {
    case .topK(let k): self.init(largest: k, of: z)
    case .threshold(let thresholds): self.init(of: z, above: thresholds)
    }
  }

  private init(largest k: Int, of z: Tensor) {
    let (width, rows) = (z.width, z.rows)
    precondition(k <= width)
    var (indices, values) = ([Int32](repeating: 0, count: rows * k), [Float](repeating: 0, count: rows * k))
    indices.withUnsafeMutableBufferPointer { indices in
      values.withUnsafeMutableBufferPointer { values in
        let (indices, values) = (indices.baseAddress!, values.baseAddress!)
        z.withElements { z in
          // Disjoint: each row has its own slots.
          Parallel.forRanges(rows, grain: 8) { range in
            for row in range {
              kernel_top_k(indices + row * k, values + row * k, z.baseAddress! + row * width, width, k)
            }
          }
        }
      }
    }
    self.init(rows: rows, slots: k, indices: indices, values: values)
  }

  private init(of z: Tensor, above thresholds: [Float]) {
    let width = z.width
    precondition(thresholds.count == width)
    self.init(
      rows: Parallel.map(z.rows) { row in
        z.withElements { z in
          (0..<width).lazy.map { (feature: Int32($0), value: z[row * width + $0]) }
            .filter { $0.value > max(0, thresholds[Int($0.feature)]) }
            .sorted { ($1.value, $0.feature) < ($0.value, $1.feature) }
        }
      })
  }

  /// Hands out the entries of a row.
  func withRow<R>(
    _ row: Int, _ body: (UnsafeBufferPointer<Int32>, UnsafeBufferPointer<Float>) throws -> R
  ) rethrows -> R {
    let range = starts[row]..<starts[row + 1]
    return try indices.withUnsafeBufferPointer { indices in
      try values.withUnsafeBufferPointer { values in
        try body(.init(rebasing: indices[range]), .init(rebasing: values[range]))
      }
    }
  }

  /// Some of the rows.
  public func rows(_ range: Range<Int>) -> Codes {
    let (start, end) = (starts[range.lowerBound], starts[range.upperBound])
    return Codes(
      starts: starts[range.lowerBound...range.upperBound].map { $0 - start },
      indices: Array(indices[start..<end]), values: Array(values[start..<end]))
  }

  /// Calls `body` with every active feature: row, feature and value.
  public func forEachActive(_ body: (_ row: Int, _ feature: Int, _ value: Float) -> Void) {
    for row in 0..<rows {
      for entry in starts[row]..<starts[row + 1] { body(row, Int(indices[entry]), values[entry]) }
    }
  }

  /// The row of an entry.
  public func row(ofEntry entry: Int) -> Int {
    precondition(0..<count ~= entry)
    var (low, high) = (0, rows)
    while low + 1 < high {
      let middle = (low + high) / 2
      if starts[middle] <= entry { low = middle } else { high = middle }
    }
    return low
  }

  /// The activations of one feature over all rows, `S^ρ` when the rows are the places of a map.
  public func map(of feature: Int) -> [Float] {
    var map = [Float](repeating: 0, count: rows)
    forEachActive { row, index, value in if index == feature { map[row] = value } }
    return map
  }

  /// All rows made equally long, [rows, slots], with entries of value 0 for features that are not active in the row, so that
  /// none is there twice.
  public func padded(to slots: Int) -> (indices: [Int32], values: [Float]) {
    var indices = [Int32](repeating: 0, count: rows * slots)
    var values = [Float](repeating: 0, count: rows * slots)
    for row in 0..<rows {
      let range = starts[row]..<starts[row + 1]
      precondition(range.count <= slots, "\(range.count) entries in \(slots) slots")
      for (slot, entry) in range.enumerated() {
        (indices[row * slots + slot], values[row * slots + slot]) = (self.indices[entry], self.values[entry])
      }
      guard range.count < slots else { continue }
      let active = Set(self.indices[range])
      var silent: Int32 = 0
      for slot in range.count..<slots {
        while active.contains(silent) { silent += 1 }
        indices[row * slots + slot] = silent
        silent += 1
      }
    }
    return (indices, values)
  }
}
