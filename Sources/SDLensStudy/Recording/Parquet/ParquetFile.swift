import SDLensCore
import SDLensSparse

/// An Apache Parquet file, of which the columns of texts are read.
///
/// A table lies in it in groups of rows, each with one chunk for every column, and a chunk is a row of pages. Read are
/// texts that are no part of a list or of a structure, as pyarrow, pandas, polars, DuckDB and Spark write them:
/// plain, by a dictionary or by differences; as they are or made smaller by Snappy, gzip or Zstandard.
/// Source: https://parquet.apache.org/docs/file-format/
struct ParquetFile {
  /// The columns of texts, in their order.
  let columns: [String]
  /// All columns.
  let names: [String]
  /// Where it lies.
  var path: String { file.path }
  private let file: MappedFile
  private let groups: [ThriftValue]
  private let optional: Set<String>

  static let magic = Array("PAR1".utf8)
  /// The most bytes that a description may have.
  private static let mostDescription = 1 << 26
  /// The most rows of a table, and values of a dictionary.
  static let mostRows = 1 << 24

  /// Reads what the file says of itself, which stands at its end.
  ///
  /// - Throws: `FileError`, `MalformedFile`.
  init(_ path: String) throws {
    let file = try MappedFile(path: path)
    self.file = file
    let footer = try Self.checked(path) {
      try file.withBytes { bytes in
        guard bytes.count >= 12, bytes.starts(with: Self.magic), bytes.suffix(4).elementsEqual(Self.magic)
        else { throw ByteCursor.Mistake("it does not begin and end with PAR1") }
        var end = ByteCursor(Array(bytes.suffix(8).prefix(4))[...])
        let length = try end.fixed(4)
        guard length <= min(bytes.count - 12, Self.mostDescription) else {
          throw ByteCursor.Mistake("its description is said to have \(length) bytes")
        }
        var cursor = ByteCursor(Array(bytes.suffix(8 + length).dropLast(8))[...])
        return try ThriftValue.structure(&cursor)
      }
    }
    groups = footer[4]?.elements ?? []
    var (names, columns): ([String], [String]) = ([], [])
    var optional: Set<String> = []
    // A column that has parts is followed by them.
    var parts = [0]
    for element in (footer[2]?.elements ?? []).dropFirst() {
      let name = element[4]?.text ?? ""
      let isOuter = parts.count == 1
      if isOuter { names.append(name) } else { parts[parts.count - 1] -= 1 }
      if let count = element[5]?.number, count > 0 { parts.append(count) }
      while parts.count > 1, parts[parts.count - 1] <= 0 { parts.removeLast() }
      guard isOuter, element[5]?.number ?? 0 == 0, element[1]?.number == Self.byteArrays,
        let repetition = element[3]?.number, repetition != Self.repeated,
        ![Self.decimal, Self.bson].contains(element[6]?.number)
      else { continue }
      columns.append(name)
      if repetition != Self.required { optional.insert(name) }
    }
    (self.names, self.columns, self.optional) = (names, columns, optional)
  }

  private static let byteArrays = 6
  private static let (required, repeated) = (0, 2)
  private static let (decimal, bson) = (5, 20)

  /// The texts of a column, or the first `limit` of them; all must be there, in the pages that are read.
  ///
  /// - Throws: `MalformedFile` for what is damaged, is no text or is null, and for kinds of pages that are not read.
  func texts(of column: String, limit: Int?) throws -> [String] {
    try Self.checked(file.path) {
      var (texts, size): ([String], Int) = ([], 0)
      for group in groups {
        guard texts.count < limit ?? .max else { break }
        let columns = group[1]?.elements ?? []
        guard let place = columns.first(where: { $0[3]?[3]?.elements.map(\.text) == [column] }),
          let chunk = place[3]
        else { throw ByteCursor.Mistake("a group of rows lacks the column '\(column)'") }
        guard place[1] == nil else { throw ByteCursor.Mistake("its columns lie in other files") }
        try read(chunk, column, limit: limit ?? .max, into: &texts, &size)
      }
      return Array(texts.prefix(limit ?? texts.count))
    }
  }

  private static func checked<R>(_ path: String, _ body: () throws -> R) throws -> R {
    do { return try body() } catch let mistake as ByteCursor.Mistake {
      throw MalformedFile(
        path: path,
        reason:
          "cannot be read as a Parquet table: \(mistake.reason); write it again, or as CSV, as pandas does "
          + "with read_parquet and to_csv")
    }
  }

  // MARK: Pages

  /// What stands before a page, and its size.
  private static func header(_ bytes: UnsafeRawBufferPointer) throws -> (ThriftValue, size: Int) {
    // Some tens of bytes, and the least and the largest value of the page, which may be long.
    for most in [1 << 12, 1 << 20] {
      var cursor = ByteCursor(Array(bytes.prefix(most))[...])
      let count = cursor.count
      do { return (try ThriftValue.structure(&cursor), count - cursor.count) } catch {
        guard most < bytes.count, most < 1 << 20 else { throw error }
      }
    }
    throw ByteCursor.Mistake.end
  }

  private enum Page: Int { case data, index, dictionary, newData }

  private func read(
    _ chunk: ThriftValue, _ column: String, limit: Int, into texts: inout [String], _ bytes: inout Int
  ) throws {
    let starts = [chunk[9], chunk[11]].compactMap { $0?.number }.filter { $0 > 0 }
    guard let start = starts.min(), let size = chunk[7]?.number, let rows = chunk[5]?.number,
      start <= file.count, 0...(file.count - start) ~= size, rows >= 0
    else { throw ByteCursor.Mistake("a column lies outside the file") }
    guard rows <= Self.mostRows - texts.count else {
      throw ByteCursor.Mistake("it has more than \(Self.mostRows) rows, the most that are read")
    }
    let end = texts.count + rows
    var decoder = TextPages(
      codec: chunk[4]?.number ?? 0, isOptional: optional.contains(column), path: file.path)
    try file.withBytes { all in
      var rest = UnsafeRawBufferPointer(rebasing: all[start..<start + size])
      while texts.count < min(end, limit) {
        let (header, size) = try Self.header(rest)
        rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(size))
        guard let packed = header[3]?.number, 0...rest.count ~= packed else { throw ByteCursor.Mistake.end }
        let (page, before) = (Array(rest.prefix(packed))[...], texts.count)
        rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(packed))
        switch header[1]?.number.flatMap(Page.init) {
        case .dictionary: try decoder.keepDictionary(page, header)
        case .data: try decoder.read(page, header, header[5], before: end, into: &texts)
        case .newData: try decoder.readNew(page, header, header[8], before: end, into: &texts)
        case .index: continue
        case nil: throw ByteCursor.Mistake("it has a page of an unknown kind")
        }
        // A dictionary makes much of little.
        bytes += texts[before...].reduce(0) { $0 + $1.utf8.count }
        guard bytes <= TextFile.longest else {
          throw ByteCursor.Mistake(
            "its texts have more than \(TextFile.longest) bytes, the most that are read")
        }
      }
    }
  }
}
