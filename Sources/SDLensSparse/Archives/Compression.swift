import CArchive
import SDLensCore

/// Bytes that a program made smaller.
package enum Compression: String {
  case gzip, bzip2, xz, zstd

  /// Unpacks a file or a piece of one; several that follow each other become one.
  ///
  /// - Parameters:
  ///   - path: for messages.
  ///   - most: bytes that it may unpack to.
  /// - Throws: `MalformedFile`, `ArchiveError` when it is damaged, cut off or larger.
  package func unpacked(_ bytes: UnsafeRawBufferPointer, path: String, most: Int) throws -> [UInt8] {
    switch self {
    // (libarchive does not look at gzip's checksum.)
    case .gzip: try Gzip.unpacked(bytes, path: path, most: most)
    case .bzip2: try unpacked(bytes, ARCHIVE_FILTER_BZIP2, path, most)
    case .xz: try unpacked(bytes, ARCHIVE_FILTER_XZ, path, most)
    case .zstd: try unpacked(bytes, ARCHIVE_FILTER_ZSTD, path, most)
    }
  }

  private func unpacked(
    _ bytes: UnsafeRawBufferPointer, _ filter: Int32, _ path: String, _ most: Int
  ) throws -> [UInt8] {
    func problem(_ reason: String) -> ArchiveError {
      ArchiveError(path: path, kind: rawValue, reason: reason)
    }
    let handle = archive_read_new()
    defer { archive_read_free(handle) }
    func check(_ status: Int32) throws {
      guard status == ARCHIVE_OK else {
        throw problem(archive_error_string(handle).map { String(cString: $0) } ?? "it ends too early")
      }
    }
    // This one alone, and once: what is unpacked may look compressed by chance.
    try check(archive_read_append_filter(handle, filter))
    archive_read_support_format_raw(handle)
    try check(archive_read_open_memory(handle, bytes.baseAddress, bytes.count))
    var entry: OpaquePointer?
    // Of what gives not even a first byte libarchive does not say why.
    guard archive_read_next_header(handle, &entry) == ARCHIVE_OK else {
      throw problem("it holds nothing, is damaged or ends too early")
    }
    var (unpacked, chunk) = ([UInt8](), [UInt8](repeating: 0, count: 1 << 16))
    while true {
      let count = archive_read_data(handle, &chunk, chunk.count)
      guard count != 0 else { return unpacked }
      if count < 0 { try check(Int32(count)) }
      guard unpacked.count + count <= most else { throw problem("it unpacks to more than \(most) bytes") }
      unpacked += chunk[..<count]
    }
  }
}
