import SDLensCore

/// Comma-separated values, read as Python's `csv` reads them (dialect `excel`), or such with another separator.
///
/// A quotation mark opens a field only where it is the first character; elsewhere it is text, and so is what stands
/// behind the closing one. Records end at LF, CRLF or CR; blank lines are none.
enum CSV {
  /// A line, or several where a quoted field spans them.
  struct Record {
    /// Where it begins, from 1.
    let line: Int
    let fields: [String]
  }

  private enum State { case start, plain, quoted, behindQuote }
  private static let quote = UInt8(ascii: "\"")

  /// What stands between fields: commas, or what spreadsheets write where the comma belongs to numbers, and tabs.
  static let separators: [Character] = [",", ";", "\t", "|"]
  /// What messages call them.
  static let names: [Character: String] = [",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"]
  /// A first line with which Excel says what separates the others: `sep=;`.
  private static let announcement = "sep="

  /// All records of a text, or the first of them; a last line break ends nothing.
  ///
  /// - Throws: `MalformedFile` for a quoted field without an end, in which Python would put the rest of the file.
  static func records(_ file: TextFile, separator: Character = ",", most: Int = .max) throws -> [Record] {
    let (bytes, separator) = (Array(file.text.utf8), separator.asciiValue!)
    var records: [Record] = []
    var (fields, field): ([String], [UInt8]) = ([], [])
    var (line, first) = (1, 1)
    var state = State.start
    func endField() {
      fields.append(String(decoding: field, as: UTF8.self))
      (field, state) = ([], .start)
    }
    func endRecord() {
      if state != .start || !fields.isEmpty {
        endField()
        records.append(Record(line: first, fields: fields))
      }
      (fields, first) = ([], line)
    }
    var index = 0
    if file.text.hasPrefix(announcement), let line = file.lines.first, line.utf8.count <= 5 {
      index = line.utf8.count
    }
    while index < bytes.count, records.count < most {
      let byte = bytes[index]
      let isBreak = byte == 0x0A || byte == 0x0D
      let isPair = byte == 0x0D && index + 1 < bytes.count && bytes[index + 1] == 0x0A
      let end = index + (isPair ? 2 : 1)
      if isBreak { line += 1 }
      switch state {
      case .quoted where byte == quote: state = .behindQuote
      case .quoted: field += bytes[index..<end]
      case .behindQuote where byte == quote:
        field.append(quote)
        state = .quoted
      case _ where byte == separator: endField()
      case _ where isBreak: endRecord()
      case .start where byte == quote: state = .quoted
      default:
        field.append(byte)
        state = .plain
      }
      index = end
    }
    guard state != .quoted else {
      throw MalformedFile(path: file.path, reason: "line \(first) begins a quoted field that never ends")
    }
    endRecord()
    return records
  }
}
