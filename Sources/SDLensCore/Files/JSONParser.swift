import Foundation

/// Reads JSON text (RFC 8259) strictly: no comments, no comma at the end, no key twice in an object. A byte-order mark
/// before it is passed over, as the standard allows.
///
/// Foundation's reader takes three times as long for a vocabulary, allows what the standard does not, and
/// does not say in which line a mistake is.
package struct JSONParser {
  /// How strictly a text is read.
  package enum Dialect: Sendable {
    /// As the standard says.
    case standard
    /// As Python's `json` reads what it writes: NaN, Infinity and -Infinity are numbers, numbers beyond a double are
    /// infinite, and of a key that is there twice the last value counts.
    case python
  }

  private let bytes: [UInt8]
  private let dialect: Dialect
  private var index = 0
  private var depth = 0
  /// The keys of the objects that are open.
  private var open: [String] = []
  /// Where an object stands whose members are kept in `members` instead, and what they are.
  private var apart: [String]?
  private var members: [(key: String, value: JSONValue)]?

  /// A mistake in the text, and where it is.
  package struct Mistake: Error, CustomStringConvertible {
    let line: Int
    package let column: Int
    package let reason: String
    package var description: String { "line \(line), column \(column): \(reason)" }
  }

  /// Reads the one value that the text holds.
  ///
  /// - Throws: `Mistake`.
  static func value(_ text: String, _ dialect: Dialect) throws -> JSONValue {
    var parser = JSONParser(text, dialect)
    return try parser.whole()
  }

  /// Reads a text with an object at `path`, of members too many or too alike for a dictionary of Swift's strings:
  /// they come in their order, and null stands in their place.
  ///
  /// - Returns: the value, and the members; nil when there is no object at that place.
  /// - Throws: `Mistake`.
  package static func value(
    _ text: String, membersAt path: [String]
  ) throws -> (rest: JSONValue, members: [(key: String, value: JSONValue)]?) {
    var parser = JSONParser(text, .standard)
    parser.apart = path
    return (try parser.whole(), parser.members)
  }

  private init(_ text: String, _ dialect: Dialect) {
    (bytes, self.dialect) = (Array(text.utf8), dialect)
    if bytes.starts(with: TextFile.mark) { index = TextFile.mark.count }
  }

  private mutating func whole() throws -> JSONValue {
    let value = try value()
    skipSpace()
    guard index == bytes.count else { throw mistake("nothing may follow the value") }
    return value
  }

  private mutating func value() throws -> JSONValue {
    skipSpace()
    switch next {
    case UInt8(ascii: "{"):
      guard open == apart, members == nil else { return .object(try object()) }
      members = try orderedMembers()
      return .null
    case UInt8(ascii: "["): return .array(try array())
    case UInt8(ascii: "\""): return .string(try string())
    case let byte? where byte == UInt8(ascii: "-") || Self.digit ~= byte: return try number()
    default:
      if let value = take([("true", .bool(true)), ("false", .bool(false)), ("null", .null)]) { return value }
      if dialect == .python, let value = take([("NaN", .double(.nan)), ("Infinity", .double(.infinity))]) {
        return value
      }
      throw missing("a value")
    }
  }

  private mutating func take(_ words: [(word: String, value: JSONValue)]) -> JSONValue? {
    guard let found = words.first(where: { bytes[index...].starts(with: $0.word.utf8) }) else { return nil }
    index += found.word.utf8.count
    return found.value
  }

  private mutating func object() throws -> [String: JSONValue] {
    var members: [String: JSONValue] = [:]
    try list(until: "}") { parser in
      let (key, value) = try parser.member()
      guard members.updateValue(value, forKey: key) == nil || parser.dialect == .python else {
        throw parser.twice(key)
      }
    }
    return members
  }

  /// The members of an object whose keys may be equal to Swift, which composes characters.
  private mutating func orderedMembers() throws -> [(key: String, value: JSONValue)] {
    var members: [(key: String, value: JSONValue)] = []
    var keys: Set<[UInt8]> = []
    try list(until: "}") { parser in
      members.append(try parser.member())
      let key = members[members.count - 1].key
      guard keys.insert(Array(key.utf8)).inserted else { throw parser.twice(key) }
    }
    return members
  }

  private mutating func member() throws -> (key: String, value: JSONValue) {
    guard next == UInt8(ascii: "\"") else { throw missing("a key in quotes") }
    let key = try string()
    skipSpace()
    guard take(":") else { throw missing("a colon") }
    open.append(key)
    defer { open.removeLast() }
    return (key, try value())
  }

  private func twice(_ key: String) -> Mistake { mistake("the key '\(key)' is there twice") }

  private mutating func array() throws -> [JSONValue] {
    var elements: [JSONValue] = []
    try list(until: "]") { elements.append(try $0.value()) }
    return elements
  }

  /// What stands between brackets, with commas between.
  private mutating func list(
    until end: Unicode.Scalar, _ element: (inout JSONParser) throws -> Void
  ) throws {
    index += 1
    depth += 1
    defer { depth -= 1 }
    guard depth <= 100 else { throw mistake("more than 100 brackets are open") }
    skipSpace()
    if take(end) { return }
    repeat {
      skipSpace()
      try element(&self)
      skipSpace()
    } while take(",")
    guard take(end) else { throw missing("a comma or '\(end)'") }
  }

  private mutating func string() throws -> String {
    index += 1
    let start = index
    var hasEscapes = false
    while let byte = next, byte != UInt8(ascii: "\"") {
      guard byte >= 0x20 else { throw mistake("a control character must be escaped in a text") }
      if byte == UInt8(ascii: "\\") {
        hasEscapes = true
        index += 1
      }
      index += 1
    }
    guard next != nil else { throw missing("a quote") }
    index += 1
    guard hasEscapes else { return String(decoding: bytes[start..<index - 1], as: UTF8.self) }
    // Escapes are rare, and surrogate pairs are not worth writing again.
    guard let text = try? JSONDecoder().decode(String.self, from: Data(bytes[start - 1..<index])) else {
      throw mistake("an escape in a text is wrong")
    }
    return text
  }

  private mutating func number() throws -> JSONValue {
    if dialect == .python, let value = take([("-Infinity", .double(-.infinity))]) { return value }
    let start = index
    _ = take("-")
    let first = next
    let whole = digits()
    var good = whole == 1 || whole > 1 && first != UInt8(ascii: "0")
    if take(".") { good = digits() > 0 && good }
    if take("e") || take("E") {
      _ = take("+") || take("-")
      good = digits() > 0 && good
    }
    let text = String(decoding: bytes[start..<index], as: UTF8.self)
    guard good, let double = Double(text), double.isFinite || dialect == .python else {
      throw mistake("'\(text)' is not a number")
    }
    return (Int(text) ?? Int(exactly: double)).map(JSONValue.int) ?? .double(double)
  }

  /// Skips digits and says how many there were.
  private mutating func digits() -> Int {
    let start = index
    while let byte = next, Self.digit ~= byte { index += 1 }
    return index - start
  }

  private static let digit = UInt8(ascii: "0")...UInt8(ascii: "9")

  private var next: UInt8? { index < bytes.count ? bytes[index] : nil }

  private mutating func take(_ character: Unicode.Scalar) -> Bool {
    guard next == UInt8(ascii: character) else { return false }
    index += 1
    return true
  }

  private mutating func skipSpace() {
    while let byte = next, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { index += 1 }
  }

  private func missing(_ what: String) -> Mistake {
    mistake(next == nil ? "the text ends too early" : "\(what) is needed")
  }

  private func mistake(_ reason: String) -> Mistake {
    let before = bytes[..<min(index, bytes.count)]
    let lineStart = before.lastIndex(of: 0x0A).map { $0 + 1 } ?? 0
    return Mistake(
      line: before.count { $0 == 0x0A } + 1, column: before.count - lineStart + 1, reason: reason)
  }
}
