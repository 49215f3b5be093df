/// A short number that changes when the content of files does: 64-bit FNV-1a over names, sizes and contents.
///
/// Small files count whole. Of larger ones, which may be many gigabytes, 256 pieces of 4 KiB count, evenly
/// spread from the first to the last byte: other weights never agree in all of them.
///
/// Source: http://www.isthe.com/chongo/tech/comp/fnv/
public struct Fingerprint: Sendable, CustomStringConvertible {
  private static let piece = 1 << 12
  private static let pieces = 256
  /// The number.
  public var value: UInt64 { hash }
  private var hash: UInt64 = 0xCBF2_9CE4_8422_2325

  /// The fingerprint of nothing.
  public init() {}

  /// Takes a file in, under a name that does not depend on where its folder lies.
  public mutating func add(_ path: String, as name: String) throws {
    let file = try MappedFile(path: path)
    add("\(name) \(file.count)\n".utf8)
    file.withBytes { bytes in
      guard bytes.count > Self.piece * Self.pieces else { return add(bytes) }
      for index in 0..<Self.pieces {
        let start = (bytes.count - Self.piece) * index / (Self.pieces - 1)
        add(bytes[start..<start + Self.piece])
      }
    }
  }

  /// Takes bytes in.
  public mutating func add(_ bytes: some Sequence<UInt8>) {
    for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
  }

  /// 16 hexadecimal digits.
  public var description: String {
    let digits = String(hash, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }
}
