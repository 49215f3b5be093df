import Foundation

/// A fresh folder for one test, removed with the last reference.
public final class TemporaryFolder: Sendable {
  /// The path of the folder.
  public let path: String

  /// Makes the folder, in the place for temporary files.
  public init() throws {
    path = NSTemporaryDirectory() + "sdlens-test-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  /// The path of a file in the folder.
  public func callAsFunction(_ name: String) -> String { path + "/" + name }

  /// Writes a file in the folder, and the folders it is in, and returns its path.
  @discardableResult public func write(_ bytes: some Sequence<UInt8>, to name: String) throws -> String {
    let url = URL(fileURLWithPath: self(name))
    try FileManager.default.createDirectory(
      at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Data(bytes).write(to: url)
    return self(name)
  }

  /// The names of all files in the folder, sorted.
  public var contents: [String] {
    get throws { try FileManager.default.contentsOfDirectory(atPath: path).sorted() }
  }
}
