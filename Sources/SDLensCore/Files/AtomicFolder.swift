import Foundation

/// A folder that appears under its name only when all its files are whole.
///
/// It is filled under a temporary name beside its place and renamed; on any error the temporary folder is
/// removed.
public enum AtomicFolder {
  /// Writes the folder at `path`, which must not exist or be empty, with the files that `body` makes in the
  /// folder it is given.
  ///
  /// - Parameter replacing: whether a folder that is there may have content, which goes when the new one is whole.
  /// - Throws: `FileError` when there is something already or the disk does not take it, and the errors of
  ///   `body`.
  public static func write(
    to path: String, replacing: Bool = false, _ body: (_ folder: String) throws -> Void
  ) throws {
    TemporaryName.sweepOnce(AtomicFile.folder(of: path))
    let path = try target(path, replacing: replacing)
    let temporary = TemporaryName.make(beside: path)
    try AtomicFile.unfinished.withLock {
      guard mkdir(temporary, 0o777) == 0 else { throw FileError.writing(path, code: errno) }
      $0.insert(temporary)
    }
    do {
      try body(temporary)
      AtomicFile.sync(folder: temporary)
      guard rename(temporary, path) == 0 || (replacing && exchange(temporary, path)) else {
        throw errno == ENOTEMPTY || errno == EEXIST
          ? FileError.notEmpty(path: path) : FileError.writing(path, code: errno)
      }
    } catch {
      try? FileManager.default.removeItem(atPath: temporary)
      AtomicFile.unfinished.withLock { _ = $0.remove(temporary) }
      throw (error as? FileError)?.moved(from: temporary, to: path) ?? error
    }
    AtomicFile.unfinished.withLock { _ = $0.remove(temporary) }
    AtomicFile.sync(folder: AtomicFile.folder(of: path))
  }

  /// Checks that a folder can be written at `path`, by making one beside it and taking it away again.
  ///
  /// - Throws: `FileError`, as `write` would.
  public static func check(_ path: String) throws {
    TemporaryName.sweepOnce(AtomicFile.folder(of: path))
    let path = try target(path)
    let temporary = TemporaryName.make(beside: path)
    guard mkdir(temporary, 0o777) == 0 else { throw FileError.writing(path, code: errno) }
    rmdir(temporary)
  }

  /// Runs `body` with a new folder beside `path`, which is taken away whatever happens.
  ///
  /// - Throws: `FileError` when the folder cannot be made, and the errors of `body`.
  public static func scratch<Result>(
    beside path: String, _ body: (_ folder: String) throws -> Result
  ) throws -> Result {
    let temporary = TemporaryName.make(beside: path)
    try AtomicFile.unfinished.withLock {
      guard mkdir(temporary, 0o777) == 0 else { throw FileError.writing(path, code: errno) }
      $0.insert(temporary)
    }
    defer {
      try? FileManager.default.removeItem(atPath: temporary)
      AtomicFile.unfinished.withLock { _ = $0.remove(temporary) }
    }
    return try body(temporary)
  }

  // Linux's own call, which Foundation's module does not show. (A function in C would have to lie in CKernels, which
  // holds loops, or in CProcess, which is for programs alone: it acts before `main`.)
  private static let renameat2 = dlsym(nil, "renameat2").map {
    unsafeBitCast(
      $0,
      to: (@convention(c) (Int32, UnsafePointer<CChar>, Int32, UnsafePointer<CChar>, UInt32) -> Int32).self)
  }

  /// Lets the folder at `path` and the new one change places, and removes the old one.
  private static func exchange(_ temporary: String, _ path: String) -> Bool {
    guard
      renameat2?(AT_FDCWD, temporary, AT_FDCWD, path, 2 /* RENAME_EXCHANGE */) == 0
        || exchangeInSteps(temporary, path)
    else { return false }
    try? FileManager.default.removeItem(atPath: temporary)
    return true
  }

  /// The same on a file system that cannot: for a moment there is none under the name. Who stops the program waits for
  /// that moment; after a kill, the next one that writes there puts the old folder back.
  package static func exchangeInSteps(_ temporary: String, _ path: String) -> Bool {
    AtomicFile.unfinished.withLock { _ in
      guard let old = setAside(path) else { return false }
      let isThere = rename(temporary, path) == 0
      let code = errno
      if rename(old, isThere ? temporary : path) == 0 { rmdir(AtomicFile.folder(of: old)) }
      errno = code
      return isThere
    }
  }

  /// Moves a folder into one beside it whose name says that it is to be put back: its new path; nil, with `errno`, if
  /// that fails.
  package static func setAside(_ path: String) -> String? {
    let aside = TemporaryName.make(beside: path, holds: .old)
    guard mkdir(aside, 0o777) == 0 else { return nil }
    let old = "\(aside)/\(path.split(separator: "/").last ?? "")"
    if rename(path, old) == 0 { return old }
    let code = errno
    rmdir(aside)
    errno = code
    return nil
  }

  /// Makes a folder and those above it; what is there already stays, and another process may make them meanwhile.
  ///
  /// - Throws: `FileError` when the disk does not take it, or a file is in the place of one of them.
  public static func makeAll(_ path: String) throws { try makeAll(path, for: path) }

  /// Makes the folders above a file or folder that is to be written.
  ///
  /// - Throws: As `makeAll(_:)`, naming what is to be written.
  public static func makeAll(above path: String) throws {
    try makeAll(AtomicFile.folder(of: path), for: path)
  }

  private static func makeAll(_ folder: String, for path: String) throws {
    let code = make(folder)
    var status = stat()
    if code == 0 || stat(folder, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR { return }
    if let file = AtomicFile.file(onTheWayTo: path) { throw FileError.folderIsFile(path: path, folder: file) }
    throw FileError.writing(path, code: code)
  }

  /// Makes a folder, and those above it where they are missing: 0, or the number of the error.
  private static func make(_ path: String) -> Int32 {
    guard mkdir(path, 0o777) != 0 else { return 0 }
    guard errno == ENOENT, case let folder = AtomicFile.folder(of: path), folder != path else { return errno }
    let code = make(folder)
    if mkdir(path, 0o777) == 0 { return 0 }
    // Without the one above it, why there is none says more.
    return errno == ENOENT && code != 0 ? code : errno
  }

  /// The folder to make or fill: behind a link the one it points to, without slashes at its end.
  private static func target(_ path: String, replacing: Bool = false) throws -> String {
    var status = stat()
    guard stat(path, &status) == 0 else {
      let trimmed = path.prefix(path.count - path.reversed().prefix { $0 == "/" }.count)
      return try AtomicFile.destination(trimmed.isEmpty ? path : String(trimmed))
    }
    guard status.st_mode & S_IFMT == S_IFDIR,
      replacing || (try? FileManager.default.contentsOfDirectory(atPath: path))?.isEmpty == true
    else { throw FileError.notEmpty(path: path) }
    guard let resolved = realpath(path, nil) else { return path }
    defer { free(resolved) }
    return String(cString: resolved)
  }
}

extension FileError {
  /// The same about the place where a file of a folder will be.
  fileprivate func moved(from old: String, to new: String) -> FileError {
    func moved(_ path: String) -> String { path.hasPrefix(old) ? new + path.dropFirst(old.count) : path }
    return switch self {
    case .cannotWrite(let path, let code): .cannotWrite(path: moved(path), code: code)
    case .diskFull(let path, let needed, let free): .diskFull(path: moved(path), needed: needed, free: free)
    default: self
    }
  }
}
