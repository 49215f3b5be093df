import Foundation
import SDLensCore

/// The tokens of `vocab.json`, or of `tokenizer.json`, and their numbers.
///
/// A token is written in letters that stand for bytes (`ByteAlphabet`), with `</w>` where a word ends.
struct Vocabulary: Sendable {
  /// Where the file lies.
  let path: String
  private let ids: [String: Int]
  /// The numbers that a token may have.
  static let numbers = 0..<1 << 20
  /// The token of each number; empty where there is none.
  private let tokens: [String]
  /// The number of the token of each single byte inside a word, and at its end.
  let bytes: (inside: [Int], ending: [Int])

  private static let wordEnd = "</w>"

  /// Reads a JSON object from token to number.
  ///
  /// - Throws: `FileError`, `MalformedFile`, and `VocabularyError` for a number that is out of range or given
  ///   twice and for a byte without a token.
  init(_ files: TokenizerFiles) throws {
    let (path, entries) =
      try files.vocabulary(ofKind: "BPE") ?? Self.entries(of: files.folder + "/vocab.json")
    var ids = [String: Int](minimumCapacity: entries.count)
    var tokens = [String](repeating: "", count: entries.count)
    for (token, value) in entries {
      guard case .int(let id) = value, Self.numbers ~= id else {
        throw VocabularyError.badNumber(path: path, token: token, found: value)
      }
      while tokens.count <= id { tokens.append("") }
      guard tokens[id].isEmpty else {
        throw VocabularyError.sameNumber(path: path, id: id, tokens: [tokens[id], token].sorted())
      }
      tokens[id] = token
      ids[token] = id
    }
    func number(ofByte byte: Int, _ ending: String) throws -> Int {
      let token = String(ByteAlphabet.letters[byte]) + ending
      guard let id = ids[token] else { throw VocabularyError.noByte(path: path, byte: byte, token: token) }
      return id
    }
    bytes = (
      try (0..<256).map { try number(ofByte: $0, "") },
      try (0..<256).map { try number(ofByte: $0, Self.wordEnd) }
    )
    self.path = path
    self.ids = ids
    self.tokens = tokens
  }

  private static func entries(of path: String) throws -> TokenizerFiles.Entries {
    guard let entries = try JSONValue.contents(of: path, membersAt: []).members, !entries.isEmpty else {
      throw MalformedFile(path: path, reason: "does not hold a JSON object of tokens and their numbers")
    }
    return (path, entries)
  }

  /// How many tokens there are.
  var count: Int { ids.count }

  /// One more than the largest number.
  var end: Int { tokens.count }

  /// The number of a token, nil when there is no such token.
  subscript(token: String) -> Int? { ids[token] }

  /// Whether a word ends behind a token.
  func endsWord(_ id: Int) -> Bool { tokens.indices.contains(id) && tokens[id].hasSuffix(Self.wordEnd) }

  /// The text of a row of tokens, words apart by one space, without space at its ends; `added` has the tokens that
  /// the vocabulary does not have.
  func text(_ ids: some Sequence<Int>, added: [Int: String]) -> String {
    let bytes = ids.flatMap { id in
      let token = added[id] ?? tokens[id]
      let letters = token.unicodeScalars.map { ByteAlphabet.bytes[$0] }
      // A token that is not in the alphabet, as a special one may be, stands for itself.
      return letters.contains(nil) ? Array(token.utf8) : letters.compactMap(\.self)
    }
    return String(decoding: bytes, as: UTF8.self)
      .replacingOccurrences(of: Self.wordEnd, with: " ", options: .literal)
      .trimmingCharacters(in: .whitespacesAndNewlines)
  }
}

/// The letters that stand for the 256 bytes: those that print for themselves, the others from U+0100 on.
enum ByteAlphabet {
  static let letters: [Unicode.Scalar] = {
    var next: UInt32 = 0x100
    return (0..<256).map { byte in
      switch byte {
      case 0x21...0x7E, 0xA1...0xAC, 0xAE...0xFF: return Unicode.Scalar(UInt8(byte))
      default:
        defer { next += 1 }
        return Unicode.Scalar(next) ?? " "
      }
    }
  }()

  static let bytes = Dictionary(uniqueKeysWithValues: zip(letters, UInt8.min...UInt8.max))
}

/// A vocabulary that cannot be used, or merges that do not fit it.
enum VocabularyError: UserError {
  case badNumber(path: String, token: String, found: JSONValue)
  case sameNumber(path: String, id: Int, tokens: [String])
  case noByte(path: String, byte: Int, token: String)
  case badMerge(path: String, place: String, text: String)
  case unknownMerge(path: String, place: String, text: String, token: String, vocabulary: String)
  case noSpecial(path: String, token: String, vocabulary: String)
  case otherNumber(path: String, token: String, found: Int, needed: Int, vocabulary: String)

  var description: String {
    switch self {
    case .badNumber(let path, let token, let found):
      "'\(path)': the number of '\(token)' is \(found), but it must be an integer from 0 to 1048575"
    case .sameNumber(let path, let id, let tokens):
      "'\(path)' gives the number \(id) to '\(tokens[0])' and to '\(tokens[1])'; every token needs its own"
    case .noByte(let path, let byte, let token):
      "'\(path)' has no '\(token)', the token of the byte \(byte); all 256 bytes need one, alone and with '</w>'"
    case .badMerge(let path, let place, let text):
      "'\(path)', \(place): '\(text)' is not two tokens with a space between"
    case .unknownMerge(let path, let place, let text, let token, let vocabulary):
      "'\(path)', \(place): '\(text)' needs the token '\(token)', which '\(vocabulary)' does not have; "
        + "the two files must come from the same model"
    case .noSpecial(let path, let token, let vocabulary):
      "'\(path)' names the special token '\(token)', which '\(vocabulary)' does not have"
    case .otherNumber(let path, let token, let found, let needed, let vocabulary):
      "'\(path)' gives the added token '\(token)' the number \(found), but with '\(vocabulary)' transformers gives "
        + "it \(needed); save the tokenizer again with transformers"
    }
  }
}
