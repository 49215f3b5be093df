import SDLensCore

/// The tokens of a prompt as cross-attention sees them, and the words that they make up.
///
/// Every place of the prompt embeddings belongs to one word: `<start>`, the words of the prompt in their order, `<end>`
/// and, where the prompt leaves room, `<padding>`, all places behind the end.
public struct PromptTokens: Sendable {
  /// A word and the places of its tokens.
  public struct Word: Sendable, Hashable {
    /// As the tokenizer reads it: in small letters, without the space around it.
    public let text: String
    /// The places of its tokens, from 0.
    public let places: Range<Int>
  }

  /// The prompt.
  public let prompt: String
  /// All words, in the order of their places.
  public let words: [Word]
  /// The end of the prompt that did not fit, nil when all of it did.
  public let removed: String?
  private let tokenizer: Tokenizer
  /// The tokens of the prompt's own words, as far as they fit, from `words[1]` on.
  private let ids: [[Int]]

  static let (start, end, padding) = ("<start>", "<end>", "<padding>")

  /// Cuts a prompt into tokens.
  public init(_ prompt: String, _ tokenizer: Tokenizer) {
    (self.prompt, self.tokenizer) = (prompt, tokenizer)
    let last = tokenizer.length - 1
    var words = [Word(text: Self.start, places: 0..<1)]
    var ids: [[Int]] = []
    var next = 1
    for word in tokenizer.words(prompt) where next < last {
      let kept = Array(word.prefix(last - next))
      words.append(Word(text: tokenizer.text(of: kept), places: next..<next + kept.count))
      ids.append(kept)
      next += kept.count
    }
    words.append(Word(text: Self.end, places: next..<next + 1))
    if next < last { words.append(Word(text: Self.padding, places: next + 1..<last + 1)) }
    (self.words, self.ids, removed) = (words, ids, tokenizer(prompt).removed)
  }

  /// How many tokens there are, start, end and padding included.
  public var count: Int { tokenizer.length }

  /// A name for each word that `places(of:)` finds it by: its text, with `#2` and so on where it is there several times.
  public var names: [String] {
    let counts = Dictionary(grouping: words, by: \.text).mapValues(\.count)
    var seen: [String: Int] = [:]
    return words.map { word in
      seen[word.text, default: 0] += 1
      return counts[word.text] == 1 ? word.text : "\(word.text)#\(seen[word.text] ?? 0)"
    }
  }

  /// Where a word, or several in a row, stand in the prompt: for each time the places of their tokens.
  public func occurrences(of text: String) -> [Range<Int>] {
    if let word = words.first(where: {
      $0.text == text && [Self.start, Self.end, Self.padding].contains(text)
    }) {
      return [word.places]
    }
    let wanted = tokenizer.words(text)
    guard !wanted.isEmpty else { return [] }
    var (found, first): ([Range<Int>], Int) = ([], 0)
    while first + wanted.count <= ids.count {
      guard Array(ids[first..<first + wanted.count]) == wanted else {
        first += 1
        continue
      }
      found.append(words[first + 1].places.lowerBound..<words[first + wanted.count].places.upperBound)
      first += wanted.count
    }
    return found
  }

  /// The places of a word's tokens, or of several words in a row: all times that it is there, or with `#2` behind it the
  /// second.
  ///
  /// - Throws: `NoSuchWord`.
  public func places(of text: String) throws -> [Int] {
    let parts = text.split(separator: "#", omittingEmptySubsequences: false)
    if parts.count > 1, let number = Int(parts[parts.count - 1]) {
      let word = parts.dropLast().joined(separator: "#")
      let found = try found(word)
      guard 1...found.count ~= number else {
        throw NoSuchWord.number(number, word: word, count: found.count, prompt: prompt)
      }
      return Array(found[number - 1])
    }
    return try found(text).flatMap(Array.init)
  }

  private func found(_ text: String) throws -> [Range<Int>] {
    let found = occurrences(of: text)
    guard found.isEmpty else { return found }
    let (all, wanted) = (tokenizer.words(prompt), tokenizer.words(text))
    let isCut =
      removed != nil && !wanted.isEmpty
      && (0...max(0, all.count - wanted.count)).contains { all[$0...].starts(with: wanted) }
    throw isCut
      ? NoSuchWord.cut(word: text, removed: removed ?? "", tokens: count)
      : NoSuchWord.unknown(word: text, prompt: prompt, names: names)
  }
}

extension PromptTokens.Word: Encodable {
  private enum Key: CodingKey { case text, places }

  /// Text and list of places.
  public func encode(to encoder: any Encoder) throws {
    var word = encoder.container(keyedBy: Key.self)
    try word.encode(text, forKey: .text)
    try word.encode(Array(places), forKey: .places)
  }
}

/// A word that a prompt does not have.
public enum NoSuchWord: UserError {
  case unknown(word: String, prompt: String, names: [String])
  case cut(word: String, removed: String, tokens: Int)
  case number(Int, word: String, count: Int, prompt: String)

  /// The word, and those that there are.
  public var description: String {
    switch self {
    case .unknown(let word, let prompt, let names):
      "'\(word)' is no word of \(prompt.isEmpty ? "the empty prompt" : "\"\(prompt)\""), which has: "
        + names.joined(separator: " ")
    case .cut(let word, let removed, let tokens):
      "'\(word)' is not among the \(tokens) tokens that the model reads, which leave out \"\(removed)\"; make the prompt "
        + "shorter"
    case .number(let number, let word, let count, let prompt):
      "there is no '\(word)#\(number)', since \"\(prompt)\" has '\(word)' \(count == 1 ? "once" : "\(count) times")"
    }
  }
}

/// Two tokenizers of a model that cut a prompt differently.
public struct TokensDiffer: UserError {
  let prompt: String
  /// The prompt, and what is needed.
  public var description: String {
    "the model's two tokenizers cut \"\(prompt)\" into different tokens, so that no token belongs to one word; take "
      + "tokenizer and tokenizer_2 from one model"
  }
}
