import Foundation
import SDLensCore

/// The files of a tokenizer as transformers saves them: one `tokenizer.json`, or vocabulary and merges apart, and
/// what `tokenizer_config.json` and in older folders `special_tokens_map.json` and `added_tokens.json` add.
package struct TokenizerFiles: Sendable {
  /// The names of all files that may decide what a tokenizer does.
  package static let names = [
    "added_tokens.json", "merges.txt", "special_tokens_map.json", "tokenizer.json", "tokenizer_config.json",
    "vocab.json", "vocab.txt",
  ]

  /// A vocabulary where it was found: tokens in the order of the file, and what it says their numbers are.
  package typealias Entries = (path: String, entries: [(key: String, value: JSONValue)])

  /// Where they lie.
  package let folder: String
  /// `tokenizer_config.json`.
  package let config: ConfigFile
  /// `tokenizer.json`, where there is one; its vocabulary stands in `wholeVocabulary`.
  private let whole: ConfigFile?
  private let wholeVocabulary: [(key: String, value: JSONValue)]

  /// Reads `tokenizer_config.json` and, where it is, `tokenizer.json`.
  ///
  /// - Throws: the errors of `ConfigFile`, and `MalformedFile` for a `tokenizer.json` without a vocabulary.
  package init(folder: String) throws {
    self.folder = folder
    config = try ConfigFile(folder + "/tokenizer_config.json")
    let path = folder + "/tokenizer.json"
    guard FileManager.default.fileExists(atPath: path) else {
      (whole, wholeVocabulary) = (nil, [])
      return
    }
    let (rest, vocabulary) = try JSONValue.contents(of: path, membersAt: ["model", "vocab"])
    guard case .object(let fields) = rest, let vocabulary else {
      throw MalformedFile(path: path, reason: "holds no tokenizer with a vocabulary under 'model.vocab'")
    }
    (whole, wholeVocabulary) = (ConfigFile(path, fields), vocabulary)
  }

  /// The vocabulary of `tokenizer.json`, of a model of that kind; nil when there is no such file.
  ///
  /// - Throws: the errors of `ConfigFile`.
  package func vocabulary(ofKind kind: String) throws -> Entries? {
    guard let whole else { return nil }
    try whole.section("model")?.require("type", .string(kind))
    return (whole.path, wholeVocabulary)
  }

  /// Refuses settings by which texts are filled up or cut at their beginning, or special tokens in them are not seen.
  ///
  /// - Throws: the errors of `ConfigFile`.
  func checkDirections() throws {
    for key in ["padding_side", "truncation_side"] { try config.require(key, "right") }
    try config.require("split_special_tokens", false)
    for key in ["padding", "truncation"] { try whole?.section(key)?.require("direction", "Right") }
  }

  /// Whether texts that are too long are cut at their beginning.
  ///
  /// - Throws: the errors of `ConfigFile`.
  package func cutsBeginning() throws -> Bool {
    try config.require("truncation_side", "right", "left")
    let whole = try whole?.section("truncation")
    try whole?.require("direction", "Right", "Left")
    guard let side = config["truncation_side"] else { return whole?["direction"] == .string("Left") }
    return side == .string("left")
  }

  /// Pairs of tokens to be merged and where each stands (`line 3`), most frequent first, and the path of their file.
  ///
  /// - Throws: `FileError`, `MalformedFile`, and `VocabularyError` for what is no pair.
  func merges() throws -> (path: String, pairs: [(left: String, right: String, place: String)]) {
    guard let whole else { return try Self.merges(in: folder + "/merges.txt") }
    guard case .array(let merges)? = try whole.section("model")?["merges"] else {
      throw BadConfigValue(path: whole.path, key: "model.merges", found: nil, needed: "a list of pairs")
    }
    let pairs = try merges.enumerated().map { index, merge in
      let place = "merge \(index + 1)"
      switch merge {
      case .string(let text): return try Self.pair(text, place, whole.path)
      case .array(let parts):
        if parts.count == 2, case .string(let left) = parts[0], case .string(let right) = parts[1] {
          return (left, right, place)
        }
        throw VocabularyError.badMerge(path: whole.path, place: place, text: "\(merge)")
      default: throw VocabularyError.badMerge(path: whole.path, place: place, text: "\(merge)")
      }
    }
    return (whole.path, pairs)
  }

  /// Reads `merges.txt`: a pair of tokens a line after a line with the version.
  private static func merges(
    in path: String
  ) throws -> (path: String, pairs: [(left: String, right: String, place: String)]) {
    guard let text = try MappedFile(path: path).text else {
      throw MalformedFile(path: path, reason: "is not UTF-8 text")
    }
    let lines = text.utf8.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    return try (
      path,
      lines.enumerated().compactMap { index, bytes in
        let line = String(Substring(bytes.last == UInt8(ascii: "\r") ? bytes.dropLast() : bytes))
        if line.isEmpty || line.hasPrefix("#version") { return nil }
        return try pair(line, "line \(index + 1)", path)
      }
    )
  }

  /// Two tokens with a space between.
  private static func pair(
    _ text: String, _ place: String, _ path: String
  ) throws -> (left: String, right: String, place: String) {
    guard let space = text.utf8.firstIndex(of: UInt8(ascii: " ")), space > text.startIndex,
      case let right = text[text.utf8.index(after: space)...], !right.isEmpty,
      !right.utf8.contains(UInt8(ascii: " "))
    else {
      throw VocabularyError.badMerge(path: path, place: place, text: text)
    }
    return (String(text[..<space]), String(right), place)
  }
}

extension TokenizerFiles {
  /// The tokens that the files name: by their roles (`bos_token`), and all of them in the order in which
  /// transformers adds them to the vocabulary.
  ///
  /// `added_tokens_decoder` in `tokenizer_config.json` counts alone. Where it is absent, `special_tokens_map.json`
  /// counts more than the configuration, and the tokens of `added_tokens.json` and `tokenizer.json` are added.
  ///
  /// - Parameter roles: what a role is when no file says so.
  /// - Throws: the errors of `ConfigFile`.
  func tokens(
    roles: [String: String]
  ) throws -> (roles: [String: AddedToken], added: [AddedToken]) {
    var added: [AddedToken] = []
    var files = [config]
    let map = folder + "/special_tokens_map.json"
    let hasDecoder = config["added_tokens_decoder"] != nil
    if hasDecoder {
      added = try config.numberedTokens("added_tokens_decoder")
    } else if FileManager.default.fileExists(atPath: map) {
      files.insert(try ConfigFile(map), at: 0)
    }
    func value(_ key: String) -> (JSONValue, ConfigFile)? {
      files.lazy.compactMap { file in file[key].map { ($0, file) } }.first
    }
    var named: [(key: String, token: AddedToken)] = []
    for key in Self.roles {
      let fallback = roles[key].map { (JSONValue.string($0), config) }
      guard let (found, file) = value(key) ?? fallback else { continue }
      named.append((key, try AddedToken(special: found, file, key)))
    }
    var extra: [AddedToken] = []
    // Those under the older name in special_tokens_map.json are not known when added_tokens.json is read.
    var known = Set(named.map(\.token.bytes))
    for file in files {
      for key in ["extra_special_tokens", "additional_special_tokens"] {
        let tokens = try file.specialTokens(key)
        extra += tokens
        if file.path == config.path || key == "extra_special_tokens" { known.formUnion(tokens.map(\.bytes)) }
      }
    }
    if !hasDecoder {
      added = try legacyTokens(special: known) + (whole?.listedTokens("added_tokens") ?? [])
    }
    added.sort { ($0.number ?? 0) < ($1.number ?? 0) }
    let special = Set(named.map(\.token.bytes))
    for index in added.indices where special.contains(added[index].bytes) { added[index].isSpecial = true }
    // A role is the token of that text which is described in full, if there is one.
    let listed = Set(added.map(\.bytes))
    added += named.map(\.token).filter { !listed.contains($0.bytes) }
    added += extra.filter { !listed.contains($0.bytes) && !special.contains($0.bytes) }
    return (Dictionary(uniqueKeysWithValues: named.map { ($0.key, $0.token) }), added)
  }

  /// The roles that transformers knows.
  private static let roles = [
    "bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token",
  ]

  /// `added_tokens.json`: an object from token to number.
  private func legacyTokens(special: Set<[UInt8]>) throws -> [AddedToken] {
    let path = folder + "/added_tokens.json"
    guard FileManager.default.fileExists(atPath: path) else { return [] }
    guard let members = try JSONValue.contents(of: path, membersAt: []).members else {
      throw MalformedFile(path: path, reason: "does not hold a JSON object of tokens and their numbers")
    }
    return try members.map { content, value in
      guard case .int(let number) = value, Vocabulary.numbers ~= number, !content.isEmpty else {
        throw VocabularyError.badNumber(path: path, token: content, found: value)
      }
      let isSpecial = special.contains(Array(content.utf8))
      return AddedToken(content, number: number, path: path, isSpecial: isSpecial, isNormalized: !isSpecial)
    }
  }
}
