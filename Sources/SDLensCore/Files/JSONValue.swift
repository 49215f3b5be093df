import Foundation

/// A value of a JSON file; a number without a fraction is an `int`, written 1 or 1.0.
public enum JSONValue: Hashable, Sendable {
  case null
  case bool(Bool)
  case int(Int)
  case double(Double)
  case string(String)
  case array([JSONValue])
  case object([String: JSONValue])

  /// Reads a text that holds one value.
  ///
  /// - Throws: `JSONParser.Mistake`.
  package init(parsing text: String, as dialect: JSONParser.Dialect = .standard) throws {
    self = try JSONParser.value(text, dialect)
  }

  /// Reads a whole file of UTF-8 JSON.
  ///
  /// - Throws: `FileError` when it cannot be read, `MalformedFile` when it is not UTF-8 or not JSON.
  public init(contentsOf path: String) throws { try self.init(contentsOf: path, as: .standard) }

  /// The same of another dialect.
  package init(contentsOf path: String, as dialect: JSONParser.Dialect) throws {
    self = try Self.parsing(path) { try JSONValue(parsing: $0, as: dialect) }
  }

  /// Reads a whole file of UTF-8 JSON in which the object at `path` comes as a list: `JSONParser.value(_:membersAt:)`.
  ///
  /// - Throws: as `init(contentsOf:)`.
  package static func contents(
    of file: String, membersAt path: [String]
  ) throws -> (rest: JSONValue, members: [(key: String, value: JSONValue)]?) {
    try parsing(file) { try JSONParser.value($0, membersAt: path) }
  }

  private static func parsing<Value>(_ path: String, _ read: (String) throws -> Value) throws -> Value {
    guard let text = try MappedFile(path: path).text else {
      throw MalformedFile(path: path, reason: "is not UTF-8 text")
    }
    do {
      return try read(text)
    } catch let mistake as JSONParser.Mistake {
      throw MalformedFile(path: path, reason: "is not valid JSON: \(mistake)")
    }
  }
}

extension JSONValue {
  /// A finite number, with or without a fraction.
  package var number: Double? {
    switch self {
    case .int(let value): Double(value)
    case .double(let value) where value.isFinite: value
    default: nil
    }
  }
}

// swift-format-ignore: AllPublicDeclarationsHaveDocumentation
extension JSONValue: ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral,
  ExpressibleByStringLiteral, ExpressibleByArrayLiteral
{
  public init(booleanLiteral value: Bool) { self = .bool(value) }
  public init(integerLiteral value: Int) { self = .int(value) }
  public init(floatLiteral value: Double) { self = Int(exactly: value).map(JSONValue.int) ?? .double(value) }
  public init(stringLiteral value: String) { self = .string(value) }
  public init(arrayLiteral elements: JSONValue...) { self = .array(elements) }
}

extension JSONValue: CustomStringConvertible {
  /// The value as it stands in a file, shortened when it is long.
  public var description: String {
    switch self {
    case .null: "null"
    case .bool(let value): "\(value)"
    case .int(let value): "\(value)"
    case .double(let value): "\(value)"
    case .string(let value): "\"\(value.count > 60 ? value.prefix(60) + "…" : value)\""
    case .array(let elements):
      "[" + elements.prefix(12).map(\.description).joined(separator: ", ")
        + (elements.count > 12 ? ", … (\(elements.count))]" : "]")
    case .object(let members): "an object of \(members.count) keys"
    }
  }
}

/// A file that does not hold what its name promises.
public struct MalformedFile: UserError {
  let path: String
  let reason: String

  /// Names the file and continues the sentence: "is not UTF-8 text".
  public init(path: String, reason: String) { (self.path, self.reason) = (path, reason) }

  /// The file and what is wrong with it.
  public var description: String { "'\(path)' \(reason)" }
}
