import CPNG

/// A text in a PNG file, such as the prompt of a picture.
public struct PNGText: Sendable, Equatable {
  /// What the text is: 1 to 79 ASCII characters, as in `prompt`.
  public let keyword: String
  public let text: String

  /// A text under a keyword; the NUL character, which PNG cannot hold, becomes U+FFFD.
  public init(_ keyword: String, _ text: String) {
    precondition((1...79).contains(keyword.utf8.count) && keyword.isPrintable, "'\(keyword)' is no keyword")
    self.keyword = keyword
    self.text = String(text.map { $0 == "\0" ? "\u{FFFD}" : $0 })
  }

  /// The chunk that holds it: `tEXt` for ASCII, else `iTXt`, which is UTF-8.
  var chunk: [UInt8] {
    if text.utf8.allSatisfy({ $0 < 0x80 }) {
      PNGChunk.bytes("tEXt", Array(keyword.utf8) + [0] + Array(text.utf8))
    } else {
      // Not compressed (two zeros), no language, no translated keyword.
      PNGChunk.bytes("iTXt", Array(keyword.utf8) + [0, 0, 0, 0, 0] + Array(text.utf8))
    }
  }

  /// Reads the content of a chunk; `nil` when it is no text, or compressed, which we never write.
  init?(type: String, content: [UInt8]) {
    guard let keywordEnd = content.firstIndex(of: 0) else { return nil }
    let rest = content[(keywordEnd + 1)...]
    switch type {
    case "tEXt":
      text = String(String.UnicodeScalarView(rest.map { Unicode.Scalar($0) }))
    case "iTXt":
      let parts = rest.dropFirst(2).split(separator: 0, maxSplits: 2, omittingEmptySubsequences: false)
      guard rest.first == 0, parts.count == 3 else { return nil }
      text = String(decoding: parts[2], as: UTF8.self)
    default: return nil
    }
    keyword = String(String.UnicodeScalarView(content[..<keywordEnd].map { Unicode.Scalar($0) }))
  }
}

extension String {
  fileprivate var isPrintable: Bool { utf8.allSatisfy { (0x20..<0x7F).contains($0) } }
}

extension PNG {
  /// The texts in a PNG file, in the order of the file; compressed ones are left out.
  ///
  /// - Throws: `FileError` for what is not a readable file, `PNGError` for a damaged one.
  public static func text(of path: String) throws -> [PNGText] {
    let file = try MappedFile(path: path)
    defer { withExtendedLifetime(file) {} }
    guard file.bytes.starts(with: PNGChunk.signature) else {
      throw PNGError.badChunk(path: path, position: 0)
    }
    var texts: [PNGText] = []
    var position = PNGChunk.signature.count
    while position < file.bytes.count {
      guard let chunk = PNGChunk(in: file.bytes, at: position) else {
        throw PNGError.badChunk(path: path, position: position)
      }
      if chunk.type == "IEND" { break }
      if ["tEXt", "iTXt"].contains(chunk.type),
        let text = PNGText(type: chunk.type, content: Array(file.bytes[chunk.content]))
      {
        texts.append(text)
      }
      position = chunk.content.upperBound + 4
    }
    return texts
  }
}

/// A chunk of a PNG file: the length of its content, four letters, the content, and a checksum of the
/// letters and the content, numbers big-endian.
struct PNGChunk {
  static let signature: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]
  /// The signature and the first chunk, IHDR, of 13 bytes.
  static let afterHeader = 8 + 12 + 13

  let type: String
  let content: Range<Int>

  /// Reads the chunk at a position; `nil` when it is not whole.
  init?(in bytes: UnsafeRawBufferPointer, at position: Int) {
    func number(at position: Int) -> Int {
      Int(UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: position, as: UInt32.self)))
    }
    guard bytes.count - position >= 12 else { return nil }
    let end = position + 8 + number(at: position)
    guard end + 4 <= bytes.count else { return nil }
    guard Self.checksum(Array(bytes[position + 4..<end])) == number(at: end) else { return nil }
    type = String(decoding: bytes[position + 4..<position + 8], as: UTF8.self)
    content = position + 8..<end
  }

  /// The bytes of a chunk.
  static func bytes(_ type: String, _ content: [UInt8]) -> [UInt8] {
    func number(_ value: Int) -> [UInt8] { [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> $0) } }
    let body = Array(type.utf8) + content
    return number(content.count) + body + number(checksum(body))
  }

  private static func checksum(_ bytes: [UInt8]) -> Int { Int(crc32_z(0, bytes, bytes.count)) }
}
