import CKernels

/// The active entries of some rows, sorted by feature and then by row: what each feature's gradient is a sum of.
struct Entries {
  /// Where the entries of a feature begin, by its place among the features; one more than there are features.
  private(set) var starts: [Int32]
  /// The rows of the entries.
  private(set) var rows: [Int32]
  /// The activations.
  private(set) var values: [Float]
  /// The derivatives by the activations, up to a factor.
  private(set) var slopes: [Float]

  /// Sorts the entries of codes, whose derivatives are given in the same order.
  init(_ codes: Codes, slopes given: [Float], features: Int) {
    self.init(features: features, count: given.count)
    let rowStarts = codes.starts.map(Int32.init)
    kernel_sort_entries(
      &starts, &rows, &values, &slopes, features, rowStarts, codes.rows, codes.rows, 0, codes.indices,
      codes.values, given)
  }

  /// Sorts the entries of a block of rows, whose derivatives are in the places of the block.
  init(_ block: EntryBlock, slopes given: [Float]) {
    self.init(features: block.features, count: given.count)
    kernel_sort_entries(
      &starts, &rows, &values, &slopes, block.features, block.starts, block.starts.count - 1,
      block.rows.count, Int32(block.rows.lowerBound), block.indices, block.values, given)
  }

  private init(starts: [Int32], rows: [Int32], values: [Float], slopes: [Float]) {
    (self.starts, self.rows, self.values, self.slopes) = (starts, rows, values, slopes)
  }

  /// The blocks of all ranks, one behind the other; each rank has one at least.
  static func joined(_ own: [Entries], by ranks: any Communicator) -> [Entries] {
    guard ranks.count > 1 else { return own }
    let (size, starts) = (own[0].starts.count, ranks.joined(own.flatMap(\.starts)))
    let (rows, values) = (ranks.joined(own.flatMap(\.rows)), ranks.joined(own.flatMap(\.values)))
    let slopes = ranks.joined(own.flatMap(\.slopes))
    var end = 0
    return stride(from: 0, to: starts.count, by: size).map { first in
      let block = Array(starts[first..<first + size])
      let range = end..<end + Int(block.last!)
      end = range.upperBound
      return Entries(
        starts: block, rows: Array(rows[range]), values: Array(values[range]), slopes: Array(slopes[range]))
    }
  }

  private init(features: Int, count: Int) {
    starts = Array(repeating: 0, count: features + 1)
    rows = Array(repeating: 0, count: count)
    values = Array(repeating: 0, count: count)
    slopes = values
  }
}

/// The active entries of a block of rows, sorted by groups of 64 features and then by row.
///
/// The directions of a group fit the first cache.
struct EntryBlock {
  /// The rows.
  let rows: Range<Int>
  /// The number of features.
  let features: Int
  /// Where the entries of a row in a group begin, [groups, rows] and the end.
  private(set) var starts: [Int32]
  /// The features of the entries, by their place.
  private(set) var indices: [Int32]
  /// The activations.
  private(set) var values: [Float]

  /// The number of groups.
  var groups: Int { (starts.count - 1) / rows.count }
  /// The number of entries.
  var count: Int { Int(starts.last!) }

  /// The entries above 0 of `activations` [rows, features].
  init(_ activations: [Float], rows: Range<Int>) {
    self.rows = rows
    features = activations.count / rows.count
    let groups = (features + StripedMatrix.rowsAtOnce - 1) / StripedMatrix.rowsAtOnce
    starts = Array(repeating: 0, count: groups * rows.count + 1)
    indices = Array(repeating: 0, count: activations.count + 1)
    values = Array(repeating: 0, count: activations.count + 1)
    kernel_positive_entries(
      &starts, &indices, &values, activations, rows.count, features, StripedMatrix.rowsAtOnce)
  }
}
