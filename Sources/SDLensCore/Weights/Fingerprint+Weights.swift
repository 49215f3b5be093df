import Foundation

extension Fingerprint {
  /// The fingerprint of those of the files that are there, and of the files that weights lie in.
  ///
  /// - Throws: what is wrong with a file.
  public init(of names: [String], and weights: WeightFile, in folder: String) throws {
    self.init()
    for name in names where FileManager.default.fileExists(atPath: "\(folder)/\(name)") {
      try add("\(folder)/\(name)", as: name)
    }
    for path in weights.files { try add(path, as: (path as NSString).lastPathComponent) }
  }
}
