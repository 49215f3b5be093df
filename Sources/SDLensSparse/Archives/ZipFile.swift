import CArchive
import SDLensCore

/// A zip file to be written: members one after the other, not compressed, always as the same bytes.
enum ZipFile {
  /// A member: its name and how to reach its bytes.
  struct Member {
    let name: String
    let withBytes: ((UnsafeRawBufferPointer) throws -> Void) throws -> Void

    init(_ name: String, _ bytes: [UInt8]) {
      self.name = name
      withBytes = { try bytes.withUnsafeBytes($0) }
    }

    init(_ name: String, withBytes: @escaping ((UnsafeRawBufferPointer) throws -> Void) throws -> Void) {
      (self.name, self.withBytes) = (name, withBytes)
    }
  }

  /// Writes the file, whole or not at all.
  ///
  /// - Throws: `FileError` when the folder or the disk does not take it.
  static func write(_ members: [Member], to path: String) throws {
    try AtomicFile.write(to: path) { file in
      try withUnsafeMutablePointer(to: &file) { file in
        let sink = Sink(file)
        let writer = Writer(sink)
        for member in members { try member.withBytes { try writer.add(member.name, $0) } }
        try writer.finish()
      }
    }
  }

  /// Where libarchive's bytes go, and the error of that place.
  private final class Sink {
    let file: UnsafeMutablePointer<AtomicFile>
    var failure: (any Error)?
    init(_ file: UnsafeMutablePointer<AtomicFile>) { self.file = file }

    func append(_ bytes: UnsafeRawBufferPointer) -> Int {
      do {
        try file.pointee.append(bytes)
        return bytes.count
      } catch {
        failure = error
        return -1
      }
    }
  }

  private final class Writer {
    let sink: Sink
    let handle: OpaquePointer

    init(_ sink: Sink) {
      self.sink = sink
      handle = archive_write_new()
      archive_write_set_format_zip(handle)
      archive_write_zip_set_compression_store(handle)
      // No padding behind the end.
      archive_write_set_bytes_in_last_block(handle, 1)
      archive_write_open(
        handle, Unmanaged.passUnretained(sink).toOpaque(), nil,
        { _, sink, bytes, count in
          Unmanaged<Sink>.fromOpaque(sink!).takeUnretainedValue()
            .append(UnsafeRawBufferPointer(start: bytes, count: count))
        }, nil)
    }

    deinit { archive_write_free(handle) }

    func add(_ name: String, _ bytes: UnsafeRawBufferPointer) throws {
      let entry = archive_entry_new()
      defer { archive_entry_free(entry) }
      archive_entry_set_pathname(entry, name)
      archive_entry_set_filetype(entry, 0o100000)
      archive_entry_set_perm(entry, 0o644)
      archive_entry_set_size(entry, Int64(bytes.count))
      try check(archive_write_header(handle, entry) == ARCHIVE_OK)
      try check(archive_write_data(handle, bytes.baseAddress, bytes.count) == bytes.count)
    }

    func finish() throws { try check(archive_write_close(handle) == ARCHIVE_OK) }

    /// libarchive fails where the sink does; anything else is a mistake of ours.
    private func check(_ success: Bool) throws {
      if let failure = sink.failure { throw failure }
      precondition(success, archive_error_string(handle).map { String(cString: $0) } ?? "zip")
    }
  }
}
