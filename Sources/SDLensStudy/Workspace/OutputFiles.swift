import Foundation
import SDLensCore

/// A file for each of several seeds: `picture.png` alone, else `picture-42.png`, `picture-43.png`, …
public struct OutputFiles {
  private let path: String
  private let isNumbered: Bool

  /// Files for so many seeds.
  public init(_ path: String, count: Int) { (self.path, isNumbered) = (path, count > 1) }

  /// The path for a seed.
  public subscript(seed: Seed) -> String {
    guard isNumbered else { return path }
    let path = path as NSString
    return "\(path.deletingPathExtension)-\(seed).\(path.pathExtension)"
  }
}
