import Foundation

/// The disk that a folder lies on.
public enum Disk {
  /// Bytes that can still be written to `path`, or to the nearest folder above it that exists.
  public static func free(at path: String) -> Int {
    var status = statvfs()
    guard statvfs(nearest(to: path), &status) == 0 else { return 0 }
    return Int(status.f_bavail) * Int(status.f_frsize)
  }

  /// `path`, or the nearest folder above it that exists.
  package static func nearest(to path: String) -> String {
    var (folder, status) = (URL(fileURLWithPath: path).standardizedFileURL, stat())
    while stat(folder.path, &status) != 0, folder.path != "/" { folder.deleteLastPathComponent() }
    return folder.path
  }
}
