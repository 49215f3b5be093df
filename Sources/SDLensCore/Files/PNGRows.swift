import CPNG

extension PNG {
  /// Writes a picture of which only some rows are in memory at one time.
  ///
  /// - Parameters:
  ///   - band: the samples of the next rows, whole rows from the top down, one or more; called until `height`
  ///     rows are there.
  /// - Throws: `FileError` when the folder or the disk does not take the file, `PNGError` for a size that PNG
  ///   does not allow, and the errors of `band`; the file does not appear then.
  public static func write(
    width: Int, height: Int, channels: Int = 3, text: [PNGText] = [], to path: String,
    band: () throws -> [UInt8]
  ) throws {
    let most = Int(Int32.max)
    guard (1...most).contains(width), (1...most).contains(height) else {
      throw PNGError.unwritable(reason: "it has \(width) × \(height) pixels, but each must be 1 to \(most)")
    }
    try AtomicFile.write(to: path) { file in
      try file.append(PNGChunk.signature + header(width, height, channels) + text.flatMap(\.chunk))
      let rows = PNGRows(width: width, channels: channels)
      var left = height
      while left > 0 {
        let samples = try band()
        let count = samples.count / (width * channels)
        precondition(
          count * width * channels == samples.count && (1...left).contains(count),
          "\(samples.count) samples, with \(left) rows of \(width) × \(channels) left")
        left -= count
        try rows.compress(samples, last: left == 0) { try file.append(PNGChunk.bytes("IDAT", $0)) }
      }
      try file.append(PNGChunk.bytes("IEND", []))
    }
  }

  /// Size, 8 bits a sample, the kind of colour, and the usual compression, filters and order.
  private static func header(_ width: Int, _ height: Int, _ channels: Int) -> [UInt8] {
    func number(_ value: Int) -> [UInt8] { [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> $0) } }
    let color: UInt8 = channels == 1 ? 0 : channels == 3 ? 2 : 6
    return PNGChunk.bytes("IHDR", number(width) + number(height) + [8, color, 0, 0, 0])
  }
}

/// The compressed rows of a PNG file, made as the rows come.
private final class PNGRows {
  private let rowLength: Int
  private let channels: Int
  private var stream = z_stream()
  private var above: [UInt8]

  init(width: Int, channels: Int) {
    rowLength = width * channels
    self.channels = channels
    above = [UInt8](repeating: 0, count: rowLength)
    let level: Int32 = 4  // Higher ones take long and gain little.
    let status = deflateInit_(&stream, level, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
    precondition(status == Z_OK, "zlib cannot begin: \(status)")
  }

  deinit { deflateEnd(&stream) }

  /// Hands on what the compressor gives for these rows, in pieces.
  func compress(_ samples: [UInt8], last: Bool, _ append: ([UInt8]) throws -> Void) throws {
    var filtered = filter(samples)
    var piece = [UInt8](repeating: 0, count: 1 << 16)
    let count = filtered.count
    try filtered.withUnsafeMutableBufferPointer { filtered in
      stream.next_in = filtered.baseAddress
      stream.avail_in = UInt32(count)
      var room: UInt32 = 0
      repeat {
        let made = piece.withUnsafeMutableBufferPointer { piece in
          stream.next_out = piece.baseAddress
          stream.avail_out = UInt32(piece.count)
          let status = deflate(&stream, last ? Z_FINISH : Z_NO_FLUSH)
          precondition(status != Z_STREAM_ERROR, "zlib was called wrongly")
          room = stream.avail_out
          return piece.count - Int(room)
        }
        if made > 0 { try append(Array(piece[..<made])) }
      } while room == 0
    }
  }

  /// The rows, each after the number of its filter, Paeth: every sample less the nearest, to left + above −
  /// above left, of these three. Rows that repeat and even areas become zeros.
  private func filter(_ samples: [UInt8]) -> [UInt8] {
    let rows = samples.count / rowLength
    let result = [UInt8](unsafeUninitializedCapacity: samples.count + rows) { result, count in
      samples.withUnsafeBufferPointer { samples in
        for row in 0..<rows {
          let x = UnsafeBufferPointer(rebasing: samples[row * rowLength..<(row + 1) * rowLength])
          let out = row * (rowLength + 1)
          result[out] = 4
          above.withUnsafeBufferPointer { above in
            for i in 0..<rowLength {
              let inside = i >= channels
              let left = inside ? Int(x[i - channels]) : 0
              let corner = inside ? Int(above[i - channels]) : 0
              let up = Int(above[i])
              let (toLeft, toUp, toCorner) = (
                abs(up - corner), abs(left - corner), abs(left + up - 2 * corner)
              )
              let nearest =
                toLeft <= toUp && toLeft <= toCorner ? left : toUp <= toCorner ? up : corner
              result[out + 1 + i] = x[i] &- UInt8(nearest)
            }
          }
          above.withUnsafeMutableBufferPointer { _ = $0.update(fromContentsOf: x) }
        }
      }
      count = samples.count + rows
    }
    return result
  }
}
