extension StringProtocol {
  /// The text with what would steer a terminal or turn a line around written out, as in `\u001b`; a text of one line
  /// has its breaks and tabs written out too.
  package func visible(oneLine: Bool = false) -> String {
    func isShown(_ scalar: Unicode.Scalar) -> Bool {
      switch scalar.value {
      case 0x09, 0x0A: !oneLine
      // Control characters, and those that change the direction of text.
      case 0..<0x20, 0x7F..<0xA0, 0x202A...0x202E, 0x2066...0x2069: false
      case 0x2028, 0x2029: !oneLine
      default: true
      }
    }
    guard !unicodeScalars.allSatisfy(isShown) else { return String(self) }
    var text = String.UnicodeScalarView()
    for scalar in unicodeScalars {
      switch scalar {
      case _ where isShown(scalar): text.append(scalar)
      case "\n": text += "\\n".unicodeScalars
      default:
        let digits = String(scalar.value, radix: 16)
        text += ("\\u" + String(repeating: "0", count: 4 - digits.count) + digits).unicodeScalars
      }
    }
    return String(text)
  }
}
