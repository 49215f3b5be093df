import SDLensCore
import Synchronization

/// The byte-pair tokenizer of CLIP: text to token numbers, as `CLIPTokenizer` of transformers 5.23.
public struct Tokenizer: Sendable {
  /// How many tokens a text becomes: longer ones are cut, shorter ones padded.
  public let length: Int
  private let vocabulary: Vocabulary
  private let pairs: BytePairs
  private let special: SpecialTokens
  private let known = WordCache()

  /// What a text becomes.
  public struct Tokens: Sendable {
    /// The numbers: start, at most `length - 2` of the text, end, padding.
    public let ids: [Int]
    /// The end of the text that did not fit, nil when all of it did.
    public let removed: String?
  }

  /// Reads `vocab.json`, `merges.txt`, `tokenizer_config.json` and `special_tokens_map.json` in a folder.
  ///
  /// - Throws: `FileError`, `MalformedFile`, `VocabularyError`, and the errors of `ConfigFile`.
  public init(folder: String) throws {
    let config = try ConfigFile(folder + "/tokenizer_config.json")
    length = try config.int("model_max_length", in: 3...1 << 16, default: 77)
    vocabulary = try Vocabulary(folder + "/vocab.json")
    pairs = try BytePairs(folder + "/merges.txt", vocabulary)
    special = try SpecialTokens(folder: folder, config, vocabulary)
  }

  /// One more than the largest token number.
  public var vocabularySize: Int { vocabulary.count }

  /// The tokens of a text.
  public func callAsFunction(_ text: String) -> Tokens {
    let all = tokens(text)
    let kept = all.prefix(length - 2)
    let ids = [special.start] + kept + [special.end]
    return Tokens(
      ids: ids + Array(repeating: special.padding, count: length - ids.count),
      removed: kept.count < all.count ? vocabulary.text(all.dropFirst(kept.count)) : nil)
  }

  /// The tokens of a text of any length, without start and end.
  private func tokens(_ text: String) -> [Int] {
    split(Array(text.unicodeScalars)[...], at: special.raw).flatMap { part in
      part.marker.map { [$0] }
        ?? split(TextCleaning.clean(part.text)[...], at: special.cleaned).flatMap { part in
          part.marker.map { [$0] } ?? TextCleaning.words(part.text).flatMap(tokens(ofWord:))
        }
    }
  }

  private func tokens(ofWord word: ArraySlice<Unicode.Scalar>) -> [Int] {
    let bytes = word.flatMap { UTF8.encode($0).map(Array.init) ?? [] }
    return known.tokens(of: bytes) {
      let ending = vocabulary.bytes.ending[Int(bytes[bytes.count - 1])]
      return pairs.merged(bytes.dropLast().map { vocabulary.bytes.inside[Int($0)] } + [ending])
    }
  }

  /// Cuts a text before and after every special token in it, the longest where several begin.
  private func split(
    _ text: ArraySlice<Unicode.Scalar>, at patterns: [SpecialTokens.Pattern]
  ) -> [(text: ArraySlice<Unicode.Scalar>, marker: Int?)] {
    let firsts = Set(patterns.map(\.scalars[0]))
    var parts: [(text: ArraySlice<Unicode.Scalar>, marker: Int?)] = []
    var begin = text.startIndex
    var index = begin
    while index < text.endIndex {
      guard firsts.contains(text[index]),
        let found = patterns.filter({ text[index...].starts(with: $0.scalars) }).max(by: {
          $0.scalars.count < $1.scalars.count
        })
      else {
        index += 1
        continue
      }
      parts.append((text[begin..<index], nil))
      index += found.scalars.count
      parts.append(([], found.id))
      begin = index
    }
    return parts + [(text[begin...], nil)]
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
