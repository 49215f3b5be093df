import CArchive
import SDLensCore

/// Bytes that gzip, bzip2, xz or Zstandard made smaller, through libarchive.
package enum Compression {
  /// Unpacks a file or a piece of one; several that follow each other become one.
  ///
  /// - Parameters:
  ///   - path: for messages.
  ///   - most: bytes that it may unpack to.
  /// - Throws: `ArchiveError` when it is damaged, cut off or larger.
  package static func unpacked(
    _ bytes: UnsafeRawBufferPointer, path: String, most: Int
  ) throws -> [UInt8] {
    func problem(_ reason: String) -> ArchiveError {
      ArchiveError(path: path, kind: "compressed", reason: reason)
    }
    let handle = archive_read_new()
    defer { archive_read_free(handle) }
    func check(_ status: Int32) throws {
      guard status == ARCHIVE_OK else {
        throw problem(archive_error_string(handle).map { String(cString: $0) } ?? "no reason given")
      }
    }
    archive_read_support_filter_gzip(handle)
    archive_read_support_filter_bzip2(handle)
    archive_read_support_filter_xz(handle)
    archive_read_support_filter_zstd(handle)
    archive_read_support_format_raw(handle)
    archive_read_support_format_empty(handle)
    try check(archive_read_open_memory(handle, bytes.baseAddress, bytes.count))
    var entry: OpaquePointer?
    let status = archive_read_next_header(handle, &entry)
    guard status != ARCHIVE_EOF else { return [] }
    try check(status)
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
