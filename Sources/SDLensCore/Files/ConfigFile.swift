/// A `config.json` of a model folder: values asked for by key, with their type and range checked.
///
/// A key that is absent or null takes the default, as it does for the Python classes; without a default it
/// is an error. Keys that nobody asks for are ignored, as diffusers and transformers do.
public struct ConfigFile: Sendable {
  /// Where the file lies.
  public let path: String
  private let values: [String: JSONValue]
  /// What keys are called in messages: `text_config.` before those of a section.
  private var prefix = ""

  /// Reads the file, which must hold one JSON object.
  ///
  /// - Throws: `FileError` when it cannot be read, `MalformedFile` when it is not UTF-8, not JSON or no object.
  public init(_ path: String) throws {
    guard case .object(let values) = try JSONValue(contentsOf: path, as: .python) else {
      throw MalformedFile(path: path, reason: "does not hold a JSON object")
    }
    self.path = path
    self.values = values
  }

  /// What was read of a file, to be asked in the same way.
  package init(_ path: String, _ values: [String: JSONValue]) { self.init(path, values, prefix: "") }

  /// The value of a key as it stands, nil when absent or null.
  public subscript(key: String) -> JSONValue? {
    values[key].flatMap { $0 == .null ? nil : $0 }
  }

  /// Whether a key is there, and null.
  package func isNull(_ key: String) -> Bool { values[key] == .null }

  /// The same file with other values under some keys.
  package func replacing(_ others: [String: JSONValue]) -> ConfigFile {
    ConfigFile(path, values.merging(others) { $1 }, prefix: prefix)
  }

  private init(_ path: String, _ values: [String: JSONValue], prefix: String) {
    (self.path, self.values, self.prefix) = (path, values, prefix)
  }

  /// The object under a key, to be asked in the same way; nil when absent or null.
  ///
  /// - Throws: `BadConfigValue` for what is no object.
  public func section(_ key: String) throws -> ConfigFile? {
    switch self[key] {
    case nil: nil
    case .object(let values): ConfigFile(path, values, prefix: "\(prefix)\(key).")
    case let found:
      throw BadConfigValue(path: path, key: label(key), found: found, needed: "an object")
    }
  }

  /// What a key is called in messages.
  public func label(_ key: String) -> String { prefix + key }

  /// The extents, widths and counts that make sense: 1 to 2²⁴, so that no product of two overflows.
  public static let sizes = 1...1 << 24

  /// A whole number in `range`.
  public func int(
    _ key: String, in range: ClosedRange<Int> = ConfigFile.sizes, default whenAbsent: Int? = nil
  ) throws -> Int {
    try value(key, "an integer from \(range.lowerBound) to \(range.upperBound)", whenAbsent) {
      $0.int(in: range)
    }
  }

  /// A list of `count` whole numbers in `range`, or of any number of them when `count` is nil.
  ///
  /// One number stands for `count` equal ones, as diffusers allows.
  public func ints(
    _ key: String, count: Int? = nil, in range: ClosedRange<Int> = ConfigFile.sizes,
    default whenAbsent: [Int]? = nil
  ) throws -> [Int] {
    let needed = "\(count.map { "\($0)" } ?? "a list of") integers"
    return try value(key, "\(needed) from \(range.lowerBound) to \(range.upperBound)", whenAbsent) {
      if let count, let int = $0.int(in: range) { return Array(repeating: int, count: count) }
      guard case .array(let elements) = $0, elements.count == count ?? elements.count else { return nil }
      let ints = elements.compactMap { $0.int(in: range) }
      return ints.count == elements.count ? ints : nil
    }
  }

  /// A number in `range`; an integer will do.
  public func double(
    _ key: String, in range: ClosedRange<Double> = -1e30...1e30, default whenAbsent: Double? = nil
  ) throws -> Double {
    try value(key, "a number from \(range.lowerBound) to \(range.upperBound)", whenAbsent) {
      $0.number.flatMap { range.contains($0) ? $0 : nil }
    }
  }

  /// True or false; null is false, as it is in Python, where the key is there.
  public func bool(_ key: String, default whenAbsent: Bool? = nil) throws -> Bool {
    try value(key, "true or false", isNull(key) ? false : whenAbsent) {
      if case .bool(let bool) = $0 { bool } else { nil }
    }
  }

  /// A text.
  public func string(_ key: String, default whenAbsent: String? = nil) throws -> String {
    try value(key, "a text", whenAbsent) {
      if case .string(let string) = $0 { string } else { nil }
    }
  }

  /// One of the cases of `Choice`, which are those supported, by its raw value.
  public func choice<Choice: RawRepresentable<String> & CaseIterable>(
    _ key: String, default whenAbsent: Choice? = nil
  ) throws -> Choice {
    let choice = Choice(rawValue: try string(key, default: whenAbsent?.rawValue))
    guard let choice else {
      throw UnsupportedConfigValue(
        path: path, key: label(key), found: self[key] ?? .null,
        supported: Choice.allCases.map { .string($0.rawValue) })
    }
    return choice
  }

  /// Refuses a value other than those supported; `whenAbsent` is what an absent key stands for (by itself,
  /// the first supported value), and null is false where something is true or false.
  ///
  /// - Throws: `UnsupportedConfigValue`, naming file, key, value and what is supported.
  public func require(_ key: String, _ supported: JSONValue..., default whenAbsent: JSONValue? = nil) throws {
    let isFlag = if case .bool = supported[0] { true } else { false }
    let found = self[key] ?? (isFlag && isNull(key) ? false : whenAbsent ?? supported[0])
    guard supported.contains(found) else {
      throw UnsupportedConfigValue(path: path, key: label(key), found: found, supported: supported)
    }
  }

  /// What `read` makes of the value of a key, which is in error when that is nil.
  private func value<Value>(
    _ key: String, _ needed: String, _ whenAbsent: Value?, read: (JSONValue) -> Value?
  ) throws -> Value {
    guard let result = self[key].map(read) ?? whenAbsent else {
      throw BadConfigValue(path: path, key: label(key), found: self[key], needed: needed)
    }
    return result
  }
}

extension JSONValue {
  fileprivate func int(in range: ClosedRange<Int>) -> Int? {
    if case .int(let int) = self, range.contains(int) { int } else { nil }
  }
}

/// A value that is absent, of the wrong type or out of range.
public struct BadConfigValue: UserError {
  let path: String
  let key: String
  let found: JSONValue?
  let needed: String

  /// Names file and key, the value found, if any, and what is needed.
  public init(path: String, key: String, found: JSONValue?, needed: String) {
    (self.path, self.key, self.found, self.needed) = (path, key, found, needed)
  }

  /// File, key, value and what is needed.
  public var description: String {
    found.map { "'\(path)': '\(key)' is \($0), but it must be \(needed)" }
      ?? "'\(path)' has no '\(key)'; it must be \(needed)"
  }
}

/// A value that would change the computation in a way that is not built.
public struct UnsupportedConfigValue: UserError {
  let path: String
  let key: String
  let found: JSONValue
  let supported: [JSONValue]

  /// Names file and key, the value found and the values that would do.
  public init(path: String, key: String, found: JSONValue, supported: [JSONValue]) {
    (self.path, self.key, self.found, self.supported) = (path, key, found, supported)
  }

  /// File, key, value and what is supported.
  public var description: String {
    "'\(path)': '\(key)' is \(found), which is not supported; supported: "
      + supported.map(\.description).joined(separator: ", ")
  }
}
