import SDLensCore
import Synchronization

/// The byte-pair tokenizer of CLIP: text to token numbers, as `CLIPTokenizer` of transformers 5.23.
public struct Tokenizer: Sendable {
  /// How many tokens a text becomes: longer ones are cut, shorter ones padded.
  public let length: Int
  private let vocabulary: Vocabulary
  private let pairs: BytePairs
  private let added: AddedTokens
  private let (start, end, padding): (Int, Int, Int)
  private let known = WordCache()

  /// What a text becomes.
  public struct Tokens: Sendable {
    /// The numbers: start, at most `length - 2` of the text, end, padding.
    public let ids: [Int]
    /// The end of the text that did not fit, nil when all of it did.
    public let removed: String?
  }

  /// What the special tokens are when no file says so.
  private static let roles = [
    "bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>",
    "pad_token": "<|endoftext|>",
  ]

  /// Reads the files of a folder: `TokenizerFiles` says which.
  ///
  /// - Throws: `FileError`, `MalformedFile`, `VocabularyError`, and the errors of `ConfigFile`.
  public init(folder: String) throws {
    let files = try TokenizerFiles(folder: folder)
    let vocabulary = try Vocabulary(files)
    try self.init(files, vocabulary, BytePairs(files, vocabulary))
  }

  /// Reads what the files say beside vocabulary and merges.
  init(_ files: TokenizerFiles, _ vocabulary: Vocabulary, _ pairs: BytePairs) throws {
    try files.checkDirections()
    length = try files.config.int("model_max_length", in: 3...1 << 16, default: 77)
    added = try AddedTokens(
      files, roles: Self.roles,
      vocabulary: (vocabulary.path, vocabulary.count, { vocabulary[String(decoding: $0, as: UTF8.self)] }),
      clean: TextCleaning.clean)
    (self.vocabulary, self.pairs) = (vocabulary, pairs)
    (start, end) = (added.roles["bos_token"] ?? 0, added.roles["eos_token"] ?? 0)
    padding = added.roles["pad_token"] ?? 0
  }

  /// One more than the largest token number.
  public var vocabularySize: Int { max(vocabulary.end, added.end) }

  /// The file that the vocabulary was read from.
  package var vocabularyPath: String { vocabulary.path }

  /// The tokens of a text.
  public func callAsFunction(_ text: String) -> Tokens {
    let all = tokens(text)
    let kept = all.prefix(length - 2)
    let ids = [start] + kept + [end]
    return Tokens(
      ids: ids + Array(repeating: padding, count: length - ids.count),
      removed: kept.count < all.count
        ? vocabulary.text(all.dropFirst(kept.count), added: added.contents) : nil)
  }

  /// A prompt as diffusers gives it to this tokenizer: an embedding of several vectors, as textual inversion learns them,
  /// is asked for by its first token, `<x>`, and read as `<x> <x>_1 <x>_2`.
  public func expanded(_ prompt: String) -> String { added.expanded(prompt, tokens: tokens) }

  /// The tokens of a text of any length, without start and end, word by word; a token that is cut out of the text is a
  /// word of its own.
  func words(_ text: String) -> [[Int]] {
    var words: [[Int]] = []
    var isOpen = false
    for id in tokens(text) {
      if isOpen { words[words.count - 1].append(id) } else { words.append([id]) }
      isOpen = !vocabulary.endsWord(id) && !added.contains(id)
    }
    return words
  }

  /// What a row of tokens says.
  func text(of ids: some Sequence<Int>) -> String { vocabulary.text(ids, added: added.contents) }

  /// The tokens of a text of any length, without start and end.
  private func tokens(_ text: String) -> [Int] {
    added.ids(of: text, clean: TextCleaning.clean) { TextCleaning.words($0).flatMap(tokens(ofWord:)) }
  }

  private func tokens(ofWord word: ArraySlice<Unicode.Scalar>) -> [Int] {
    let bytes = word.flatMap { UTF8.encode($0).map(Array.init) ?? [] }
    return known.tokens(of: bytes) {
      let ending = vocabulary.bytes.ending[Int(bytes[bytes.count - 1])]
      return pairs.merged(bytes.dropLast().map { vocabulary.bytes.inside[Int($0)] } + [ending])
    }
  }
}

/// The tokens of words met before: prompts repeat themselves.
private final class WordCache: Sendable {
  /// Enough for the words of English, little enough to be no burden.
  private static let capacity = 1 << 16
  /// Longer words are rare, and long.
  private static let longest = 64
  private let words = Mutex([[UInt8]: [Int]]())

  func tokens(of word: [UInt8], else make: () -> [Int]) -> [Int] {
    if let tokens = words.withLock({ $0[word] }) { return tokens }
    let tokens = make()
    if word.count <= Self.longest {
      words.withLock { if $0.count < Self.capacity { $0[word] = tokens } }
    }
    return tokens
  }
}
