import Foundation
import SDLensCore

/// Nobody takes the results.
struct OutputClosed: UserError {
  let reason: String
  var description: String { "standard output cannot be written: \(reason)" }
}

/// A result that JSON has no word for.
struct NotFinite: UserError {
  let place: String
  var description: String {
    "the result has a number at '\(place)' that is not finite, which JSON cannot hold; leave out --json"
  }
}

/// Results, on standard output.
public enum Output {
  /// Prints a line, at once: whoever reads through a pipe does not wait for the end.
  ///
  /// - Throws: `OutputClosed`, so that a result that did not get through is no success.
  public static func print(_ line: String) throws {
    try write(line, to: STDOUT_FILENO)
  }

  /// Prints what went wrong, on standard error; if nobody takes that, there is nobody left to tell.
  static func printError(_ text: String) { try? write(text, to: STDERR_FILENO) }

  private static func write(_ text: String, to descriptor: Int32) throws {
    let bytes = Array((text.visible() + "\n").utf8)
    try bytes.withUnsafeBytes { bytes in
      var rest = bytes[...]
      while !rest.isEmpty {
        let count = Foundation.write(
          descriptor, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
        if count < 0 && errno == EINTR { continue }
        guard count >= 0 else { throw OutputClosed(reason: String(cString: strerror(errno))) }
        rest = rest.dropFirst(count)
      }
    }
  }

  /// Prints a value as JSON, its keys in snake case and sorted.
  ///
  /// - Throws: `NotFinite`, `OutputClosed`.
  public static func print(json value: some Encodable) throws {
    let encoder = JSONEncoder()
    encoder.keyEncodingStrategy = .convertToSnakeCase
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    do {
      try print(String(decoding: encoder.encode(value), as: UTF8.self))
    } catch EncodingError.invalidValue(_, let context) {
      throw NotFinite(place: context.codingPath.map(\.stringValue).joined(separator: "."))
    }
  }
}
