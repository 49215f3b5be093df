/// Words that look alike.
package enum Spelling {
  /// The word that was perhaps meant, nil when none is near: at most a third of the letters differ.
  package static func nearest(to word: String, among words: some Sequence<String>) -> String? {
    let near = words.map { ($0, distance(word, $0)) }.filter { $0.1 <= min(word.count, $0.0.count) / 3 }
    return near.min { ($0.1, $0.0) < ($1.1, $1.0) }?.0
  }

  /// How many letters must be put in, taken out or replaced (Levenshtein).
  private static func distance(_ a: String, _ b: String) -> Int {
    var row = Array(0...b.count)
    for (i, letter) in a.enumerated() {
      var diagonal = row[0]
      row[0] = i + 1
      for (j, other) in b.enumerated() {
        let replaced = diagonal + (letter == other ? 0 : 1)
        diagonal = row[j + 1]
        row[j + 1] = min(replaced, row[j] + 1, diagonal + 1)
      }
    }
    return row[b.count]
  }
}
