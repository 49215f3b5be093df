import Foundation

/// The disk that a folder lies on.
public enum Disk {
  /// Bytes that can still be written to `path`, or to the nearest folder above it that exists.
  public static func free(at path: String) -> Int {
    var folder = URL(fileURLWithPath: path).standardizedFileURL
    var status = statvfs()
    while statvfs(folder.path, &status) != 0 {
      guard folder.path != "/" else { return 0 }
      folder.deleteLastPathComponent()
    }
    return Int(status.f_bavail) * Int(status.f_frsize)
  }
}
