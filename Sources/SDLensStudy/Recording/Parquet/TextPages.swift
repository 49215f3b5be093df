import SDLensCore
import SDLensSparse

/// The pages of a Parquet column of texts, one after the other.
struct TextPages {
  private enum Encoding: Int {
    case plain = 0
    /// The older word for `dictionary`.
    case plainDictionary = 2
    case lengths = 6
    case prefixes = 7
    case dictionary = 8
  }

  /// The most bytes of a page, as it is or unpacked.
  private static let mostBytes = 1 << 28
  private static let codecs = ["none", "Snappy", "gzip", "LZO", "Brotli", "LZ4", "Zstandard", "LZ4"]

  private let codec: Int
  private let isOptional: Bool
  private let path: String
  private var dictionary: [String]?

  /// - Parameter codec: the number of what made pages smaller.
  init(codec: Int, isOptional: Bool, path: String) {
    (self.codec, self.isOptional, self.path) = (codec, isOptional, path)
  }

  /// Takes a page whose texts others count through.
  mutating func keepDictionary(_ page: ArraySlice<UInt8>, _ header: ThriftValue) throws {
    let count = header[7]?[1]?.number ?? 0
    guard dictionary == nil, count <= ParquetFile.mostRows else {
      throw ByteCursor.Mistake("a column has two dictionaries, or one of \(count) values")
    }
    var cursor = ByteCursor(try unpacked(page, header)[...])
    dictionary = try Self.plain(&cursor, count)
  }

  /// Reads a page of version 1: what is null, and the values, made smaller together.
  mutating func read(
    _ page: ArraySlice<UInt8>, _ header: ThriftValue, _ own: ThriftValue?, before end: Int,
    into texts: inout [String]
  ) throws {
    var cursor = ByteCursor(try unpacked(page, header)[...])
    let count = try count(own, end - texts.count)
    if isOptional {
      guard own?[3]?.number == 3 else { throw ByteCursor.Mistake("its levels are packed in an older way") }
      var levels = ByteCursor(try cursor.take(cursor.fixed(4)))
      try refuseNull(&levels, count, after: texts.count)
    }
    texts += try values(&cursor, count, own?[2]?.number)
  }

  /// Reads a page of version 2: what is null stands before the values and is never made smaller.
  mutating func readNew(
    _ page: ArraySlice<UInt8>, _ header: ThriftValue, _ own: ThriftValue?, before end: Int,
    into texts: inout [String]
  ) throws {
    var cursor = ByteCursor(page)
    let count = try count(own, end - texts.count)
    let sizes = (repetition: own?[6]?.number ?? 0, definition: own?[5]?.number ?? 0)
    _ = try cursor.take(sizes.repetition)
    var levels = ByteCursor(try cursor.take(sizes.definition))
    if isOptional { try refuseNull(&levels, count, after: texts.count) }
    let rest = try cursor.take(cursor.count)
    var values = ByteCursor(own?[7]?.isNo == true ? rest : try unpacked(rest, header)[...])
    texts += try self.values(&values, count, own?[4]?.number)
  }

  private func count(_ own: ThriftValue?, _ left: Int) throws -> Int {
    guard let count = own?[1]?.number, 0...left ~= count else {
      throw ByteCursor.Mistake("a page has more values than its column")
    }
    return count
  }

  private func refuseNull(_ levels: inout ByteCursor, _ count: Int, after before: Int) throws {
    if let null = try levels.hybrid(count, width: 1).firstIndex(of: 0) {
      throw MalformedFile(
        path: path,
        reason: "row \(before + null + 1) has no text; leave such rows out, as pandas does with dropna")
    }
  }

  private func unpacked(_ page: ArraySlice<UInt8>, _ header: ThriftValue) throws -> [UInt8] {
    let size = header[2]?.number ?? 0
    guard 0...Self.mostBytes ~= max(size, page.count) else {
      throw ByteCursor.Mistake("a page of \(max(size, page.count)) bytes is announced")
    }
    // One without values may have no bytes.
    guard !page.isEmpty else { return [] }
    switch codec {
    case 0: return Array(page)
    case 1: return try Snappy.unpacked(page, most: size)
    case 2: return try page.withUnsafeBytes { try Compression.gzip.unpacked($0, path: path, most: size) }
    case 6: return try page.withUnsafeBytes { try Compression.zstd.unpacked($0, path: path, most: size) }
    default:
      let name = Self.codecs.indices.contains(codec) ? Self.codecs[codec] : "codec \(codec)"
      throw ByteCursor.Mistake("it is made smaller by \(name), but only Snappy, gzip and Zstandard are read")
    }
  }

  private func values(_ cursor: inout ByteCursor, _ count: Int, _ encoding: Int?) throws -> [String] {
    guard count > 0 else { return [] }
    switch encoding.flatMap(Encoding.init) {
    case .plain: return try Self.plain(&cursor, count)
    case .dictionary, .plainDictionary:
      let places = try cursor.hybrid(count, width: Int(cursor.byte()))
      return try places.map {
        guard let dictionary, dictionary.indices.contains($0) else {
          throw ByteCursor.Mistake("a value is missing in its dictionary")
        }
        return dictionary[$0]
      }
    case .lengths:
      let lengths = try cursor.differences(most: count)
      return try Self.all(lengths.map { try Self.text(cursor.take($0)) }, count)
    case .prefixes:
      let (prefixes, lengths) = (try cursor.differences(most: count), try cursor.differences(most: count))
      var (last, total): (ArraySlice<UInt8>, Int) = ([], 0)
      let texts = try zip(prefixes, lengths).map { prefix, length in
        total += prefix + length
        guard prefix <= last.count, total <= Self.mostBytes else {
          throw ByteCursor.Mistake("a text begins with more of the one before than that has")
        }
        last = try last.prefix(prefix) + cursor.take(length)
        return try Self.text(last)
      }
      return try Self.all(texts, count)
    case nil:
      throw ByteCursor.Mistake("its texts are in the encoding \(encoding ?? -1), which is not read")
    }
  }

  private static func all(_ texts: [String], _ count: Int) throws -> [String] {
    guard texts.count == count else { throw ByteCursor.Mistake.end }
    return texts
  }

  /// Texts with their lengths in four bytes before them.
  private static func plain(_ cursor: inout ByteCursor, _ count: Int) throws -> [String] {
    guard 0...cursor.count / 4 ~= count else { throw ByteCursor.Mistake.end }
    return try (0..<count).map { _ in try text(cursor.take(cursor.fixed(4))) }
  }

  private static func text(_ bytes: ArraySlice<UInt8>) throws -> String {
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw ByteCursor.Mistake("a value is not UTF-8 text")
    }
    return text
  }
}
