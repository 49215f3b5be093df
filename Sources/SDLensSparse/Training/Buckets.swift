/// The active entries of a batch, sorted by feature and then by row: what each feature's gradient is a sum of.
struct Buckets {
  /// The rows of the entries.
  let rows: [Int32]
  /// The activations.
  let values: [Float]
  /// The derivatives by the activations, up to a factor.
  let slopes: [Float]
  /// Where the entries of a feature begin; one more than there are features.
  let starts: [Int]

  /// Sorts the entries of some rows.
  init(_ codes: Codes, slopes given: [Float], features: Int, rows range: Range<Int>) {
    var starts = Array(repeating: 0, count: features + 1)
    let active = range.map { codes.active($0) }
    for (row, count) in zip(range, active) {
      codes.withRow(row) { indices, _ in for j in 0..<count { starts[Int(indices[j]) + 1] += 1 } }
    }
    for feature in 0..<features { starts[feature + 1] += starts[feature] }
    // One at least, so that there is memory to point to.
    var rows = [Int32](repeating: 0, count: max(1, starts[features]))
    var values = [Float](repeating: 0, count: rows.count)
    var slopes = values
    var next = starts
    for (row, count) in zip(range, active) {
      codes.withRow(row) { indices, entries in
        for j in 0..<count {
          let place = next[Int(indices[j])]
          next[Int(indices[j])] += 1
          (rows[place], values[place]) = (Int32(row), entries[j])
          slopes[place] = given[row * codes.slots + j]
        }
      }
    }
    (self.rows, self.values, self.slopes, self.starts) = (rows, values, slopes, starts)
  }
}
