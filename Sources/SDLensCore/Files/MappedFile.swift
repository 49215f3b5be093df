import Foundation

/// A file mapped into memory, read-only; unmapped with the last reference.
///
/// Nothing is read until it is touched, and what the system needs the memory for it drops and reads again.
public final class MappedFile: Sendable {
  /// The path that was opened.
  public let path: String
  // Only read, and only while this object lives.
  private nonisolated(unsafe) let bytes: UnsafeRawBufferPointer

  /// Maps the file at `path`.
  ///
  /// - Throws: `FileError` when it is missing, not a regular file, empty, unreadable or a Git LFS pointer;
  ///   `OutOfMemory` where addresses are limited.
  public init(path: String) throws {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else {
      throw errno == ENOENT ? FileError.missing(path: path) : FileError.cannotRead(path: path, code: errno)
    }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw FileError.cannotRead(path: path, code: errno) }
    guard status.st_mode & S_IFMT != S_IFDIR else { throw FileError.isFolder(path: path) }
    guard status.st_mode & S_IFMT == S_IFREG else { throw FileError.notRegular(path: path) }
    guard status.st_size > 0 else { throw FileError.empty(path: path) }
    let size = Int(status.st_size)
    guard let address = mmap(nil, size, PROT_READ, MAP_PRIVATE, descriptor, 0), address != MAP_FAILED else {
      if errno == ENOMEM { throw OutOfMemory(needed: size) }
      throw FileError.cannotRead(path: path, code: errno)
    }
    self.path = path
    bytes = UnsafeRawBufferPointer(start: address, count: size)
    guard !bytes.starts(with: "version https://git-lfs".utf8) else {
      throw FileError.gitPointer(path: path)
    }
  }

  deinit { munmap(UnsafeMutableRawPointer(mutating: bytes.baseAddress), bytes.count) }

  /// The size in bytes, at least 1.
  public var count: Int { bytes.count }

  /// Reads the bytes in place.
  public func withBytes<R>(_ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R {
    defer { withExtendedLifetime(self) {} }
    return try body(bytes)
  }

  /// The whole file as text; `nil` when it is not UTF-8.
  public var text: String? { withBytes { String(validating: $0, as: UTF8.self) } }

  /// Asks the system to read `range` soon.
  func prefetch(_ range: Range<Int>) {
    let first = range.lowerBound / Int(getpagesize()) * Int(getpagesize())
    madvise(
      UnsafeMutableRawPointer(mutating: bytes.baseAddress! + first), range.upperBound - first,
      Int32(MADV_WILLNEED))
  }

  /// Gives back the memory of the pages that lie within `range`; the next touch reads them again.
  func releasePages(_ range: Range<Int>) {
    let page = Int(getpagesize())
    let first = (range.lowerBound + page - 1) / page * page
    let last = range.upperBound / page * page
    guard first < last else { return }
    madvise(UnsafeMutableRawPointer(mutating: bytes.baseAddress! + first), last - first, Int32(MADV_DONTNEED))
  }
}
