import Foundation
import SDLensCore

/// Nobody takes the results.
struct OutputClosed: UserError {
  let reason: String
  var description: String { "standard output cannot be written: \(reason)" }
}

/// Results, on standard output.
enum Output {
  /// Prints a line, at once: whoever reads through a pipe does not wait for the end.
  ///
  /// - Throws: `OutputClosed`, so that a result that did not get through is no success.
  static func print(_ line: String) throws {
    do {
      try FileHandle.standardOutput.write(contentsOf: Data((line + "\n").utf8))
    } catch {
      throw OutputClosed(reason: error.localizedDescription)
    }
  }

  /// Prints a value as JSON, its keys in snake case and sorted.
  static func print(json value: some Encodable) throws {
    let encoder = JSONEncoder()
    encoder.keyEncodingStrategy = .convertToSnakeCase
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    try print(String(decoding: encoder.encode(value), as: UTF8.self))
  }
}

/// A value that stands as null in JSON where there is none: not measured, or undefined.
@propertyWrapper struct Nullable<Value: Encodable>: Encodable {
  var wrappedValue: Value?

  init(wrappedValue: Value?) { self.wrappedValue = wrappedValue }

  func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try wrappedValue.map { try container.encode($0) } ?? container.encodeNil()
  }
}
