import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensSparse

/// A list of prompts from a file or a pipe.
///
/// - `.txt`: one prompt a line; a blank line between them is an error, because nobody can tell whether it is meant.
/// - `.jsonl`: in each line a text, or an object with one under `caption`, `top_caption`, `prompt` or `text`, in any
///   letter case; read as Python's `json` does, blank lines passed over.
/// - `.json`: a list of such, by itself, under `annotations`, as COCO has it, or under `data`; an object of columns, as
///   pandas writes it; or as `.jsonl`.
/// - `.csv`, `.tsv`: a header with such a column, read as Python's `csv.DictReader` does; where a header has none between
///   commas but one between semicolons or tabs, these separate.
/// - `.parquet`: a table with such a column; see `ParquetFile`.
///
/// All but the last may be compressed by gzip, bzip2, xz or Zstandard. What comes through a pipe, or as `-` from the
/// standard input, is what it looks like.
public struct PromptList: Sendable {
  /// The prompts, in the order of the file.
  public let prompts: [String]
  /// The file.
  public let path: String
  /// What was decided about the file and could be decided otherwise.
  public private(set) var notes: [String] = []

  private enum Format: String { case lines = "lines of text", json = "JSON Lines", csv = "CSV" }

  /// Reads a file, or its first `limit` prompts.
  ///
  /// - Parameter column: the column or key of the prompts, in any letter case; nil for the usual names.
  /// - Throws: `FileError`, `MalformedFile` with the line.
  public init(contentsOf path: String, column: String? = nil, limit: Int? = nil) throws {
    let column = PromptColumn(chosen: column)
    self.path = path
    if !TextFile.isPipe(path), FileKind(at: path) == .parquet {
      (prompts, notes) = try Self.table(ParquetFile(path), column, limit)
      guard !prompts.isEmpty else { throw MalformedFile(path: path, reason: "is a table without rows") }
      return
    }
    let format = try Self.format(of: path)
    let file = try Self.text(path)
    let all: [String]
    switch format ?? Self.look(file, column) {
    case .lines:
      if let name = column.chosen {
        throw MalformedFile(
          path: path, reason: "is text without columns, but --column names '\(name)'; leave it out")
      }
      all = try Self.lines(file)
    case .json: (all, notes) = try Self.jsonLines(file, column)
    case .csv: (all, notes) = try Self.rows(file, column)
    }
    guard !all.isEmpty else {
      throw MalformedFile(path: path, reason: "holds no prompt; write one in each line")
    }
    if format == nil {
      notes.append(
        "What came through '\(path)' was read as \(Self.look(file, column).rawValue): \(all.count) prompts")
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

  /// Some of the prompts, in their order.
  public func part(_ range: Range<Int>) -> PromptList { PromptList(Array(prompts[range]), path: path) }

  private init(_ prompts: [String], path: String) { (self.prompts, self.path) = (prompts, path) }

  /// A number that changes with the prompts.
  public var fingerprint: String { Self.fingerprint(of: prompts) }

  static func fingerprint(of prompts: [String]) -> String {
    var fingerprint = Fingerprint()
    for prompt in prompts { fingerprint.add("\(prompt.utf8.count) \(prompt)\n".utf8) }
    return fingerprint.description
  }

  /// A text, unpacked if need be.
  private static func text(_ path: String) throws -> TextFile {
    let bytes = try TextFile.bytes(of: path)
    return try bytes.withUnsafeBytes {
      guard case .compressed(let program)? = FileKind($0), let compression = Compression(rawValue: program)
      else { return try TextFile(bytes, from: path) }
      return try TextFile(compression.unpacked($0, path: path, most: TextFile.longest), from: path)
    }
  }

  /// What the name of a file says it is; nil where it says nothing, as that of a pipe.
  private static func format(of path: String) throws -> Format? {
    let name = path as NSString
    let isPacked = ["gz", "bz2", "xz", "zst"].contains(name.pathExtension.lowercased())
    let ending = isPacked ? (name.deletingPathExtension as NSString).pathExtension : name.pathExtension
    return switch ending.lowercased() {
    case "txt": .lines
    case "jsonl", "ndjson", "json": .json
    case "csv", "tsv": .csv
    default:
      if path.hasPrefix("/dev/") || TextFile.isPipe(path) || isPacked {
        nil
      } else {
        throw MalformedFile(
          path: path,
          reason: FileKind(at: path) == .zip
            ? FileKind.zip.besideText : "must end in .txt, .jsonl, .json, .csv, .tsv or .parquet")
      }
    }
  }

  /// What a text looks like: JSON Lines begin with an object, CSV with a header that has a column of prompts.
  private static func look(_ file: TextFile, _ column: PromptColumn) -> Format {
    guard let first = file.lines.first(where: { !$0.isBlank }) else { return .lines }
    if list(file) != nil { return .json }
    switch try? JSONValue(parsing: String(first), as: .python) {
    case .object?, .string?: return .json
    default: break
    }
    return separator(of: file, column) == nil ? .lines : .csv
  }

  /// What may separate the columns.
  private static func separators(_ file: TextFile) -> [Character] {
    file.path.lowercased().hasSuffix(".tsv") ? ["\t"] : CSV.separators
  }

  /// What separates the columns of a text whose header has one of prompts; nil when it has none.
  private static func separator(of file: TextFile, _ column: PromptColumn) -> Character? {
    separators(file).first { separator in
      guard let header = (try? CSV.records(file, separator: separator, most: 1))?.first else { return false }
      return !column.candidates(among: names(of: header)).isEmpty
    }
  }

  private static func lines(_ file: TextFile) throws -> [String] {
    var lines = file.lines.map { $0.trimmingCharacters(in: .whitespaces) }
    // At the end they shift nothing.
    if let last = lines.lastIndex(where: { !$0.isEmpty }) { lines.removeSubrange((last + 1)...) }
    if let blank = lines.firstIndex(where: \.isEmpty) {
      throw MalformedFile(
        path: file.path,
        reason: "has a blank line, line \(blank + 1); delete it (an empty prompt can stand in a .jsonl file)")
    }
    return lines
  }

  /// The values of a text that is one list, or has one as COCO does; nil of every other.
  private static func list(_ file: TextFile) -> [JSONValue]? {
    guard let first = file.text.unicodeScalars.first(where: { !$0.properties.isWhitespace }),
      "[{".unicodeScalars.contains(first)
    else { return nil }
    switch try? JSONValue(parsing: file.text, as: .python) {
    case .array(let values)?: return values
    case .object(let fields)?:
      if case .array(let values)? = fields["annotations"] ?? fields["data"] { return values }
      return rows(of: fields)
    default: break
    }
    return nil
  }

  /// The rows of a table whose columns are objects, with the numbers of rows as keys; nil of any other object.
  private static func rows(of columns: [String: JSONValue]) -> [JSONValue]? {
    var rows: [Int: [String: JSONValue]] = [:]
    for (name, column) in columns {
      guard case .object(let values) = column else { return nil }
      for (row, value) in values {
        guard let row = Int(row) else { return nil }
        rows[row, default: [:]][name] = value
      }
    }
    return rows.isEmpty ? nil : rows.sorted { $0.key < $1.key }.map { .object($0.value) }
  }

  /// The values of JSON Lines, or of a list, and where each stands.
  private static func values(_ file: TextFile) throws -> [(place: String, value: JSONValue)] {
    if let list = list(file) { return list.enumerated().map { ("entry \($0 + 1)", $1) } }
    return try file.lines.enumerated().filter { !$0.element.isBlank }.map { index, line in
      do {
        return ("line \(index + 1)", try JSONValue(parsing: String(line), as: .python))
      } catch let problem as JSONParser.Mistake {
        throw MalformedFile(
          path: file.path,
          reason: "line \(index + 1) is not JSON: column \(problem.column): \(problem.reason)")
      }
    }
  }

  private static func jsonLines(_ file: TextFile, _ column: PromptColumn) throws -> (
    [String], notes: [String]
  ) {
    var notes: [String] = []
    var first: String?
    var others: [(place: String, name: String)] = []
    let prompts = try values(file).map { place, value in
      func mistake(_ reason: String) -> MalformedFile {
        MalformedFile(path: file.path, reason: "\(place) \(reason)")
      }
      if case .string(let prompt) = value, column.chosen == nil { return prompt }
      guard case .object(let fields) = value else {
        throw mistake("is \(value), but an object with a text under \(column.wanted) is needed")
      }
      let usable = column.candidates(among: fields.keys.sorted()).filter { name in
        if case .string? = fields[name] { true } else { false }
      }
      guard let name = usable.first, case .string(let prompt)? = fields[name] else {
        let found = fields.keys.sorted().prefix(12).map { "'\($0)': \(fields[$0]!)" }.joined(separator: ", ")
        throw mistake("has no text under \(column.wanted); it has {\(found)}")
      }
      if notes.isEmpty, let note = column.note(file.path, usable) { notes.append(note) }
      first = first ?? name
      if name.lowercased() != first?.lowercased() { others.append((place, name)) }
      return prompt
    }
    if let first, let other = others.first {
      notes.append(
        "In '\(file.path)' \(others.count == 1 ? "one prompt is" : "\(others.count) prompts are") not under '\(first)': "
          + "\(others.count == 1 ? "" : "the first, ")that of \(other.place)\(others.count == 1 ? "" : ",") is under "
          + "'\(other.name)'; --column takes one alone")
    }
    return (prompts, notes)
  }

  /// The names of the columns that a header has.
  private static func names(of header: CSV.Record) -> [String] {
    header.fields.map { $0.trimmingCharacters(in: .whitespaces) }
  }

  private static func table(_ file: ParquetFile, _ column: PromptColumn, _ limit: Int?) throws -> (
    [String], notes: [String]
  ) {
    let candidates = column.candidates(among: file.columns)
    guard let name = candidates.first else {
      throw MalformedFile(
        path: file.path,
        reason:
          "has the columns \(file.names.joined(separator: ", ")), but one of texts named \(column.wanted) is "
          + "needed; choose one with --column")
    }
    guard file.names.count(where: { $0 == name }) == 1 else {
      throw MalformedFile(
        path: file.path, reason: "has two columns '\(name)'; rename one, or choose another with --column")
    }
    return (
      try file.texts(of: name, limit: limit), [column.note(file.path, candidates)].compactMap(\.self)
    )
  }

  private static func rows(_ file: TextFile, _ column: PromptColumn) throws -> ([String], notes: [String]) {
    let separator = separator(of: file, column) ?? separators(file)[0]
    let words = CSV.names[separator] ?? "commas"
    var records = try CSV.records(file, separator: separator)
    guard !records.isEmpty else { return ([], []) }
    var notes: [String] = []
    if separator != "," {
      notes.append(
        "The columns of '\(file.path)' are separated by \(words)")
    }
    let header = names(of: records.removeFirst())
    let candidates = column.candidates(among: header)
    guard let name = candidates.first, let place = header.firstIndex(of: name) else {
      throw MalformedFile(
        path: file.path,
        reason:
          "has the columns \(header.joined(separator: ", ")), but one named \(column.wanted) is needed; "
          + "choose one with --column")
    }
    guard header.count(where: { $0 == name }) == 1 else {
      throw MalformedFile(
        path: file.path, reason: "has two columns '\(name)'; rename one, or choose another with --column")
    }
    let prompts = try records.map { record in
      func mistake(_ reason: String) -> MalformedFile {
        MalformedFile(path: file.path, reason: "line \(record.line) \(reason)")
      }
      let count = record.fields.count
      guard count <= header.count else {
        throw mistake(
          "has \(count) fields, but the header has \(header.count); put a text with "
            + "\(words) in quotation marks"
        )
      }
      guard place < count else {
        throw mistake("has \(count) fields, but '\(name)' is number \(place + 1) of the header")
      }
      guard record.fields[place].unicodeScalars.contains(where: { !CharacterSet.whitespaces.contains($0) })
      else {
        throw mistake("has no text under '\(name)'; delete it (an empty prompt can stand in a .jsonl file)")
      }
      return record.fields[place]
    }
    return (prompts, notes + [column.note(file.path, candidates)].compactMap(\.self))
  }
}

/// A model that brings no prompts.
public struct NoPromptList: UserError {
  let model: String
  /// The model, and what to do.
  public var description: String {
    "'\(model)' brings no list of prompts; give a file of them with --prompts (.txt, .jsonl, .csv, .tsv or .parquet)"
  }
}
