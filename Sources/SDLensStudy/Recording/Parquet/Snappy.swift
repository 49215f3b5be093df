/// Bytes that Snappy made smaller, which most Parquet files are made of.
///
/// Source: https://github.com/google/snappy/blob/main/format_description.txt
enum Snappy {
  /// Unpacks a block.
  ///
  /// - Throws: `ByteCursor.Mistake` when it is damaged.
  static func unpacked(_ bytes: ArraySlice<UInt8>) throws -> [UInt8] {
    var cursor = ByteCursor(bytes)
    let size = try cursor.counted()
    // A copy of 64 bytes takes three.
    guard size <= 32 * bytes.count else { throw ByteCursor.Mistake("a block of \(size) bytes is announced") }
    var unpacked: [UInt8] = []
    unpacked.reserveCapacity(size)
    while unpacked.count < size {
      let tag = Int(try cursor.byte())
      let (length, distance): (Int, Int)
      switch tag & 3 {
      case 0:
        let short = tag >> 2
        unpacked += try cursor.take(short < 60 ? short + 1 : cursor.fixed(short - 59) + 1)
        continue
      case 1: (length, distance) = (4 + (tag >> 2 & 7), (tag >> 5) << 8 | Int(try cursor.byte()))
      case 2: (length, distance) = (1 + tag >> 2, try cursor.fixed(2))
      default: (length, distance) = (1 + tag >> 2, try cursor.fixed(4))
      }
      guard 1...max(1, unpacked.count) ~= distance, !unpacked.isEmpty else {
        throw ByteCursor.Mistake("a block copies what is not there")
      }
      let start = unpacked.count - distance
      if length <= distance {
        unpacked += unpacked[start..<start + length]
      } else {
        // What is copied grows meanwhile.
        for index in start..<start + length { unpacked.append(unpacked[index]) }
      }
    }
    guard unpacked.count == size, cursor.count == 0 else {
      throw ByteCursor.Mistake("a block has not the size that it announces")
    }
    return unpacked
  }
}
