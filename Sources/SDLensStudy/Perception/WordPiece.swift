import Foundation
import SDLensCore

/// The tokenizer of BERT: text to token numbers by the longest pieces that the vocabulary has, as `BertTokenizer`
/// of transformers 5.23.
package struct WordPiece: Sendable {
  /// The most tokens of a text, `[CLS]` and `[SEP]` included.
  package let length: Int
  private let vocabulary: PieceVocabulary
  private let text: BERTText
  private let (start, end, unknown): (Int, Int, Int)
  /// The special tokens, looked for in the text as it was typed.
  private let special: [(scalars: [Unicode.Scalar], id: Int)]

  /// Longer words are unknown.
  private static let longestWord = 100

  /// Reads `vocab.txt`, `tokenizer_config.json` and `special_tokens_map.json` in a folder.
  ///
  /// - Parameter length: cuts longer texts; nil takes `model_max_length`.
  /// - Throws: `FileError`, `PieceVocabularyError`, and the errors of `ConfigFile`.
  package init(folder: String, length: Int?) throws {
    let config = try ConfigFile(folder + "/tokenizer_config.json")
    try config.require("tokenizer_class", "BertTokenizer", "BertTokenizerFast")
    try config.require("do_basic_tokenize", true)
    vocabulary = try PieceVocabulary(folder + "/vocab.txt")
    self.length = try length ?? config.int("model_max_length", in: 3...1 << 16, default: 512)
    let lowersCase = try config.bool("do_lower_case", default: true)
    text = BERTText(
      lowersCase: lowersCase, stripsAccents: try config.bool("strip_accents", default: lowersCase),
      separatesIdeographs: try config.bool("tokenize_chinese_chars", default: true))

    let map = folder + "/special_tokens_map.json"
    let files = FileManager.default.fileExists(atPath: map) ? [try ConfigFile(map), config] : [config]
    var ids: [String: Int] = [:]
    var special: [(scalars: [Unicode.Scalar], id: Int)] = []
    for key in ["cls", "sep", "unk", "pad", "mask"] {
      let name = try Self.token(key + "_token", files) ?? "[\(key.uppercased())]"
      guard let id = vocabulary[Array(name.utf8)] else {
        throw PieceVocabularyError.noSpecial(path: vocabulary.path, token: name)
      }
      ids[key] = id
      special.append((Array(name.unicodeScalars), id))
    }
    try Self.refuseMore(than: special.map(\.scalars), config)
    (start, end, unknown) = (ids["cls"] ?? 0, ids["sep"] ?? 0, ids["unk"] ?? 0)
    self.special = special
  }

  /// A special token: a text, or an object with `content`; nil when no file names it.
  private static func token(_ key: String, _ files: [ConfigFile]) throws -> String? {
    guard let file = files.first(where: { $0[key] != nil }), let value = file[key] else { return nil }
    switch value {
    case .string(let text) where !text.isEmpty: return text
    case .object(let fields):
      if case .string(let text)? = fields["content"], !text.isEmpty { return text }
    default: break
    }
    throw BadConfigValue(
      path: file.path, key: key, found: value, needed: "a text or an object with 'content'")
  }

  /// Refuses tokens beside the special ones, which would be cut out of texts too.
  private static func refuseMore(than special: [[Unicode.Scalar]], _ config: ConfigFile) throws {
    guard case .object(let added)? = config["added_tokens_decoder"] else { return }
    for value in added.values {
      guard case .object(let fields) = value, case .string(let content)? = fields["content"],
        special.contains(Array(content.unicodeScalars)), fields["normalized"] ?? false == false
      else {
        throw UnsupportedConfigValue(
          path: config.path, key: "added_tokens_decoder", found: value,
          supported: ["only the special tokens, not normalized"])
      }
    }
  }

  /// One more than the largest token number.
  package var vocabularySize: Int { vocabulary.count }

  /// The numbers of `[CLS]`, at most `length - 2` pieces of the text, and `[SEP]`.
  package func callAsFunction(_ text: String) -> [Int] {
    var ids: [Int] = []
    var rest = Array(text.unicodeScalars)[...]
    while !rest.isEmpty, ids.count <= length {
      let (part, marker) = beforeSpecial(rest)
      ids += self.text.words(part).flatMap(pieces)
      rest = rest.dropFirst(part.count)
      if let marker {
        ids.append(special[marker].id)
        rest = rest.dropFirst(special[marker].scalars.count)
      }
    }
    return [start] + ids.prefix(length - 2) + [end]
  }

  /// The text up to the first special token in it, and which that is.
  private func beforeSpecial(
    _ text: ArraySlice<Unicode.Scalar>
  ) -> (part: ArraySlice<Unicode.Scalar>, marker: Int?) {
    for index in text.indices {
      let found = special.indices.filter {
        special[$0].scalars[0] == text[index] && text[index...].starts(with: special[$0].scalars)
      }
      if let longest = found.max(by: { special[$0].scalars.count < special[$1].scalars.count }) {
        return (text[..<index], longest)
      }
    }
    return (text, nil)
  }

  /// The pieces of a word, each the longest that fits; one unknown token when some place has none.
  private func pieces(of word: ArraySlice<Unicode.Scalar>) -> [Int] {
    guard word.count <= Self.longestWord else { return [unknown] }
    let letters = word.map { UTF8.encode($0).map(Array.init) ?? [] }
    var ids: [Int] = []
    var first = 0
    while first < letters.count {
      let prefix: [UInt8] = first == 0 ? [] : Array("##".utf8)
      var last = letters.count
      var found: Int?
      while found == nil && last > first {
        found = vocabulary[prefix + letters[first..<last].joined()]
        if found == nil { last -= 1 }
      }
      guard let found else { return [unknown] }
      ids.append(found)
      first = last
    }
    return ids
  }
}

/// The pieces of `vocab.txt`, one a line, and their numbers: those of their lines, from 0.
struct PieceVocabulary: Sendable {
  /// Where the file lies.
  let path: String
  /// The number of lines.
  let count: Int
  // By bytes: equal texts in Swift may be different pieces.
  private let ids: [[UInt8]: Int]

  /// Reads the file.
  ///
  /// - Throws: `FileError`, and `MalformedFile` for what is no UTF-8.
  init(_ path: String) throws {
    guard let text = try MappedFile(path: path).text else {
      throw MalformedFile(path: path, reason: "is not UTF-8 text")
    }
    // Lines end as Python reads them: \n, \r\n or \r.
    let bytes = Array(text.replacing("\r\n", with: "\n").utf8).map { $0 == 0x0D ? 0x0A : $0 }
    var lines = bytes.split(separator: 0x0A, omittingEmptySubsequences: false)
    if lines.last?.isEmpty == true { lines.removeLast() }
    self.path = path
    count = lines.count
    ids = Dictionary(lines.enumerated().map { (Array($1), $0) }, uniquingKeysWith: { $1 })
  }

  /// The number of a piece, nil when there is no such piece.
  subscript(piece: [UInt8]) -> Int? { ids[piece] }
}

/// A vocabulary without a token that every text needs.
enum PieceVocabularyError: UserError {
  case noSpecial(path: String, token: String)

  var description: String {
    switch self {
    case .noSpecial(let path, let token):
      "'\(path)' has no '\(token)', a special token; vocabulary and tokenizer_config.json must come from the "
        + "same model"
    }
  }
}
