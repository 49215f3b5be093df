import SDLensCore
import SDLensDiffusion

/// The tokenizer of BERT: text to token numbers by the longest pieces that the vocabulary has, as `BertTokenizer`
/// of transformers 5.23.
package struct WordPiece: Sendable {
  /// The most tokens of a text, `[CLS]` and `[SEP]` included.
  package let length: Int
  private let vocabulary: PieceVocabulary
  private let text: BERTText
  private let added: AddedTokens
  /// Whether texts that are too long lose their beginning.
  private let cutsBeginning: Bool
  private let (start, end, unknown): (Int, Int, Int)

  /// Longer words are unknown.
  private static let longestWord = 100

  /// What the special tokens are when no file says so.
  private static let roles = [
    "cls_token": "[CLS]", "sep_token": "[SEP]", "unk_token": "[UNK]", "pad_token": "[PAD]",
    "mask_token": "[MASK]",
  ]

  /// Reads the files of a folder: `TokenizerFiles` says which.
  ///
  /// - Parameters:
  ///   - length: cuts longer texts; nil takes `model_max_length`, which may be anything from 3 on.
  ///   - most: the most tokens that a text may then have.
  /// - Throws: the errors of `PieceVocabulary`, `AddedTokens` and `ConfigFile`.
  package init(folder: String, length: Int?, most: Int = 512) throws {
    let files = try TokenizerFiles(folder: folder)
    let config = files.config
    try config.require("tokenizer_class", "BertTokenizer", "BertTokenizerFast")
    try config.require("do_basic_tokenize", true)
    let vocabulary = try PieceVocabulary(files)
    cutsBeginning = try files.cutsBeginning()
    // (Where nobody chose a length, transformers writes a number beyond all integers.)
    let told = try config.double("model_max_length", in: 3...1e300, default: Double(most))
    self.length = length ?? Int(min(told, Double(most)))
    let lowersCase = try config.bool("do_lower_case", default: true)
    text = BERTText(
      lowersCase: lowersCase,
      // Null says: where case is lowered.
      stripsAccents: try config["strip_accents"] == nil ? lowersCase : config.bool("strip_accents"),
      separatesIdeographs: try config.bool("tokenize_chinese_chars", default: true))
    added = try AddedTokens(
      files, roles: Self.roles, vocabulary: (vocabulary.path, vocabulary.count, { vocabulary[$0] }),
      clean: text.cleaned)
    self.vocabulary = vocabulary
    (start, end) = (added.roles["cls_token"] ?? 0, added.roles["sep_token"] ?? 0)
    unknown = added.roles["unk_token"] ?? 0
  }

  /// One more than the largest token number.
  package var vocabularySize: Int { max(vocabulary.end, added.end) }

  /// The file that the vocabulary was read from.
  package var vocabularyPath: String { vocabulary.path }

  /// The numbers of `[CLS]`, at most `length - 2` pieces of the text, and `[SEP]`.
  package func callAsFunction(_ text: String) -> [Int] {
    let ids = added.ids(of: text, clean: self.text.cleaned) { BERTText.words($0).flatMap(pieces) }
    return [start] + (cutsBeginning ? ids.suffix(length - 2) : ids.prefix(length - 2)) + [end]
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

/// The pieces of `vocab.txt`, one a line, and their numbers: those of their lines, from 0. Or those of
/// `tokenizer.json`, which has the numbers too.
struct PieceVocabulary: Sendable {
  /// Where the file lies.
  let path: String
  /// How many pieces there are, as transformers counts them.
  var count: Int { ids.count }
  /// One more than the largest number.
  let end: Int
  // By bytes: equal texts in Swift may be different pieces.
  private let ids: [[UInt8]: Int]

  /// Reads the vocabulary of a tokenizer.
  ///
  /// - Throws: `FileError`, and `MalformedFile` for what is no UTF-8, or holds a piece without a number.
  init(_ files: TokenizerFiles) throws {
    guard let (path, entries) = try files.vocabulary(ofKind: "WordPiece") else {
      path = files.folder + "/vocab.txt"
      let lines = try Self.lines(of: path)
      end = lines.count
      ids = Dictionary(lines.enumerated().map { (Array($1), $0) }, uniquingKeysWith: { $1 })
      return
    }
    let pairs = try entries.map { piece, value in
      guard case .int(let id) = value, 0..<1 << 20 ~= id else {
        throw MalformedFile(path: path, reason: "gives '\(piece)' the number \(value), which is none")
      }
      return (Array(piece.utf8), id)
    }
    self.path = path
    ids = Dictionary(uniqueKeysWithValues: pairs)
    end = (pairs.map(\.1).max() ?? -1) + 1
  }

  private static func lines(of path: String) throws -> [ArraySlice<UInt8>] {
    guard let text = try MappedFile(path: path).text else {
      throw MalformedFile(path: path, reason: "is not UTF-8 text")
    }
    // Lines end as Python reads them: \n, \r\n or \r.
    let bytes = Array(text.replacing("\r\n", with: "\n").utf8).map { $0 == 0x0D ? 0x0A : $0 }
    let lines = bytes.split(separator: 0x0A, omittingEmptySubsequences: false)
    return lines.last?.isEmpty == true ? lines.dropLast() : lines
  }

  /// The number of a piece, nil when there is no such piece.
  subscript(piece: [UInt8]) -> Int? { ids[piece] }
}
