import SDLensCore

/// Comma-separated values (RFC 4180).
enum CSV {
  /// A line, or several where a quoted field spans them.
  struct Record {
    /// Where it begins, from 1.
    let line: Int
    let fields: [String]
  }

  /// All records of a text; a last line break ends nothing.
  ///
  /// - Throws: `MalformedFile` with the line.
  static func records(_ text: String, _ path: String) throws -> [Record] {
    var records: [Record] = []
    var (fields, field): ([String], String) = ([], "")
    var (line, first) = (1, 1)
    var (isQuoted, wasQuoted) = (false, false)
    func endRecord() {
      records.append(Record(line: first, fields: fields + [field]))
      (fields, field, wasQuoted) = ([], "", false)
    }
    var rest = text[...]
    while let character = rest.popFirst() {
      if character.isNewline { line += 1 }
      switch character {
      case "\"" where isQuoted && rest.first == "\"":
        field.append("\"")
        rest.removeFirst()
      case "\"" where isQuoted: isQuoted = false
      case _ where isQuoted: field.append(character)
      case "\"" where field.isEmpty && !wasQuoted: (isQuoted, wasQuoted) = (true, true)
      case "\"":
        throw MalformedFile(path: path, reason: "line \(line) has a quotation mark inside a field")
      case ",":
        fields.append(field)
        (field, wasQuoted) = ("", false)
      case _ where character.isNewline:
        endRecord()
        first = line
      case _ where wasQuoted:
        throw MalformedFile(path: path, reason: "line \(line) has text behind a quoted field")
      default: field.append(character)
      }
    }
    guard !isQuoted else {
      throw MalformedFile(path: path, reason: "line \(first) begins a quoted field that never ends")
    }
    if !field.isEmpty || !fields.isEmpty || wasQuoted { endRecord() }
    return records
  }
}
