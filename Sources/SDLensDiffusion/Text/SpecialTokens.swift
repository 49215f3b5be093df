import Foundation
import SDLensCore

/// The tokens of a tokenizer that are found in a text before it is cut into words, and those around a text.
struct SpecialTokens: Sendable {
  let start: Int
  let end: Int
  let padding: Int
  /// Those looked for in the text as it was typed, and in the cleaned text.
  let raw: [Pattern]
  let cleaned: [Pattern]

  /// A token and the text it stands for.
  struct Pattern: Sendable {
    let scalars: [Unicode.Scalar]
    let id: Int
  }

  /// A token as the files describe it.
  private struct Added: Equatable {
    let content: String
    /// Looked for in the cleaned text, so that case does not count.
    let normalized: Bool
    let isText: Bool
  }

  /// The four special tokens and what they are when no file says so.
  private static let named = [
    ("bos_token", "<|startoftext|>"), ("eos_token", "<|endoftext|>"), ("unk_token", "<|endoftext|>"),
    ("pad_token", "<|endoftext|>"),
  ]

  /// Reads `tokenizer_config.json` and, where that has no `added_tokens_decoder`, `special_tokens_map.json`,
  /// whose values then count more, as transformers 5 does.
  ///
  /// - Throws: the errors of `ConfigFile`, and `VocabularyError` for a token that is not in the vocabulary.
  init(folder: String, _ config: ConfigFile, _ vocabulary: Vocabulary) throws {
    var added: [Added] = []
    var files = [config]
    if let decoder = config["added_tokens_decoder"] {
      guard case .object(let tokens) = decoder else {
        throw BadConfigValue(
          path: config.path, key: "added_tokens_decoder", found: decoder, needed: "an object of tokens")
      }
      added = try tokens.values.map { try Self.added($0, config, "added_tokens_decoder") }
    } else if FileManager.default.fileExists(atPath: folder + "/special_tokens_map.json") {
      files.insert(try ConfigFile(folder + "/special_tokens_map.json"), at: 0)
    }
    var names: [String: String] = [:]
    let listed = Set(added.map(\.content))
    for (key, whenAbsent) in Self.named {
      let file = files.first { $0[key] != nil } ?? config
      let token = try Self.added(file[key] ?? .string(whenAbsent), file, key)
      names[key] = token.content
      if !listed.contains(token.content), !added.contains(token) { added.append(token) }
    }
    func id(_ token: String) throws -> Int {
      guard let id = vocabulary[token] else {
        throw VocabularyError.noSpecial(path: config.path, token: token, vocabulary: vocabulary.path)
      }
      return id
    }
    start = try id(names["bos_token"] ?? "")
    end = try id(names["eos_token"] ?? "")
    padding = try id(names["pad_token"] ?? "")
    // Where a token is described twice, the last description counts.
    let normalized = Dictionary(added.map { ($0.content, $0.normalized) }, uniquingKeysWith: { $1 })
    raw = try normalized.filter { !$0.value }.map {
      Pattern(scalars: Array($0.key.unicodeScalars), id: try id($0.key))
    }
    cleaned = try normalized.filter { $0.value }.map {
      Pattern(scalars: TextCleaning.clean($0.key.unicodeScalars), id: try id($0.key))
    }
  }

  /// Reads a token: a text, or an object with `content`, `normalized`, `single_word`.
  private static func added(_ value: JSONValue, _ file: ConfigFile, _ key: String) throws -> Added {
    switch value {
    case .string(let content) where !content.isEmpty:
      return Added(content: content, normalized: false, isText: true)
    case .object(let fields):
      guard case .string(let content) = fields["content"], !content.isEmpty else { break }
      guard fields["single_word"] ?? false == false else {
        throw UnsupportedConfigValue(
          path: file.path, key: "\(key).single_word", found: true, supported: [false])
      }
      let normalized = fields["normalized"] ?? .bool(fields["special"] == false)
      return Added(content: content, normalized: normalized == true, isText: false)
    default: break
    }
    throw BadConfigValue(
      path: file.path, key: key, found: value, needed: "a text or an object with 'content'")
  }
}
