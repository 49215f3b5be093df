import Foundation
import SDLensCore

/// What Foundation says of a file, as a sentence of ours.
struct SystemProblem: UserError {
  let description: String

  /// The error as it is, unless it is one of the system's, which name no next step.
  static func explained(_ error: any Error) -> any Error {
    switch error {
    case let error as CocoaError: explained(error)
    case let error as POSIXError:
      SystemProblem(description: "a file cannot be read or written: \(text(error.code))")
    case EncodingError.invalidValue(_, let context):
      SystemProblem(
        description:
          "a number at '\(context.codingPath.map(\.stringValue).joined(separator: "."))' is not finite, "
          + "so that it cannot be written as JSON")
    default: error
    }
  }

  private static func explained(_ error: CocoaError) -> any Error {
    let path = error.filePath ?? error.url?.path ?? "a file"
    // Foundation counts what goes wrong in reading from 256 and in writing from 512 on.
    let isReading = error.errorCode < 512
    let code = (error.underlying as? POSIXError)?.code.rawValue ?? number(of: error.code)
    guard !isReading else {
      return code == ENOENT ? FileError.missing(path: path) : FileError.cannotRead(path: path, code: code)
    }
    // Foundation calls a file in the place of a folder a lack of permission.
    return AtomicFile.file(onTheWayTo: AtomicFile.folder(of: path)).map {
      FileError.folderIsFile(path: path, folder: $0)
    }
      ?? FileError.writing(path, code: code)
  }

  private static func number(of code: CocoaError.Code) -> Int32 {
    switch code {
    case .fileNoSuchFile, .fileReadNoSuchFile: ENOENT
    case .fileReadNoPermission, .fileWriteNoPermission: EACCES
    case .fileWriteFileExists: EEXIST
    case .fileWriteOutOfSpace: ENOSPC
    case .fileWriteVolumeReadOnly: EROFS
    default: EIO
    }
  }

  private static func text(_ code: POSIXErrorCode) -> String { String(cString: strerror(code.rawValue)) }
}
