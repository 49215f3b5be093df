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
