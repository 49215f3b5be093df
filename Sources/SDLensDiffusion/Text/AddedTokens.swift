import SDLensCore

/// The tokens that are cut out of a text, with their numbers, as `tokenizers` 0.23 finds them.
package struct AddedTokens: Sendable {
  /// Those looked for in the text as it was typed, and in the cleaned text.
  private let raw: [Pattern]
  private let cleaned: [Pattern]
  /// The numbers of the roles that were asked for, as in `bos_token`.
  package let roles: [String: Int]
  /// The texts of the tokens that the vocabulary does not have, by their numbers.
  let contents: [Int: String]
  /// The first tokens of embeddings of several vectors, by their numbers: `<x>`, and `<x> <x>_1 <x>_2` that it stands for.
  private let series: [Int: (first: [UInt8], all: [UInt8])]

  private struct Pattern: Sendable {
    let scalars: [Unicode.Scalar]
    let id: Int
    let token: AddedToken
  }

  /// One more than the largest number; 0 without tokens beyond the vocabulary.
  package var end: Int { (contents.keys.max() ?? -1) + 1 }

  /// Whether a number is that of a token that is cut out of texts.
  func contains(_ id: Int) -> Bool { (raw + cleaned).contains { $0.id == id } }

  /// Numbers the tokens that the files name: those of the vocabulary keep their numbers, the others count on from it.
  ///
  /// - Parameters:
  ///   - roles: what the roles are when no file says so; each of them must have a token.
  ///   - vocabulary: its path, how many tokens it has, and the number of a token in it.
  ///   - clean: what happens to a text before it is cut into words.
  /// - Throws: the errors of `ConfigFile`, and `VocabularyError` for a token without a number, or with another than
  ///   transformers would give it.
  package init(
    _ files: TokenizerFiles, roles: [String: String],
    vocabulary: (path: String, count: Int, number: ([UInt8]) -> Int?),
    clean: (ArraySlice<Unicode.Scalar>) -> [Unicode.Scalar]
  ) throws {
    let tokens = try files.tokens(roles: roles)
    var numbers: [[UInt8]: Int] = [:]
    var contents: [Int: String] = [:]
    var last = -1
    // Where a token is described twice, the last description counts.
    var described: [[UInt8]: AddedToken] = [:]
    var order: [[UInt8]] = []
    for token in tokens.added {
      let known = numbers[token.bytes] ?? vocabulary.number(token.bytes)
      guard known != nil || token.number != nil else {
        throw VocabularyError.noSpecial(
          path: token.path, token: token.content, vocabulary: vocabulary.path)
      }
      let number = known ?? (last >= vocabulary.count ? last + 1 : vocabulary.count)
      if let wanted = token.number, wanted != number {
        throw VocabularyError.otherNumber(
          path: token.path, token: token.content, found: wanted, needed: number,
          vocabulary: vocabulary.path)
      }
      if known == nil { contents[number] = token.content }
      if described.updateValue(token, forKey: token.bytes) == nil { order.append(token.bytes) }
      numbers[token.bytes] = number
      last = max(last, number)
    }
    self.contents = contents
    series = Self.series(of: numbers)
    self.roles = tokens.roles.compactMapValues { numbers[$0.bytes] }
    let patterns = order.compactMap { bytes -> Pattern? in
      guard let token = described[bytes], let id = numbers[bytes] else { return nil }
      let scalars = Array(token.content.unicodeScalars)
      return Pattern(scalars: token.isNormalized ? clean(scalars[...]) : scalars, id: id, token: token)
    }
    // Of two that look alike the special one counts.
    let sorted = patterns.filter(\.token.isSpecial) + patterns.filter { !$0.token.isSpecial }
    raw = sorted.filter { !$0.token.isNormalized }
    cleaned = sorted.filter { $0.token.isNormalized && !$0.scalars.isEmpty }
  }

  /// The token numbers of a text: `clean` prepares what is left between the raw tokens, `words` numbers what is left
  /// between those of the cleaned text.
  package func ids(
    of text: String, clean: (ArraySlice<Unicode.Scalar>) -> [Unicode.Scalar],
    words: (ArraySlice<Unicode.Scalar>) -> [Int]
  ) -> [Int] {
    Self.split(Array(text.unicodeScalars)[...], at: raw).flatMap { part in
      part.marker.map { [$0] }
        ?? Self.split(clean(part.text)[...], at: cleaned).flatMap { part in
          part.marker.map { [$0] } ?? words(part.text)
        }
    }
  }

  /// A text with all tokens of every embedding of several vectors whose first token is among those of the text
  /// (diffusers: `maybe_convert_prompt`).
  func expanded(_ text: String, tokens: (String) -> [Int]) -> String {
    guard !series.isEmpty else { return text }
    let found = Set(tokens(text)).sorted().compactMap { series[$0] }
    let bytes = found.reduce(Array(text.utf8)) { $0.replacing($1.first, with: $1.all) }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// Textual inversion numbers the further tokens of an embedding from 1.
  private static func series(of numbers: [[UInt8]: Int]) -> [Int: (first: [UInt8], all: [UInt8])] {
    var series: [Int: (first: [UInt8], all: [UInt8])] = [:]
    for (first, number) in numbers {
      var (all, count) = (first, 1)
      while case let next = first + Array("_\(count)".utf8), numbers[next] != nil {
        all += Array(" ".utf8) + next
        count += 1
      }
      if count > 1 { series[number] = (first, all) }
    }
    return series
  }

  /// Cuts a text before and after every token in it, the longest where several begin.
  private static func split(
    _ text: ArraySlice<Unicode.Scalar>, at patterns: [Pattern]
  ) -> [(text: ArraySlice<Unicode.Scalar>, marker: Int?)] {
    let patterns = Dictionary(grouping: patterns, by: \.scalars[0])
    var parts: [(text: ArraySlice<Unicode.Scalar>, marker: Int?)] = []
    var begin = text.startIndex
    var index = begin
    while index < text.endIndex {
      let here = (patterns[text[index]] ?? []).filter { text[index...].starts(with: $0.scalars) }
      guard let found = here.max(by: { $0.scalars.count < $1.scalars.count }) else {
        index += 1
        continue
      }
      let end = index + found.scalars.count
      defer { index = end }
      let touches = text[..<index].last?.isWordPart == true || text[end...].first?.isWordPart == true
      // What was found is passed over all the same.
      if found.token.isWord && touches { continue }
      var start = index
      if found.token.takesLeft {
        start -= text[..<index].reversed().prefix { $0.properties.isWhitespace }.count
      }
      if begin < start { parts.append((text[begin..<start], nil)) }
      parts.append(([], found.id))
      begin = end
      if found.token.takesRight { begin += text[end...].prefix { $0.properties.isWhitespace }.count }
    }
    return parts + (begin < text.endIndex ? [(text[begin...], nil)] : [])
  }
}

extension Unicode.Scalar {
  /// Whether it is part of a word to the regular expression `\w`, by Unicode 16.
  fileprivate var isWordPart: Bool {
    guard (properties.age?.major ?? 0xFF) <= 16 else { return false }
    switch properties.generalCategory {
    case .nonspacingMark, .spacingMark, .enclosingMark, .decimalNumber, .connectorPunctuation: return true
    default: return properties.isAlphabetic || properties.isJoinControl
    }
  }
}
