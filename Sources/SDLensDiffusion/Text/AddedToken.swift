import SDLensCore

/// A token that is cut out of a text before the text is cut into words, as the files of a tokenizer describe it.
struct AddedToken: Sendable {
  /// The text it stands for, in UTF-8: equal texts in Swift may be different tokens.
  let bytes: [UInt8]
  /// The number that the file gives it, and the file's path.
  var number: Int?
  let path: String
  /// Whether it has a role, as the end of a text.
  var isSpecial: Bool
  /// Looked for in the cleaned text, so that case does not count; nil where the file does not say so.
  private let normalized: Bool?
  /// Whether it takes the white space before and behind it.
  let takesLeft: Bool
  let takesRight: Bool
  /// Found only where no letter, digit or underscore touches it.
  let isWord: Bool

  /// Looked for in the cleaned text, so that case does not count.
  var isNormalized: Bool { normalized ?? !isSpecial }
  var content: String { String(decoding: bytes, as: UTF8.self) }

  init(_ content: String, number: Int? = nil, path: String, isSpecial: Bool, isNormalized: Bool? = nil) {
    self.init(content, [:], number: number, path: path, isSpecial: isSpecial, normalized: isNormalized)
  }

  private init(
    _ content: String, _ flags: [String: Bool], number: Int?, path: String, isSpecial: Bool, normalized: Bool?
  ) {
    bytes = Array(content.utf8)
    (self.number, self.path, self.isSpecial, self.normalized) = (number, path, isSpecial, normalized)
    takesLeft = flags["lstrip"] ?? false
    takesRight = flags["rstrip"] ?? false
    isWord = flags["single_word"] ?? false
  }

  /// Reads a token with a role: a text, or an object with `content` and flags.
  ///
  /// - Throws: `BadConfigValue`.
  init(special value: JSONValue, _ file: ConfigFile, _ key: String) throws {
    if case .string(let content) = value, !content.isEmpty {
      self.init(content, path: file.path, isSpecial: true)
    } else {
      try self.init(value, file, key, needed: "a text or an object with 'content'")
      isSpecial = true
    }
  }

  /// Reads an object with `content` and flags.
  fileprivate init(_ value: JSONValue, _ file: ConfigFile, _ key: String, number: Int? = nil, needed: String)
    throws
  {
    guard case .object(let fields) = value, case .string(let content)? = fields["content"], !content.isEmpty
    else { throw BadConfigValue(path: file.path, key: key, found: value, needed: needed) }
    let known = ["lstrip", "rstrip", "single_word", "special", "normalized"]
    var flags: [String: Bool] = [:]
    for name in known {
      switch fields[name] ?? .null {
      case .bool(let flag): flags[name] = flag
      case .null: break
      case let found:
        throw BadConfigValue(path: file.path, key: "\(key).\(name)", found: found, needed: "true or false")
      }
    }
    self.init(
      content, flags, number: number, path: file.path, isSpecial: flags["special"] ?? false,
      normalized: flags["normalized"])
  }
}

extension ConfigFile {
  /// The tokens of an object from number to token.
  func numberedTokens(_ key: String) throws -> [AddedToken] {
    guard case .object(let tokens)? = self[key] else {
      throw BadConfigValue(path: path, key: key, found: self[key], needed: "an object of tokens")
    }
    return try tokens.map { text, value in
      guard let number = Int(text), Vocabulary.numbers ~= number else {
        throw BadConfigValue(
          path: path, key: key, found: .string(text), needed: "an object of tokens under their numbers")
      }
      return try AddedToken(value, self, key, number: number, needed: "an object with 'content'")
    }
  }

  /// The special tokens of a list, or of an object, whose keys are names of theirs.
  func specialTokens(_ key: String) throws -> [AddedToken] {
    switch self[key] {
    case nil: return []
    case .array(let values)?: return try values.map { try AddedToken(special: $0, self, key) }
    case .object(let values)?:
      return try values.sorted { $0.key < $1.key }.map { try AddedToken(special: $0.value, self, key) }
    case let found?: throw BadConfigValue(path: path, key: key, found: found, needed: "a list of tokens")
    }
  }

  /// The tokens of a list, each with its `id`.
  func listedTokens(_ key: String) throws -> [AddedToken] {
    let needed = "a list of tokens with 'id' and 'content'"
    switch self[key] {
    case nil: return []
    case .array(let values)?:
      return try values.map { value in
        guard case .object(let fields) = value, case .int(let number)? = fields["id"],
          Vocabulary.numbers ~= number
        else { throw BadConfigValue(path: path, key: key, found: value, needed: needed) }
        return try AddedToken(value, self, key, number: number, needed: needed)
      }
    case let found?: throw BadConfigValue(path: path, key: key, found: found, needed: needed)
    }
  }
}
