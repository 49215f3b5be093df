import CArchive
import SDLensCore

/// A zip or tar file, read member by member through libarchive.
///
/// Nothing is unpacked to the disk, and the members may not be much larger than the whole file: what the programs of
/// the field write is not compressed, and weights that somebody compressed lose a tenth.
final class Archive {
  /// A regular file in the archive.
  struct Member {
    let name: String
    let size: Int
  }

  private let path: String
  private let kind: String
  private let byteCount: Int
  private let handle: OpaquePointer
  private var left: Int

  /// Opens a zip file in memory, which must stay where it is while this object lives; `path` is for messages.
  init(zip bytes: UnsafeRawBufferPointer, path: String) throws {
    (self.path, kind, byteCount, left) = (path, "zip", bytes.count, 4 * bytes.count)
    handle = archive_read_new()
    archive_read_support_format_zip_seekable(handle)
    try check(archive_read_open_memory(handle, bytes.baseAddress, bytes.count))
  }

  /// Opens an uncompressed tar file, which is read as a stream.
  init(tar path: String) throws {
    byteCount = try MappedFile(path: path).count
    (self.path, kind, left) = (path, "tar", byteCount)
    handle = archive_read_new()
    archive_read_support_filter_none(handle)
    archive_read_support_format_tar(handle)
    try check(archive_read_open_filename(handle, path, 1 << 20))
  }

  deinit { archive_read_free(handle) }

  /// Goes to the next regular file; nil at the end.
  ///
  /// - Throws: `ArchiveError` when the archive is damaged or its members are larger than itself.
  func next() throws -> Member? {
    while true {
      var entry: OpaquePointer?
      let status = archive_read_next_header(handle, &entry)
      if status == ARCHIVE_EOF { return nil }
      // A warning is about a name or an attribute that this machine cannot express.
      if status != ARCHIVE_WARN { try check(status) }
      guard archive_entry_filetype(entry) == Self.regular, archive_entry_hardlink(entry) == nil else {
        continue
      }
      guard let name = archive_entry_pathname_utf8(entry) ?? archive_entry_pathname(entry) else {
        throw problem("a member has no name")
      }
      guard archive_entry_size_is_set(entry) != 0, let size = Int(exactly: archive_entry_size(entry)),
        0...left ~= size
      else { throw problem("its members unpack to more bytes than it has (\(byteCount))") }
      left -= size
      return Member(name: String(cString: name), size: size)
    }
  }

  /// The bytes of the member that `next` has just handed out.
  func read(_ member: Member) throws -> [UInt8] {
    let bytes = try [UInt8](unsafeUninitializedCapacity: member.size) { buffer, count in
      while count < member.size {
        let read = archive_read_data(handle, buffer.baseAddress! + count, member.size - count)
        guard read > 0 else { throw damaged(read, member) }
        count += read
      }
    }
    // One more, so that the checksum is compared.
    var surplus: UInt8 = 0
    let read = archive_read_data(handle, &surplus, 1)
    guard read == 0 else { throw damaged(read, member) }
    return bytes
  }

  /// AE_IFREG, a macro that Swift does not see.
  private static let regular: mode_t = 0o100000

  private func damaged(_ read: Int, _ member: Member) -> ArchiveError {
    problem("'\(member.name)' \(read < 0 ? "cannot be read (\(reason))" : "has not the size it should have")")
  }

  private var reason: String { archive_error_string(handle).map { String(cString: $0) } ?? "no reason given" }

  private func check(_ status: Int32) throws {
    guard status == ARCHIVE_OK else { throw problem(reason) }
  }

  private func problem(_ reason: String) -> ArchiveError {
    ArchiveError(path: path, kind: kind, reason: reason)
  }
}

/// A zip or tar file that is damaged.
struct ArchiveError: UserError {
  let path: String
  let kind: String
  let reason: String
  var description: String { "'\(path)' is not a whole \(kind) file: \(reason); download or write it again" }
}
