import ArgumentParser
import Foundation
import SDLensCore

/// A file for each of several seeds: `picture.png` alone, else `picture-42.png`, `picture-43.png`, …
struct OutputFiles {
  private let path: String
  private let isNumbered: Bool

  /// Checks the ending of the path.
  init(_ path: String, option: String, ending: String, count: Int) throws {
    guard path.hasSuffix(".\(ending)") else {
      throw ValidationError("--\(option) is '\(path)', but it must end in .\(ending)")
    }
    self.path = path
    isNumbered = count > 1
  }

  /// The path for a seed.
  subscript(seed: Seed) -> String {
    guard isNumbered else { return path }
    let path = path as NSString
    return "\(path.deletingPathExtension)-\(seed).\(path.pathExtension)"
  }
}
