import Foundation
import SDLensCore

/// An SVG file as Cairo writes it, made to depend on the drawing alone.
struct SVGDocument {
  private let text: String

  init(_ bytes: [UInt8]) {
    text = Self.renumbered(String(decoding: bytes, as: UTF8.self))
  }

  /// The bytes, with texts in the description.
  func described(_ texts: [PNGText]) -> [UInt8] {
    guard !texts.isEmpty, let root = text.range(of: "<svg"),
      let end = text[root.upperBound...].firstIndex(of: ">")
    else { return Array(text.utf8) }
    let description = texts.map { "\($0.keyword): \($0.text)" }.joined(separator: "\n")
    let place = text.index(after: end)
    return Array((text[..<place] + "\n<desc>\(Self.escaped(description))</desc>" + text[place...]).utf8)
  }

  /// Cairo numbers surfaces and pictures by a counter of the whole process; here by their order in the file.
  private static func renumbered(_ text: String) -> String {
    var numbers: [Substring: Int] = [:]
    return text.replacing(/(["#])((?:surface|image|source|mask|clip|recording)-?)(\d+)/) { match in
      let name = match.output.2 + match.output.3
      let number = numbers[name] ?? numbers.count
      numbers[name] = number
      return "\(match.output.1)\(match.output.2)\(number)"
    }
  }

  /// Text as XML holds it; control characters, which it cannot, become U+FFFD.
  private static func escaped(_ text: String) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "&": result += "&amp;"
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      case "\n", "\t": result.unicodeScalars.append(scalar)
      case "\u{0}"..<" ", "\u{FFFE}", "\u{FFFF}": result += "\u{FFFD}"
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }
}
