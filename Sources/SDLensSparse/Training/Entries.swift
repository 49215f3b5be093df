/// Some of the features of a dictionary, and the place of each among them.
struct Places {
  /// The features.
  let list: [Int32]
  private let places: [Int32]

  /// Some of `features` features.
  init(_ list: [Int32], of features: Int) {
    self.list = list
    var places = [Int32](repeating: -1, count: features)
    for (place, feature) in list.enumerated() { places[Int(feature)] = Int32(place) }
    self.places = places
  }

  /// The place of a feature that is among them.
  subscript(_ feature: Int32) -> Int { Int(places[Int(feature)]) }
}

/// The active entries of some rows, sorted by feature and then by row: what each feature's gradient is a sum of.
struct Buckets {
  /// Where the entries of a feature begin, by its place; one more than there are features.
  let starts: [Int32]
  /// The rows of the entries.
  let rows: [Int32]
  /// The activations.
  let values: [Float]
  /// The derivatives by the activations, up to a factor.
  let slopes: [Float]

  /// Sorts the entries of some rows, whose features must all be among `features`.
  init(_ codes: Codes, slopes given: [Float], among features: Places, rows range: Range<Int>) {
    var starts = [Int32](repeating: 0, count: features.list.count + 1)
    let active = range.map { codes.active($0) }
    for (row, count) in zip(range, active) {
      codes.withRow(row) { indices, _ in for j in 0..<count { starts[features[indices[j]] + 1] += 1 } }
    }
    for place in features.list.indices { starts[place + 1] += starts[place] }
    var rows = [Int32](repeating: 0, count: Int(starts.last!))
    var values = [Float](repeating: 0, count: rows.count)
    var slopes = values
    var next = starts
    for (row, count) in zip(range, active) {
      codes.withRow(row) { indices, entries in
        for j in 0..<count {
          let place = features[indices[j]]
          let entry = Int(next[place])
          next[place] += 1
          (rows[entry], values[entry]) = (Int32(row), entries[j])
          slopes[entry] = given[row * codes.slots + j]
        }
      }
    }
    (self.starts, self.rows, self.values, self.slopes) = (starts, rows, values, slopes)
  }
}

/// The active entries of some rows, sorted by groups of 64 features and then by row.
struct FeatureGroups {
  /// Where the entries of a row begin, by group and by row; one more than there are rows.
  let starts: [[Int32]]
  /// The features of the entries, by their place in the group.
  let indices: [Int32]
  /// The activations.
  let values: [Float]
  /// The places of the entries in the codes.
  let slots: [Int]

  /// Sorts the entries of some rows, whose features must all be among `features`.
  init(_ codes: Codes, among features: Places, rows range: Range<Int>) {
    let size = Strips.rowsAtOnce
    let groups = (features.list.count + size - 1) / size
    var starts = [[Int32]](repeating: Array(repeating: 0, count: range.count + 1), count: groups)
    let active = range.map { codes.active($0) }
    for (line, row) in range.enumerated() {
      codes.withRow(row) { indices, _ in
        for j in 0..<active[line] { starts[features[indices[j]] / size][line + 1] += 1 }
      }
    }
    var total: Int32 = 0
    for group in 0..<groups {
      starts[group][0] = total
      for line in 0..<range.count { starts[group][line + 1] += starts[group][line] }
      total = starts[group].last!
    }
    var next = starts
    var found = [Int32](repeating: 0, count: Int(total))
    var values = [Float](repeating: 0, count: Int(total))
    var slots = [Int](repeating: 0, count: Int(total))
    for (line, row) in range.enumerated() {
      codes.withRow(row) { indices, entries in
        for j in 0..<active[line] {
          let (group, place) = features[indices[j]].quotientAndRemainder(dividingBy: size)
          let entry = Int(next[group][line])
          next[group][line] += 1
          (found[entry], values[entry], slots[entry]) = (Int32(place), entries[j], row * codes.slots + j)
        }
      }
    }
    (self.starts, indices, self.values, self.slots) = (starts, found, values, slots)
  }
}

extension Codes {
  /// How many features are active in a row; they come first.
  func active(_ row: Int) -> Int {
    withRow(row) { _, values in
      var count = slots
      while count > 0, values[count - 1] == 0 { count -= 1 }
      return count
    }
  }
}
