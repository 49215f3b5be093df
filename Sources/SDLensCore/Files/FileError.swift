import Foundation

/// A file or folder that cannot be read or written as asked.
public enum FileError: UserError {
  case missing(path: String)
  case isFolder(path: String)
  case notRegular(path: String)
  case empty(path: String)
  case cannotRead(path: String, code: Int32)
  case gitPointer(path: String)
  case folderMissing(path: String, folder: String)
  case folderIsFile(path: String, folder: String)
  case cannotWrite(path: String, code: Int32)
  case diskFull(path: String, needed: Int, free: Int)
  case notEmpty(path: String)

  /// The sentence for the user.
  public var description: String {
    switch self {
    case .missing(let path): "'\(path)' does not exist; check the path"
    case .isFolder(let path): "'\(path)' is a folder, but a file is needed; give the path of a file"
    case .notRegular(let path):
      "'\(path)' is a device or a pipe, but a regular file is needed; give the path of a file"
    case .empty(let path): "'\(path)' is empty (0 bytes); download or write it again"
    case .cannotRead(let path, let code):
      "'\(path)' cannot be read: \(reason(code)); \(advice(code) ?? "check the path and its permissions")"
    case .gitPointer(let path):
      "'\(path)' is a Git LFS pointer, not the file itself; run 'git lfs install && git lfs pull' in its folder"
    case .folderMissing(let path, let folder):
      "'\(path)' cannot be written: the folder '\(folder)' does not exist; make it first"
    case .folderIsFile(let path, let folder):
      "'\(path)' cannot be written: '\(folder)' is a file, but a folder is needed; choose another place"
    case .cannotWrite(let path, EFBIG):
      "'\(path)' cannot be written: \(reason(EFBIG)) for 'ulimit -f' or for the file system; raise that limit or choose "
        + "another place"
    case .cannotWrite(let path, let code):
      "'\(path)' cannot be written: \(reason(code)); \(advice(code) ?? "choose another place or change its permissions")"
    case .diskFull(let path, let needed, let free):
      "'\(path)' cannot be written: it needs \(needed) bytes, but only \(free) are free on its disk; "
        + "make room or choose another place"
    case .notEmpty(let path): "'\(path)' is there already and not an empty folder; choose another place"
    }
  }

  /// Refuses a folder in which nothing can be looked up.
  package static func checkAccess(to folder: String) throws {
    guard access(folder, R_OK | X_OK) != 0, errno == EACCES else { return }
    throw cannotRead(path: folder, code: EACCES)
  }

  /// What to do where permissions are not the reason.
  private func advice(_ code: Int32) -> String? {
    switch code {
    case EMFILE: "raise the limit of open files ('ulimit -n' shows it)"
    case ENAMETOOLONG: "choose a shorter name"
    case ENOSPC, EDQUOT: "make room (of files, too, there may be only so many) or choose another place"
    default: nil
    }
  }

  private func reason(_ code: Int32) -> String { String(cString: strerror(code)) }
}
