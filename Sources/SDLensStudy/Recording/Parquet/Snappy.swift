/// Bytes that Snappy made smaller, which most Parquet files are made of.
///
/// Source: https://github.com/google/snappy/blob/main/format_description.txt
enum Snappy {
  /// Unpacks a block.
  ///
  /// - Throws: `ByteCursor.Mistake` when it is damaged.
  static func unpacked(_ bytes: ArraySlice<UInt8>, most: Int) throws -> [UInt8] {
    var cursor = ByteCursor(bytes)
    let size = try cursor.counted()
    // A copy of 64 bytes takes three.
    guard size <= min(most, 32 * bytes.count) else {
      throw ByteCursor.Mistake("a block of \(size) bytes is announced")
    }
    return try [UInt8](unsafeUninitializedCapacity: size) { target, count in
      while count < size {
        let tag = Int(try cursor.byte())
        let (length, distance): (Int, Int)
        switch tag & 3 {
        case 0:
          let short = tag >> 2
          let literal = try cursor.take(short < 60 ? short + 1 : cursor.fixed(short - 59) + 1)
          guard literal.count <= size - count else { throw tooLong }
          _ = UnsafeMutableBufferPointer(rebasing: target[count...]).update(fromContentsOf: literal)
          count += literal.count
          continue
        case 1: (length, distance) = (4 + (tag >> 2 & 7), (tag >> 5) << 8 | Int(try cursor.byte()))
        case 2: (length, distance) = (1 + (tag >> 2), try cursor.fixed(2))
        default: (length, distance) = (1 + (tag >> 2), try cursor.fixed(4))
        }
        guard distance > 0, distance <= count else {
          throw ByteCursor.Mistake("a block copies what is not there")
        }
        guard length <= size - count else { throw tooLong }
        // What is copied may begin with itself.
        for index in count..<count + length { target[index] = target[index - distance] }
        count += length
      }
      guard cursor.count == 0 else { throw tooLong }
    }
  }

  private static let tooLong = ByteCursor.Mistake("a block has more bytes than it announces")
}
