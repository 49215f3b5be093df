import CKernels
import SDLensCore

/// The active features of a number of vectors: in each row up to `slots`, largest first.
///
/// A slot whose value is 0 is unused; values are never negative.
public struct Codes: Sendable, Equatable {
  /// The number of vectors.
  public let rows: Int
  /// How many features a row has room for.
  public let slots: Int
  /// [rows, slots], each below the size of the dictionary.
  public private(set) var indices: [Int32]
  /// [rows, slots].
  public private(set) var values: [Float]

  /// Rows in which nothing is active.
  public init(rows: Int, slots: Int) {
    (self.rows, self.slots) = (rows, slots)
    indices = Array(repeating: 0, count: rows * slots)
    values = Array(repeating: 0, count: rows * slots)
  }

  /// Rows as given; both lists are [rows, slots].
  public init(rows: Int, slots: Int, indices: [Int32], values: [Float]) {
    precondition(indices.count == rows * slots && values.count == rows * slots)
    (self.rows, self.slots, self.indices, self.values) = (rows, slots, indices, values)
  }

  /// The rows of several, one after the other, all with so many slots.
  public init(_ parts: [Codes], slots: Int) {
    precondition(parts.allSatisfy { $0.slots == slots }, "rows of other slots")
    self.init(
      rows: parts.reduce(0) { $0 + $1.rows }, slots: slots, indices: parts.flatMap(\.indices),
      values: parts.flatMap(\.values))
  }

  /// Sets the rows from `start` on to the largest entries of `z` [some rows, features], negative ones as 0.
  mutating func keepLargest(of z: Tensor, from start: Int) {
    let (width, slots) = (z.width, slots)
    precondition(start + z.rows <= rows && slots <= width)
    indices.withUnsafeMutableBufferPointer { indices in
      values.withUnsafeMutableBufferPointer { values in
        let (indices, values) = (indices.baseAddress!, values.baseAddress!)
        z.withElements { z in
          // Disjoint: each row has its own slots.
          Parallel.forRanges(z.count / width, grain: 8) { range in
            for row in range {
              let slot = (start + row) * slots
              kernel_top_k(indices + slot, values + slot, z.baseAddress! + row * width, width, slots)
              for index in slot..<slot + slots where !(values[index] > 0) { values[index] = 0 }
            }
          }
        }
      }
    }
  }

  /// Hands out all slots for writing, [rows, slots].
  mutating func withSlots<R>(
    _ body: (UnsafeMutableBufferPointer<Int32>, UnsafeMutableBufferPointer<Float>) throws -> R
  ) rethrows -> R {
    try indices.withUnsafeMutableBufferPointer { indices in
      try values.withUnsafeMutableBufferPointer { values in try body(indices, values) }
    }
  }

  /// Hands out the slots of a row.
  func withRow<R>(_ row: Int, _ body: (UnsafePointer<Int32>, UnsafePointer<Float>) throws -> R) rethrows -> R
  {
    try indices.withUnsafeBufferPointer { indices in
      try values.withUnsafeBufferPointer { values in
        try body(indices.baseAddress! + row * slots, values.baseAddress! + row * slots)
      }
    }
  }

  /// Some of the rows.
  public func rows(_ range: Range<Int>) -> Codes {
    let slots = range.lowerBound * self.slots..<range.upperBound * self.slots
    return Codes(
      rows: range.count, slots: self.slots, indices: Array(indices[slots]), values: Array(values[slots]))
  }

  /// Calls `body` with every active feature: row, feature and value.
  public func forEachActive(_ body: (_ row: Int, _ feature: Int, _ value: Float) -> Void) {
    for row in 0..<rows {
      for slot in row * slots..<(row + 1) * slots where values[slot] > 0 {
        body(row, Int(indices[slot]), values[slot])
      }
    }
  }

  /// The activations of one feature over all rows, `S^ρ` when the rows are the places of a map.
  public func map(of feature: Int) -> [Float] {
    var map = [Float](repeating: 0, count: rows)
    forEachActive { row, index, value in if index == feature { map[row] = value } }
    return map
  }
}
