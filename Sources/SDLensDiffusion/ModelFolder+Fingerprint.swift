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

  /// A number that changes with the content of the model: its settings, vocabularies and weights, and the sampler that was
  /// chosen.
  public func fingerprint() throws -> Fingerprint {
    var fingerprint = try contentFingerprint()
    if let sampler = sampler?.title { fingerprint.add("sampler \(sampler)\n".utf8) }
    return fingerprint
  }

  /// Whether the model that has a fingerprint is this one, sampled as here or in its own way.
  public func shares(_ fingerprint: String) throws -> Bool {
    let own = try contentFingerprint()
    guard own.description != fingerprint else { return true }
    return try sampler != nil && fingerprint == self.fingerprint().description
  }

  /// The same without the sampler.
  private func contentFingerprint() throws -> Fingerprint {
    var fingerprint = Fingerprint()
    for (name, path) in try files() { try fingerprint.add(path, as: name) }
    if file != nil { try fingerprint.add(path, as: "model.safetensors") }
    try vae?.add(to: &fingerprint)
    for lora in loras { try fingerprint.add(lora.path, as: "lora \(lora.strength)") }
    return fingerprint
  }

  /// What was given beside the model and decides its content, as words of the command line.
  public var options: [String] { options(base: baseName, vae: vae?.name, loras.map(\.word)) }

  /// The same with files and folders by their last parts, which are the same everywhere.
  public var titledOptions: [String] {
    func title(_ name: String, at path: String) -> String {
      path.hasPrefix(name) ? URL(fileURLWithPath: name).standardizedFileURL.lastPathComponent : name
    }
    return options(
      base: baseName.map { title($0, at: base) }, vae: vae.map { title($0.name, at: $0.path) },
      loras.map(\.title))
  }

  private func options(base: String?, vae: String?, _ loras: [String]) -> [String] {
    (base.map { ["--base", $0] } ?? []) + (vae.map { ["--vae", $0] } ?? [])
      + (loras.isEmpty ? [] : ["--lora"] + loras) + (sampler?.options ?? [])
  }

  /// The LoRAs and their strengths, where there are any.
  public var loraTitle: String? { loras.isEmpty ? nil : loras.map(\.title).joined(separator: ", ") }

  /// The files of folders that decide what the model computes, by their names in the folder, always in the same order.
  private func files() throws -> [(name: String, path: String)] {
    try [("model_index.json", index.path)]
      + family.parts.flatMap { part in
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
