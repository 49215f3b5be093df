import CPNG

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
    guard let content = Self.content(in: bytes, at: position) else { return nil }
    guard
      Self.checksum(Array(bytes[position + 4..<content.upperBound]))
        == Self.number(in: bytes, at: content.upperBound)
    else { return nil }
    type = String(decoding: bytes[position + 4..<position + 8], as: UTF8.self)
    self.content = content
  }

  /// Where the content of the chunk at a position lies; `nil` when the file ends before it.
  private static func content(in bytes: UnsafeRawBufferPointer, at position: Int) -> Range<Int>? {
    guard bytes.count - position >= 12 else { return nil }
    let end = position + 8 + number(in: bytes, at: position)
    return end + 4 <= bytes.count ? position + 8..<end : nil
  }

  private static func number(in bytes: UnsafeRawBufferPointer, at position: Int) -> Int {
    Int(UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: position, as: UInt32.self)))
  }

  /// The length of all that is in chunks of pixels, IDAT; `nil` when a chunk goes beyond the end. Of what is no PNG
  /// file, 0.
  static func bytesOfPixels(in bytes: UnsafeRawBufferPointer) -> Int? {
    guard bytes.starts(with: signature) else { return 0 }
    var (position, count) = (signature.count, 0)
    while position < bytes.count {
      guard let content = content(in: bytes, at: position) else { return nil }
      let type = bytes[position + 4..<position + 8]
      if type.elementsEqual("IDAT".utf8) { count += content.count }
      if type.elementsEqual("IEND".utf8) { break }
      position = content.upperBound + 4
    }
    return count
  }

  /// The bytes of a file without the chunks of a type; `nil` when it has none, or is no PNG file.
  static func without(_ type: String, _ bytes: UnsafeRawBufferPointer) -> [UInt8]? {
    guard bytes.starts(with: signature) else { return nil }
    var (position, found) = (signature.count, [Range<Int>]())
    while let content = content(in: bytes, at: position) {
      let end = content.upperBound + 4
      if bytes[position + 4..<position + 8].elementsEqual(type.utf8) { found.append(position..<end) }
      position = end
    }
    guard !found.isEmpty else { return nil }
    var (rest, begin) = ([UInt8](), 0)
    for chunk in found {
      rest += bytes[begin..<chunk.lowerBound]
      begin = chunk.upperBound
    }
    return rest + bytes[begin...]
  }

  /// Whether so many pixels can come out of `packed` bytes: zlib makes at most 1032 of one.
  ///
  /// - Parameter bytes: a file whose first chunk, IHDR, tells depth and kind of colour.
  static func mayHold(_ bytes: UnsafeRawBufferPointer, width: Int, height: Int, packed: Int) -> Bool {
    let samples = [2: 3, 4: 2, 6: 4][bytes[25]] ?? 1
    let row = (width * samples * Int(bytes[24]) + 7) / 8
    return height * (row + 1) <= 1032 * packed
  }

  /// The bytes of a chunk.
  static func bytes(_ type: String, _ content: [UInt8]) -> [UInt8] {
    func number(_ value: Int) -> [UInt8] { [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> $0) } }
    let body = Array(type.utf8) + content
    return number(content.count) + body + number(checksum(body))
  }

  private static func checksum(_ bytes: [UInt8]) -> Int { Int(crc32_z(0, bytes, bytes.count)) }
}
