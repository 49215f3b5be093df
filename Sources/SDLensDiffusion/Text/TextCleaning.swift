// For `_nfc`: Foundation's `precomposedStringWithCanonicalMapping` composes old Hangul letters that must stay.
@_spi(_Unicode) import Swift

/// What happens to a text before it is cut into tokens, as in `CLIPTokenizer` of transformers 5.
enum TextCleaning {
  /// Composes (NFC), makes every run of white space one plain space and lowers the case.
  ///
  /// Every scalar is lowered by itself, as Rust does: Σ is σ at the end of a word too, İ is i̇.
  static func clean(_ text: some Sequence<Unicode.Scalar>) -> [Unicode.Scalar] {
    var scalars = Array(text)
    // Below U+0300 nothing combines, and everything is composed already.
    if scalars.contains(where: { $0.value >= 0x300 }) {
      var string = String.UnicodeScalarView()
      string.append(contentsOf: scalars)
      scalars = Array(String(string)._nfc)
    }
    var cleaned: [Unicode.Scalar] = []
    cleaned.reserveCapacity(scalars.count)
    for scalar in scalars {
      switch scalar {
      case "A"..."Z": cleaned.append(Unicode.Scalar(UInt8(scalar.value + 32)))
      case _ where scalar.kind == .space: if cleaned.last != " " { cleaned.append(" ") }
      case _ where scalar.isASCII: cleaned.append(scalar)
      default: cleaned += scalar.properties.lowercaseMapping.unicodeScalars
      }
    }
    return cleaned
  }

  /// Cuts a cleaned text into words: a contraction (`'s`), a run of letters, one digit, or a run of anything
  /// else that is no white space.
  static func words(_ text: ArraySlice<Unicode.Scalar>) -> [ArraySlice<Unicode.Scalar>] {
    var words: [ArraySlice<Unicode.Scalar>] = []
    var rest = text
    func take(_ count: Int) {
      words.append(rest.prefix(count))
      rest = rest.dropFirst(count)
    }
    while let first = rest.first {
      switch first.kind {
      case .space: rest = rest.dropFirst()
      case .number: take(1)
      case .letter: take(rest.prefix { $0.kind == .letter }.count)
      case .other:
        if let contraction = contractions.first(where: rest.starts) {
          take(contraction.count)
        } else if let marker = markers.first(where: rest.starts) {
          // What follows `|>` is a word of its own.
          for count in [2, marker.count - 4, 2] { take(count) }
        } else {
          take(rest.prefix { $0.kind == .other }.count)
        }
      }
    }
    return words
  }

  private static let contractions = ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d"].map {
    Array($0.unicodeScalars)
  }
  private static let markers = ["<|startoftext|>", "<|endoftext|>"].map { Array($0.unicodeScalars) }
}

extension Unicode.Scalar {
  fileprivate enum Kind { case letter, number, space, other }

  /// The kind of a character, by Unicode 16, which the tokenizers library knows.
  fileprivate var kind: Kind {
    switch self {
    case "a"..."z", "A"..."Z": return .letter
    case "0"..."9": return .number
    case " ", "\t"..."\r": return .space
    case _ where isASCII: return .other
    default: break
    }
    switch properties.generalCategory {
    case _ where (properties.age?.major ?? 0) > 16: return .other
    case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: return .letter
    case .decimalNumber, .letterNumber, .otherNumber: return .number
    default: return properties.isWhitespace ? .space : .other
    }
  }
}
