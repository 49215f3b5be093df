import Foundation

/// JSON text of another program's file, read with a reason that says what is wrong and where.
package enum JSON {
  /// Why a text is not the JSON that was expected: `'a.shape[0]' must be a whole number, but true or false was found`.
  package struct Problem: Error {
    package let reason: String
  }

  /// Decodes a value.
  ///
  /// - Throws: `Problem`; also for nesting deeper than 512, which Foundation refuses.
  package static func decode<Value: Decodable>(
    _ type: Value.Type, from data: Data, keys: JSONDecoder.KeyDecodingStrategy = .useDefaultKeys
  ) throws -> Value {
    do {
      let decoder = JSONDecoder()
      decoder.keyDecodingStrategy = keys
      return try decoder.decode(type, from: data)
    } catch let error as DecodingError {
      throw Problem(reason: reason(for: error, in: data))
    }
  }

  /// Reads a value from a file, its keys in snake case.
  ///
  /// - Parameter advice: what to do with one that is damaged.
  /// - Throws: `FileError` when it cannot be read, `MalformedFile` when it is not what is needed.
  package static func read<Value: Decodable>(
    _ type: Value.Type, from path: String, advice: String? = nil
  ) throws -> Value {
    do {
      return try decode(
        type, from: try MappedFile(path: path).withBytes { Data($0) }, keys: .convertFromSnakeCase)
    } catch let problem as Problem {
      let advice = advice.map { "; \($0)" } ?? ""
      throw MalformedFile(path: path, reason: "is not as it should be: \(problem.reason)\(advice)")
    }
  }

  /// Writes a value to a file, whole or not at all, with sorted keys in snake case.
  package static func write(_ value: some Encodable, to path: String) throws {
    let bytes = try text(value)
    try AtomicFile.write(to: path, byteCount: bytes.count) { try $0.append(bytes) }
  }

  /// The text of a value, with sorted keys in snake case.
  package static func text(_ value: some Encodable) throws -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.keyEncodingStrategy = .convertToSnakeCase
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    return Array(try encoder.encode(value)) + [UInt8(ascii: "\n")]
  }

  /// The text of a value in one line, with sorted keys.
  package static func line(_ value: some Encodable) throws -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return Array(try encoder.encode(value))
  }

  private static func reason(for error: DecodingError, in data: Data) -> String {
    switch error {
    case .keyNotFound(let key, let context):
      "\(place(context.codingPath)) has no '\(key.stringValue)'"
    case .dataCorrupted(let context) where context.codingPath.isEmpty:
      syntaxError(in: data).map(sentence) ?? "a number is no whole number below 2^63, but one is needed there"
    case .typeMismatch(let type, let context), .valueNotFound(let type, let context):
      "\(place(context.codingPath)) must be \(name(of: type)), but \(found(context.debugDescription)) was found"
    case .dataCorrupted(let context):
      "\(place(context.codingPath)): \(sentence(context.debugDescription))"
    @unknown default: "\(error)"
    }
  }

  private static func place(_ path: [any CodingKey]) -> String {
    let steps = path.map { key in key.intValue.map { "[\($0)]" } ?? ".\(key.stringValue)" }.joined()
    return steps.isEmpty ? "the outermost value" : "'\(steps.drop { $0 == "." })'"
  }

  /// What a type is called in JSON.
  private static func name(of type: any Any.Type) -> String {
    let name = "\(type)"
    if name.hasPrefix("Array") { return "a list" }
    if name.hasPrefix("Dictionary") { return "an object" }
    if name.contains("Int") || name == "WholeNumber" { return "a whole number" }
    return ["String": "a text", "Bool": "true or false", "Double": "a number", "Float": "a number"][name]
      ?? "an object"
  }

  /// What the decoder says that it found: `… but found number instead.`
  private static func found(_ text: String) -> String {
    let names = [
      ("number", "a number"), ("string", "a text"), ("bool", "true or false"), ("array", "a list"),
      ("dictionary", "an object"), ("null", "null"),
    ]
    let end = text.firstRange(of: "found ").map { text[$0.upperBound...] } ?? text[...]
    return names.first { end.lowercased().contains($0.0) }?.1 ?? "something else"
  }

  /// What the decoder does not tell: where the text stops being JSON.
  private static func syntaxError(in data: Data) -> String? {
    do {
      _ = try JSONSerialization.jsonObject(with: data)
      return nil
    } catch {
      return (error as NSError).userInfo[NSDebugDescriptionErrorKey] as? String
    }
  }

  /// Foundation's sentence as a part of ours.
  private static func sentence(_ text: String) -> String {
    text.prefix(1).lowercased() + (text.hasSuffix(".") ? text.dropLast() : text[...]).dropFirst()
  }
}

/// A whole number; the decoder alone does not say which number is not one.
struct WholeNumber: Decodable {
  let value: Int

  init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    do {
      value = try container.decode(Int.self)
    } catch let error as DecodingError {
      throw error
    } catch {
      let number = try container.decode(Double.self)
      throw DecodingError.dataCorruptedError(
        in: container, debugDescription: "\(number) is not a whole number below 2^63")
    }
  }
}
