import Foundation
import SDLensCore

extension ModelFolder {
  /// What to call the model in a file: the name, or of a path the last part, which is the same everywhere.
  public var title: String {
    path == name ? URL(fileURLWithPath: path).standardizedFileURL.lastPathComponent : name
  }

  /// The engine that computes the model, where it is not this program's own kernels in float32: its results differ.
  public var otherEngine: String? { engine.name == KernelEngine().name ? nil : engine.name }

  /// The decoder of drafts, where pictures are such: its name and a number that changes with its content.
  public var otherDecoder: String? { get throws { try draft?.identity() } }

  /// A number that changes with the content of the model: its settings, vocabularies and weights.
  public func fingerprint() throws -> Fingerprint {
    var fingerprint = Fingerprint()
    for name in try files() { try fingerprint.add("\(path)/\(name)", as: name) }
    return fingerprint
  }

  /// The files that decide what the model computes, by their paths in the folder, always in the same order.
  private func files() throws -> [String] {
    try ["model_index.json"]
      + Self.parts.flatMap { part in
        let names: [String]
        if part == "scheduler" {
          names = ["scheduler_config.json"]
        } else if part.hasPrefix("tokenizer") {
          names = TokenizerFiles.names
        } else {
          names = ["config.json"] + (try weights(part).files).map { ($0 as NSString).lastPathComponent }
        }
        return names.map { "\(part)/\($0)" }.filter {
          FileManager.default.fileExists(atPath: "\(path)/\($0)")
        }
      }
  }
}
