import Foundation
import SDLensCore

/// A folder with a tiny autoencoder, as diffusers saves an `AutoencoderTiny`.
public struct DecoderFolder: Sendable {
  /// What `--decoder` said.
  public let name: String
  /// Where the folder lies.
  public let path: String
  /// Its sizes.
  public let config: TinyDecoderConfig
  private let engine: any Engine

  /// Finds a decoder: a folder, or a Hugging Face id in the local cache.
  ///
  /// - Throws: `DecoderNotFound` with what to do, and the errors of `ConfigFile`.
  public init(
    _ name: String, engine: any Engine = KernelEngine(),
    environment: [String: String] = ProcessInfo.processInfo.environment
  ) throws {
    (self.name, self.engine) = (name, engine)
    path = try Self.find(name, environment)
    config = try TinyDecoderConfig(ConfigFile("\(path)/config.json"))
  }

  private static func find(_ name: String, _ environment: [String: String]) throws -> String {
    var isFolder: ObjCBool = false
    if FileManager.default.fileExists(atPath: name, isDirectory: &isFolder) {
      guard isFolder.boolValue else { throw DecoderNotFound.file(name) }
      return name
    }
    guard let hub = HubName(name) else { throw DecoderNotFound.nowhere(name) }
    let cache = HubCache(environment)
    guard let snapshot = cache.snapshot(of: name) else { throw DecoderNotFound.notCached(hub, cache) }
    return snapshot
  }

  /// Its weights.
  public func weights() throws -> WeightFile {
    try WeightFile(folder: path, name: "diffusion_pytorch_model", engine: engine)
  }

  /// What to call it in a file: its name and a number that changes with its content.
  public func identity() throws -> String {
    var fingerprint = Fingerprint()
    try fingerprint.add("\(path)/config.json", as: "config.json")
    for file in try weights().files { try fingerprint.add(file, as: (file as NSString).lastPathComponent) }
    let title = path == name ? URL(fileURLWithPath: path).standardizedFileURL.lastPathComponent : name
    return "\(title) \(fingerprint)"
  }
}

/// No decoder of that name.
public enum DecoderNotFound: UserError {
  case file(String)
  case nowhere(String)
  case notCached(HubName, HubCache)

  private static let needed =
    "--decoder takes a folder with an AutoencoderTiny of diffusers (config.json, diffusion_pytorch_model.safetensors), or a "
    + "Hugging Face id such as madebyollin/taesdxl"

  /// What was looked for and what to do.
  public var description: String {
    switch self {
    case .file(let name): "'\(name)' is a file; \(Self.needed)"
    case .nowhere(let name): "there is no folder '\(name)'; \(Self.needed)"
    case .notCached(let name, let cache): HubDownload.decoder.missing(name, in: cache)
    }
  }
}
