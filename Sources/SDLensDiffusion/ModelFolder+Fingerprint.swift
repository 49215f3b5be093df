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

  /// The autoencoder in place of the model's own, where there is one: its name and a number that changes with its content.
  public var otherAutoencoder: String? { get throws { try vae?.identity() } }

  /// A number that changes with the content of the model: its settings, vocabularies and weights.
  public func fingerprint() throws -> Fingerprint {
    var fingerprint = Fingerprint()
    for (name, path) in try files() { try fingerprint.add(path, as: name) }
    if file != nil { try fingerprint.add(path, as: "model.safetensors") }
    try vae?.add(to: &fingerprint)
    for lora in loras { try fingerprint.add(lora.path, as: "lora \(lora.strength)") }
    if let sampler = sampler?.title { fingerprint.add("sampler \(sampler)\n".utf8) }
    return fingerprint
  }

  /// The LoRAs and their strengths, where there are any.
  public var loraTitle: String? { loras.isEmpty ? nil : loras.map(\.title).joined(separator: ", ") }

  /// The files of folders that decide what the model computes, by their names in the folder, always in the same order.
  private func files() throws -> [(name: String, path: String)] {
    try [("model_index.json", index.path)]
      + Self.parts.flatMap { part in
        if part == "vae", vae?.config != nil { return [(name: String, path: String)]() }
        let folder = try folder(of: part)
        let names: [String]
        if part == "scheduler" {
          names = ["scheduler_config.json"]
        } else if part.hasPrefix("tokenizer") {
          names = TokenizerFiles.names
        } else {
          let isElsewhere = file?.parts[part] != nil || (part == "vae" && vae != nil)
          let weights = isElsewhere ? [] : try weights(part).files
          names = ["config.json"] + weights.map { ($0 as NSString).lastPathComponent }
        }
        return names.map { ("\(part)/\($0)", "\(folder)/\($0)") }.filter {
          FileManager.default.fileExists(atPath: $0.1)
        }
      }
  }
}
