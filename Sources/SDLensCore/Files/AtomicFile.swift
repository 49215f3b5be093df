import Foundation
import Synchronization

/// A file that appears under its name only when it is whole.
///
/// It is written under a temporary name in the same folder, flushed to the disk and renamed; on any
/// error the temporary file is removed and what was there before stays.
public struct AtomicFile: ~Copyable {
  private let path: String
  private let descriptor: Int32
  private let byteCount: Int?
  private var written = 0

  /// Writes the file at `path` with the chunks that `body` appends.
  ///
  /// - Parameter byteCount: how long the file will be, where that is known, for the message of a full disk.
  /// - Throws: `FileError` when the folder or the disk does not take it, and the errors of `body`.
  public static func write(
    to path: String, byteCount: Int? = nil, _ body: (inout AtomicFile) throws -> Void
  ) throws {
    try write(to: path, byteCount: byteCount, body) { temporary, path in rename(temporary, path) == 0 }
  }

  /// Writes the file at `path` unless there is one: of several processes that try at once, one succeeds.
  ///
  /// - Returns: whether it was written; what was there is left as it is.
  /// - Throws: As `write`.
  public static func create(_ path: String, _ body: (inout AtomicFile) throws -> Void) throws -> Bool {
    var isNew = true
    try write(to: path, byteCount: nil, body) { temporary, path in
      if link(temporary, path) == 0 {
        unlink(temporary)
        return true
      }
      // Not every file system has links; there the last one succeeds.
      isNew = errno != EEXIST && access(path, F_OK) != 0
      return isNew ? rename(temporary, path) == 0 : unlink(temporary) == 0
    }
    return isNew
  }

  private static func write(
    to path: String, byteCount: Int?, _ body: (inout AtomicFile) throws -> Void,
    publish: (_ temporary: String, _ path: String) -> Bool
  ) throws {
    let path = try target(path)
    let (temporary, descriptor) = try begin(path)
    do {
      var file = AtomicFile(path: path, descriptor: descriptor, byteCount: byteCount)
      defer { close(descriptor) }
      try body(&file)
      guard fsync(descriptor) == 0 else { throw file.error(errno) }
      guard publish(temporary, path) else { throw file.error(errno) }
    } catch {
      remove(temporary)
      throw error
    }
    unfinished.withLock { _ = $0.remove(temporary) }
    sync(folder: folder(of: path))
  }

  /// Checks that a file can be written at `path`, by making one beside it and taking it away again.
  ///
  /// - Throws: `FileError`, as `write` would.
  public static func check(_ path: String) throws {
    let (temporary, descriptor) = try begin(target(path))
    close(descriptor)
    remove(temporary)
  }

  /// Removes all that is being written and, before anything else can be begun, calls what ends the process.
  public static func abandonAll(then end: () -> Void) {
    unfinished.withLock {
      for temporary in $0 where unlink(temporary) != 0 {
        try? FileManager.default.removeItem(atPath: temporary)
      }
      end()
    }
  }

  /// The temporary names in use, of files and folders.
  static let unfinished = Mutex(Set<String>())

  private static func begin(_ path: String) throws -> (temporary: String, descriptor: Int32) {
    let temporary = TemporaryName.make(beside: path)
    return try unfinished.withLock { unfinished in
      let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
      guard descriptor >= 0 else { throw FileError.writing(path, code: errno) }
      unfinished.insert(temporary)
      return (temporary, descriptor)
    }
  }

  /// Whether a file of that name is one that a process is writing, or was killed while it wrote it.
  public static func isUnfinished(_ name: String) -> Bool { TemporaryName.isTemporary(name) }

  private static func remove(_ temporary: String) {
    unfinished.withLock {
      unlink(temporary)
      $0.remove(temporary)
    }
  }

  /// Appends the bytes of a buffer.
  public mutating func append(_ bytes: UnsafeRawBufferPointer) throws {
    var rest = bytes[...]
    while let start = UnsafeRawBufferPointer(rebasing: rest).baseAddress, !rest.isEmpty {
      let count = Foundation.write(descriptor, start, rest.count)
      if count < 0 {
        if errno == EINTR { continue }
        throw error(errno)
      }
      rest = rest.dropFirst(count)
      written += count
    }
  }

  /// Appends bytes.
  public mutating func append(_ bytes: [UInt8]) throws {
    try bytes.withUnsafeBytes { try append($0) }
  }

  /// The file to replace: behind a link the one it points to, and nothing that is not a regular file.
  private static func target(_ path: String) throws -> String {
    var status = stat()
    guard !path.hasSuffix("/") else { throw FileError.isFolder(path: path) }
    guard stat(path, &status) == 0 else { return try destination(path) }
    guard status.st_mode & S_IFMT != S_IFDIR else { throw FileError.isFolder(path: path) }
    guard status.st_mode & S_IFMT == S_IFREG else { throw FileError.notRegular(path: path) }
    guard let resolved = realpath(path, nil) else { return path }
    defer { free(resolved) }
    return String(cString: resolved)
  }

  /// What a link points to that points to nothing yet; any other path as it is.
  static func destination(_ path: String) throws -> String {
    var path = path
    // As many as the system follows.
    for _ in 0..<40 {
      guard let next = try? FileManager.default.destinationOfSymbolicLink(atPath: path) else { return path }
      path = next.hasPrefix("/") ? next : "\(folder(of: path))/\(next)"
    }
    throw FileError.cannotWrite(path: path, code: ELOOP)
  }

  /// The folder that a path is in. (Foundation's own traps on a path of one letter.)
  package static func folder(of path: String) -> String {
    guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return "." }
    return slash == path.startIndex ? "/" : String(path[..<slash])
  }

  /// The file that stands where a path needs a folder, or at the path itself; nil when there is none.
  package static func file(onTheWayTo path: String) -> String? {
    var (part, status) = (path, stat())
    while stat(part, &status) != 0, part != folder(of: part) { part = folder(of: part) }
    return status.st_mode & S_IFMT == S_IFREG ? part : nil
  }

  /// Makes the new name survive a power cut; not every file system can, and the file is whole anyway.
  static func sync(folder: String) {
    let descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { return }
    fsync(descriptor)
    close(descriptor)
  }

  private func error(_ code: Int32) -> FileError {
    guard code == ENOSPC || code == EDQUOT else { return .writing(path, code: code) }
    var status = statvfs()
    let free = fstatvfs(descriptor, &status) == 0 ? Int(status.f_bavail) * Int(status.f_frsize) : 0
    return .diskFull(path: path, needed: max(byteCount ?? 0, written + 1), free: written + free)
  }
}

extension FileError {
  /// What an error number means for a file to be written.
  package static func writing(_ path: String, code: Int32) -> FileError {
    let folder = AtomicFile.folder(of: path)
    return switch code {
    case ENOENT where access(folder, F_OK) != 0: .folderMissing(path: path, folder: folder)
    case ENOTDIR: .folderIsFile(path: path, folder: folder)
    default: .cannotWrite(path: path, code: code)
    }
  }
}
