import Foundation
import SDLensCore

/// What a probe is to tell: a label for each picture, or for each position of its map.
public struct ProbeLabels: Sendable, Equatable {
  /// What the labels are called; numbers are written as they stand.
  public let names: [String]
  /// How many labels a picture has: 1, or one for each position.
  public let perPicture: Int

  /// Labels in the order of the pictures, and of their positions row by row.
  public init(_ names: [String], perPicture: Int) {
    precondition(perPicture > 0 && names.count % perPicture == 0, "\(names.count) labels")
    (self.names, self.perPicture) = (names, perPicture)
  }

  /// The row of every position.
  public static func rows(pictures: Int, height: Int, width: Int) -> ProbeLabels {
    let one = (0..<height * width).map { "\($0 / width)" }
    return ProbeLabels((0..<pictures).flatMap { _ in one }, perPicture: height * width)
  }

  /// The column of every position.
  public static func columns(pictures: Int, height: Int, width: Int) -> ProbeLabels {
    let one = (0..<height * width).map { "\($0 % width)" }
    return ProbeLabels((0..<pictures).flatMap { _ in one }, perPicture: height * width)
  }

  /// Reads a text with a line for each picture: one label, or one for each position separated by commas or semicolons; numbers
  /// may be separated by spaces, and stand in brackets.
  ///
  /// - Throws: `FileError`, `MalformedFile` when the lines do not fit, and for a gap among numbers.
  public init(contentsOf path: String, pictures: Int, places: Int) throws {
    var lines = try TextFile(path).lines.map { Self.labels(of: String($0), places: places) }
    // Blank lines behind the last label.
    while lines.count > pictures, lines.last == [""] { lines.removeLast() }
    func check(_ holds: Bool, _ reason: @autoclosure () -> String) throws {
      guard holds else { throw MalformedFile(path: path, reason: reason()) }
    }
    try check(
      lines.count == pictures,
      "has \(lines.count) lines, but there are \(pictures) pictures; write a line for each, in their order")
    let count = lines.first?.count ?? 0
    try check(
      count == 1 || count == places,
      "has \(count) labels in line 1, but a picture has one, or one for each of its \(places) positions")
    for (index, line) in lines.enumerated() {
      try check(
        line.count == count, "has \(line.count) labels in line \(index + 1), but \(count) in line 1")
      try check(!line.contains(""), "has an empty label in line \(index + 1); give it a name")
    }
    let labels = lines.flatMap(\.self)
    let numbers = labels.map { Double($0) }
    let areGaps = zip(labels, numbers).map { Self.gaps.contains($0.lowercased()) || $1?.isFinite == false }
    if let gap = areGaps.firstIndex(of: true), zip(areGaps, numbers).allSatisfy({ $0 || $1 != nil }) {
      try check(
        areGaps.allSatisfy(\.self),
        "has '\(labels[gap])' among numbers in line \(gap / count + 1); every picture needs a label")
    }
    if numbers.allSatisfy({ $0 != nil }),
      let place = numbers.firstIndex(where: { abs($0!) > Self.largest })
    {
      try check(
        false,
        "has \(labels[place]) in line \(place / count + 1), but numbers up to \(Self.largest) can be told; scale them"
      )
    }
    self.init(Self.spelledAlike(labels, numbers), perPicture: count)
  }

  /// Squares of larger numbers, summed up, leave the range of Double.
  private static let largest = 1e100

  /// How programs write that there is no number.
  private static let gaps: Set = ["nan", "none", "null", "na", "n/a", "<na>"]

  /// The labels of a line; brackets around it and within it, as lists of rows have them, are dropped.
  private static func labels(of line: String, places: Int) -> [String] {
    var line = line.trimmingCharacters(in: .whitespaces)
    if line.hasPrefix("["), line.hasSuffix("]") { line.removeAll { "[]".contains($0) } }
    if !line.contains(","), places > 1 {
      let words = line.split(whereSeparator: \.isWhitespace).map(String.init)
      if words.count == places, words.allSatisfy({ Double($0) != nil }) { return words }
      let parts = line.split(separator: ";", omittingEmptySubsequences: false)
      if parts.count == places { return parts.map(label) }
    }
    return line.split(separator: ",", omittingEmptySubsequences: false).map(label)
  }

  /// A label without quotation marks, or a number as NumPy and PyTorch print it, without its type: `np.float32(0.5)`.
  private static func label(_ text: Substring) -> String {
    let label = text.trimmingCharacters(in: .whitespaces)
    if label.count > 1, label.hasPrefix("\""), label.hasSuffix("\"") {
      return String(label.dropFirst().dropLast())
    }
    if label.hasSuffix(")"), let open = label.firstIndex(of: "("),
      label.hasPrefix("np.") || label.hasPrefix("tensor("),
      case let number = label[label.index(after: open)...].dropLast(), Double(number) != nil
    {
      return String(number)
    }
    return label
  }

  /// Where all are whole numbers, 1 and 1.0 are the same class.
  private static func spelledAlike(_ labels: [String], _ numbers: [Double?]) -> [String] {
    let whole = numbers.compactMap { $0.flatMap { Int(exactly: $0) } }
    return whole.count == labels.count && Set(whole).count < Set(labels).count
      ? whole.map(String.init) : labels
  }

  /// As numbers; nil when one is none.
  public var numbers: [Double]? {
    let numbers = names.compactMap { Double($0) }.filter(\.isFinite)
    return numbers.count == names.count ? numbers : nil
  }

  /// The labels of the first pictures.
  public func first(_ pictures: Int) -> ProbeLabels {
    ProbeLabels(Array(names.prefix(pictures * perPicture)), perPicture: perPicture)
  }
}
