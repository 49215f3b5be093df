// For `_nfd`: Foundation's decomposition is that of another version of Unicode.
@_spi(_Unicode) import Swift

/// What happens to a text before it is cut into word pieces, as in `BertTokenizer` of transformers 5.
///
/// That knows the categories of Unicode 8 (newer characters are neither removed nor punctuation) and the
/// decompositions of Unicode 12.
package struct BERTText: Sendable {
  /// Lower case.
  let lowersCase: Bool
  /// Decomposed, without the accents.
  let stripsAccents: Bool
  /// Ideographs are words of their own.
  let separatesIdeographs: Bool

  /// The rules of a model; without case and accents is usual.
  package init(lowersCase: Bool = true, stripsAccents: Bool = true, separatesIdeographs: Bool = true) {
    self.lowersCase = lowersCase
    self.stripsAccents = stripsAccents
    self.separatesIdeographs = separatesIdeographs
  }

  /// The words of a cleaned text: between white space, and each punctuation mark by itself.
  package static func words(_ text: ArraySlice<Unicode.Scalar>) -> [ArraySlice<Unicode.Scalar>] {
    var words: [ArraySlice<Unicode.Scalar>] = []
    for part in text.split(separator: " ") {
      var rest = part
      while !rest.isEmpty {
        let word = rest.prefix { !$0.isMark }
        if !word.isEmpty { words.append(word) }
        rest = rest.dropFirst(word.count)
        if !rest.isEmpty {
          words.append(rest.prefix(1))
          rest = rest.dropFirst()
        }
      }
    }
    return words
  }

  /// The text without control characters, with plain spaces, accents and case as told.
  package func cleaned(_ text: ArraySlice<Unicode.Scalar>) -> [Unicode.Scalar] {
    var scalars: [Unicode.Scalar] = []
    scalars.reserveCapacity(text.count)
    for scalar in text {
      if scalar.isBlank {
        scalars.append(" ")
      } else if separatesIdeographs && scalar.isIdeograph {
        scalars += [" ", scalar, " "]
      } else if !scalar.isControl {
        scalars.append(scalar)
      }
    }
    // Plain letters have no accents.
    if stripsAccents && !scalars.allSatisfy(\.isASCII) {
      scalars = Self.decomposed(scalars).filter { !$0.isAccent }
    }
    guard lowersCase else { return scalars }
    // Every scalar by itself: Σ is σ at the end of a word too.
    return scalars.flatMap { scalar -> [Unicode.Scalar] in
      switch scalar {
      case "A"..."Z": [Unicode.Scalar(UInt8(scalar.value + 32))]
      case _ where scalar.isASCII: [scalar]
      default: Array(scalar.properties.lowercaseMapping.unicodeScalars)
      }
    }
  }
}

extension BERTText {
  /// NFD with the tables of Unicode 12: newer characters stay as and where they are.
  private static func decomposed(_ scalars: [Unicode.Scalar]) -> [Unicode.Scalar] {
    var result: [Unicode.Scalar] = []
    var rest = scalars[...]
    while !rest.isEmpty {
      let part = rest.prefix { ($0.properties.age?.major ?? 0) <= 12 }
      var string = String.UnicodeScalarView()
      string.append(contentsOf: part)
      result += String(string)._nfd
      rest = rest.dropFirst(part.count)
      result += rest.prefix(1)
      rest = rest.dropFirst()
    }
    return result
  }
}

extension Unicode.Scalar {
  private var isOld: Bool { (properties.age?.major ?? 0xFF) <= 8 }

  /// White space; the other control characters that Unicode calls so are removed.
  fileprivate var isBlank: Bool {
    switch self {
    case " ", "\t", "\n", "\r": true
    case _ where isASCII || value == 0x85: false
    default: properties.isWhitespace
    }
  }

  /// What is removed: control, format and private characters, and the mark of what could not be decoded.
  fileprivate var isControl: Bool {
    if isASCII { return value < 0x20 || value == 0x7F }
    switch properties.generalCategory {
    case .control, .format, .privateUse: return isOld
    default: return value == 0xFFFD
    }
  }

  /// Chinese characters, in the blocks (and with the gap) that `tokenizers` knows.
  fileprivate var isIdeograph: Bool {
    switch value {
    case 0x3400...0x4DBF, 0x4E00...0x9FFF, 0xF900...0xFAFF, 0x20000...0x2A6DF, 0x2A700...0x2B81F,
      0x2B920...0x2CEAF, 0x2F800...0x2FA1F:
      true
    default: false
    }
  }

  /// A mark over or under a letter.
  fileprivate var isAccent: Bool {
    switch value {
    // These have changed their category since.
    case 0x1734, 0x1171E: return true
    case 0x1885, 0x1886, 0xA9BD, 0x111C9: return false
    default: return properties.generalCategory == .nonspacingMark && isOld
    }
  }

  /// Punctuation and, of ASCII, all that is neither letter nor digit.
  fileprivate var isMark: Bool {
    if isASCII {
      switch self {
      case "a"..."z", "A"..."Z", "0"..."9": return false
      default: return value > 0x20 && value < 0x7F
      }
    }
    // These have changed their category since.
    if value == 0x166D || value == 0x111C9 { return true }
    switch properties.generalCategory {
    case .connectorPunctuation, .dashPunctuation, .openPunctuation, .closePunctuation, .initialPunctuation,
      .finalPunctuation, .otherPunctuation:
      return isOld
    default: return false
    }
  }
}
