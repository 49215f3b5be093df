import CPNG

/// A text in a PNG file, such as the prompt of a picture.
public struct PNGText: Sendable, Equatable {
  /// What the text is: 1 to 79 ASCII characters, as in `prompt`.
  public let keyword: String
  /// The text itself.
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

  /// Reads the content of a chunk; `nil` when it is no text, or a compressed one of more than a megabyte.
  init?(type: String, content: Slice<UnsafeRawBufferPointer>) {
    guard let keywordEnd = content.firstIndex(of: 0) else { return nil }
    let rest = content[(keywordEnd + 1)...]
    switch type {
    case "tEXt":
      text = Self.latin(rest)
    case "zTXt":
      guard rest.first == 0, let bytes = Self.inflated(Array(rest.dropFirst())) else { return nil }
      text = Self.latin(bytes)
    case "iTXt":
      // Whether it is compressed, how, the language, and the keyword in that.
      let parts = rest.dropFirst(2).split(separator: 0, maxSplits: 2, omittingEmptySubsequences: false)
      guard parts.count == 3, let flag = rest.first, flag < 2,
        let bytes = flag == 0 ? Array(parts[2]) : Self.inflated(Array(parts[2]))
      else { return nil }
      text = String(decoding: bytes, as: UTF8.self)
    default: return nil
    }
    keyword = Self.latin(content[..<keywordEnd])
  }

  private static func latin(_ bytes: some Sequence<UInt8>) -> String {
    String(String.UnicodeScalarView(bytes.map { Unicode.Scalar($0) }))
  }

  /// What zlib packed, up to a megabyte, which is also PIL's limit; nil of more, and of what is damaged.
  private static func inflated(_ packed: [UInt8]) -> [UInt8]? {
    var isWhole = false
    let bytes = [UInt8](unsafeUninitializedCapacity: 1 << 20) { buffer, count in
      var made = UInt(buffer.count)
      isWhole = uncompress(buffer.baseAddress, &made, packed, UInt(packed.count)) == Z_OK
      count = isWhole ? Int(made) : 0
    }
    return isWhole ? bytes : nil
  }
}

extension String {
  fileprivate var isPrintable: Bool { utf8.allSatisfy { (0x20..<0x7F).contains($0) } }
}

extension PNG {
  /// The texts in a PNG file, in the order of the file; compressed ones of more than a megabyte are left out.
  ///
  /// - Throws: `FileError` for what is not a readable file, `PNGError` for a damaged one.
  public static func text(of path: String) throws -> [PNGText] {
    try MappedFile(path: path).withBytes { bytes in
      guard bytes.starts(with: PNGChunk.signature) else {
        throw PNGError.unreadable(path: path, reason: "Not a PNG file")
      }
      var texts: [PNGText] = []
      var position = PNGChunk.signature.count
      while true {
        guard let chunk = PNGChunk(in: bytes, at: position) else {
          throw PNGError.unreadable(path: path, reason: "the chunk at byte \(position) is damaged")
        }
        if chunk.type == "IEND" { return texts }
        if let text = PNGText(type: chunk.type, content: bytes[chunk.content]) { texts.append(text) }
        position = chunk.content.upperBound + 4
      }
    }
  }
}
