import Foundation
import SDLensCore

/// Another autoencoder for a model: a folder in diffusers layout, or a single file under the names of either layout.
public struct AutoencoderSource: Sendable {
  /// What `--vae` said.
  public let name: String
  /// Where the folder or the file lies.
  public let path: String
  /// Its settings; nil of a file, which has none: those of the model's own autoencoder hold.
  let config: ConfigFile?
  /// The file, where it is one, and where its weights lie in it.
  private let file: (weights: Safetensors, places: [String: WeightPlace])?

  /// Finds an autoencoder: a folder, one named `vae` in a model's folder, a single file, or a Hugging Face id in the
  /// local cache.
  ///
  /// - Throws: `AutoencoderNotFound` with what to do, the errors of `ConfigFile`, `FileError`, `SafetensorsError`, and
  ///   `MalformedFile` for a file that holds no autoencoder.
  public init(
    _ name: String, environment: [String: String] = ProcessInfo.processInfo.environment
  ) throws {
    self.name = name
    let found = try Self.find(name, environment)
    var isFolder: ObjCBool = false
    _ = FileManager.default.fileExists(atPath: found, isDirectory: &isFolder)
    guard isFolder.boolValue else {
      let weights = try Safetensors(contentsOf: found)
      (path, config) = (found, nil)
      file = (weights, try Self.places(in: weights, found))
      return
    }
    func isThere(_ path: String) -> Bool { FileManager.default.fileExists(atPath: path) }
    path = !isThere("\(found)/config.json") && isThere("\(found)/vae/config.json") ? "\(found)/vae" : found
    guard isThere("\(path)/config.json") else { throw AutoencoderNotFound.noSettings(path) }
    let config = try ConfigFile("\(path)/config.json")
    try config.require("_class_name", "AutoencoderKL")
    (self.config, file) = (config, nil)
  }

  private static func find(_ name: String, _ environment: [String: String]) throws -> String {
    if FileManager.default.fileExists(atPath: name) { return name }
    guard let hub = HubName(name) else { throw AutoencoderNotFound.nowhere(name) }
    let cache = HubCache(environment)
    guard let snapshot = cache.snapshot(of: name) else { throw AutoencoderNotFound.notCached(hub, cache) }
    return snapshot
  }

  // MARK: Files

  /// What may stand before the names of an autoencoder's weights.
  private static let beginnings = ["first_stage_model.", "vae.", ""]
  private static let parts = ["encoder.", "decoder.", "quant_conv.", "post_quant_conv."]

  /// The beginning of the names of the autoencoder in a file; nil where there is none.
  static func beginning(in file: Safetensors) -> String? {
    beginnings.first { file.entry("\($0)decoder.conv_in.weight") != nil }
  }

  /// Where each weight lies, by our names; what is of no autoencoder is passed over.
  private static func places(in file: Safetensors, _ path: String) throws -> [String: WeightPlace] {
    guard let beginning = beginning(in: file) else {
      throw MalformedFile(path: path, reason: other(file))
    }
    var places: [String: WeightPlace] = [:]
    for name in file.names where name.hasPrefix(beginning) {
      let theirs = String(name.dropFirst(beginning.count))
      guard parts.contains(where: theirs.hasPrefix) else { continue }
      let ours = OriginalNames.autoencoder.ours(theirs) ?? theirs
      let place = WeightPlace(name, OriginalNames.form(of: ours, theirs))
      if let other = places.updateValue(place, forKey: ours) {
        throw DoubledWeight(path: path, weight: ours, names: [other.name, name].sorted())
      }
    }
    return places
  }

  /// What a file without an autoencoder is, as the end of a sentence with what to do.
  private static func other(_ file: Safetensors) -> String {
    if LoRAFile.isLoRA(file) { return "is a LoRA, not an autoencoder; give it with --lora" }
    if isTiny(file) {
      return "is a tiny autoencoder, which makes drafts; give its folder in diffusers layout with --decoder"
    }
    return
      "holds no autoencoder: it has no 'decoder.conv_in.weight', nor with 'first_stage_model.' or 'vae.' before it; "
      + "the first name in it is '\(file.names.first ?? "")': give the file or folder of a VAE for SDXL"
  }

  /// Whether a file is an `AutoencoderTiny`, in the layout of diffusers or as its maker saved it.
  static func isTiny(_ file: Safetensors) -> Bool {
    ["decoder.layers.0.weight", "decoder.1.weight", "1.weight"].contains { file.entry($0)?.shape.rank == 4 }
  }

  // MARK: Content

  /// Its weights.
  ///
  /// - Parameter settings: the file that says which weights there should be, where the autoencoder has none.
  func weights(settings: String, engine: any Engine) throws -> WeightFile {
    guard let file else {
      return try WeightFile(folder: path, name: "diffusion_pytorch_model", engine: engine)
    }
    return WeightFile(
      file.weights, places: file.places, settings: "the file '\(settings)' used with", engine: engine)
  }

  /// Adds what it holds to the fingerprint of a model.
  func add(to fingerprint: inout Fingerprint) throws {
    guard file == nil else { return try fingerprint.add(path, as: "vae.safetensors") }
    try fingerprint.add("\(path)/config.json", as: "vae/config.json")
    for file in try weights(settings: "", engine: KernelEngine()).files {
      try fingerprint.add(file, as: "vae/" + (file as NSString).lastPathComponent)
    }
  }

  /// What to call it in a file: its name and a number that changes with its content.
  public func identity() throws -> String {
    var fingerprint = Fingerprint()
    try add(to: &fingerprint)
    let isPath = FileManager.default.fileExists(atPath: name)
    return
      "\(isPath ? URL(fileURLWithPath: name).standardizedFileURL.lastPathComponent : name) \(fingerprint)"
  }
}

/// No autoencoder of that name.
public enum AutoencoderNotFound: UserError {
  case noSettings(String)
  case nowhere(String)
  case notCached(HubName, HubCache)

  private static let needed =
    "--vae takes a folder with an AutoencoderKL of diffusers (config.json, diffusion_pytorch_model.safetensors), a single "
    + ".safetensors file, or a Hugging Face id such as madebyollin/sdxl-vae-fp16-fix"

  /// What was looked for and what to do.
  public var description: String {
    switch self {
    case .noSettings(let path): "'\(path)' has no config.json; \(Self.needed)"
    case .nowhere(let name): "there is no folder or file '\(name)'; \(Self.needed)"
    case .notCached(let name, let cache): HubDownload.autoencoder.missing(name, in: cache)
    }
  }
}
