import ArgumentParser
import SDLensStudy

extension OutputFiles {
  /// Checks the ending of the path.
  init(_ path: String, option: String, ending: String, count: Int) throws {
    guard path.hasSuffix(".\(ending)") else {
      throw ValidationError("--\(option) is '\(path)', but it must end in .\(ending)")
    }
    self.init(path, count: count)
  }
}
