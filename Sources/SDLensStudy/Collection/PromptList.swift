import Foundation
import SDLensCore
import SDLensDiffusion

/// A list of prompts from a file.
///
/// - `.txt`: one prompt a line; a blank line is an error, because nobody can tell whether it is meant.
/// - `.jsonl`: in each line a text, or an object whose `caption`, `prompt` or `text` is one.
/// - `.csv`: a header with a column `caption`, `prompt` or `text` (RFC 4180; quoted fields may span lines).
public struct PromptList: Sendable {
  /// The prompts, in the order of the file.
  public let prompts: [String]
  /// The file.
  public let path: String

  private static let keys = ["caption", "prompt", "text"]

  /// Reads a file, or its first `limit` prompts.
  ///
  /// - Throws: `FileError`, `MalformedFile` with the line.
  public init(contentsOf path: String, limit: Int? = nil) throws {
    let file = try MappedFile(path: path)
    guard let text = file.text else {
      throw MalformedFile(path: path, reason: "is not UTF-8 text; save it as UTF-8")
    }
    self.path = path
    let all: [String]
    switch (path as NSString).pathExtension.lowercased() {
    case "txt": all = try Self.lines(text, path)
    case "jsonl", "ndjson": all = try Self.jsonLines(text, path)
    case "csv": all = try Self.column(text, path)
    default: throw MalformedFile(path: path, reason: "must end in .txt, .jsonl or .csv")
    }
    guard !all.isEmpty else {
      throw MalformedFile(path: path, reason: "holds no prompt; write one in each line")
    }
    prompts = Array(all.prefix(limit ?? all.count))
  }

  /// The list that a model brings along.
  ///
  /// - Throws: `NoPromptList` when it has none.
  public init(of model: ModelFolder, limit: Int? = nil) throws {
    let path = "\(model.path)/prompts.txt"
    guard FileManager.default.fileExists(atPath: path) else { throw NoPromptList(model: model.name) }
    try self.init(contentsOf: path, limit: limit)
  }

  /// A number that changes with the prompts.
  public var fingerprint: String { Self.fingerprint(of: prompts) }

  static func fingerprint(of prompts: [String]) -> String {
    var fingerprint = Fingerprint()
    for prompt in prompts { fingerprint.add("\(prompt.utf8.count) \(prompt)\n".utf8) }
    return fingerprint.description
  }

  private static func split(_ text: String) -> [Substring] {
    var lines = text.split(omittingEmptySubsequences: false) { $0.isNewline }
    if lines.last?.isEmpty ?? false { lines.removeLast() }
    return lines
  }

  private static func lines(_ text: String, _ path: String) throws -> [String] {
    try split(text).enumerated().map { index, line in
      let prompt = line.trimmingCharacters(in: .whitespaces)
      guard !prompt.isEmpty else {
        throw MalformedFile(
          path: path,
          reason:
            "has a blank line, line \(index + 1); delete it (an empty prompt can stand in a .jsonl file)")
      }
      return prompt
    }
  }

  private static func jsonLines(_ text: String, _ path: String) throws -> [String] {
    try split(text).enumerated().map { index, line in
      func mistake(_ reason: String) -> MalformedFile {
        MalformedFile(path: path, reason: "line \(index + 1) \(reason)")
      }
      let value: JSONValue
      do {
        value = try JSONValue(parsing: String(line))
      } catch let problem as JSONParser.Mistake {
        throw mistake("is not JSON: column \(problem.column): \(problem.reason)")
      }
      if case .string(let prompt) = value { return prompt }
      guard case .object(let fields) = value, let key = keys.first(where: { fields[$0] != nil }),
        case .string(let prompt)? = fields[key]
      else { throw mistake("has no text under 'caption', 'prompt' or 'text'") }
      return prompt
    }
  }

  private static func column(_ text: String, _ path: String) throws -> [String] {
    var records = try CSV.records(text, path)
    guard !records.isEmpty else { return [] }
    let header = records.removeFirst().fields.map { $0.trimmingCharacters(in: .whitespaces).lowercased() }
    guard let column = keys.lazy.compactMap(header.firstIndex(of:)).first else {
      throw MalformedFile(
        path: path,
        reason:
          "has the columns \(header.joined(separator: ", ")), but one named caption, prompt or text is needed"
      )
    }
    return try records.map { record in
      guard record.fields.count == header.count else {
        throw MalformedFile(
          path: path,
          reason: "line \(record.line) has \(record.fields.count) fields, but the header has \(header.count)")
      }
      return record.fields[column]
    }
  }
}

/// A model that brings no prompts.
public struct NoPromptList: UserError {
  let model: String
  /// The model, and what to do.
  public var description: String {
    "'\(model)' brings no list of prompts; give a file of them with --prompts (.txt, .jsonl or .csv)"
  }
}
