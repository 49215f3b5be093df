import CPNG

/// Bytes that gzip made smaller, through zlib.
package enum Gzip {
  /// Unpacks a file or a piece of one; several that follow each other become one.
  ///
  /// - Parameters:
  ///   - path: for messages.
  ///   - most: bytes that it may unpack to.
  /// - Throws: `MalformedFile` when it is damaged, cut off or larger.
  package static func unpacked(
    _ bytes: UnsafeRawBufferPointer, path: String, most: Int
  ) throws -> [UInt8] {
    func problem(_ reason: String) -> MalformedFile {
      MalformedFile(path: path, reason: "is not a whole gzip file: \(reason); download or write it again")
    }
    var stream = z_stream()
    // 31: a gzip header, and a checksum behind the bytes.
    guard bytes.count <= UInt32.max,
      inflateInit2_(&stream, 31, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK
    else { throw problem("zlib does not begin") }
    defer { inflateEnd(&stream) }
    stream.next_in = UnsafeMutablePointer(
      mutating: bytes.baseAddress?.assumingMemoryBound(to: UInt8.self))
    stream.avail_in = UInt32(bytes.count)
    var (unpacked, chunk) = ([UInt8](), [UInt8](repeating: 0, count: 1 << 16))
    while true {
      let status = chunk.withUnsafeMutableBufferPointer {
        stream.next_out = $0.baseAddress
        stream.avail_out = UInt32($0.count)
        return inflate(&stream, Z_NO_FLUSH)
      }
      unpacked += chunk.dropLast(Int(stream.avail_out))
      guard unpacked.count <= most else { throw problem("it unpacks to more than \(most) bytes") }
      switch status {
      case Z_OK: continue
      case Z_STREAM_END:
        // Zeros may fill a file up.
        while stream.avail_in > 0, stream.next_in.pointee == 0 {
          stream.next_in = stream.next_in.advanced(by: 1)
          stream.avail_in -= 1
        }
        guard stream.avail_in > 0 else { return unpacked }
        inflateReset(&stream)
      case Z_BUF_ERROR: throw problem("it ends too early")
      default: throw problem(stream.msg.map { String(cString: $0) } ?? "zlib says \(status)")
      }
    }
  }
}
