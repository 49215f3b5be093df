import Foundation
import SDLensCore

/// A model in diffusers layout: a folder with `model_index.json` and one folder for each part.
public struct ModelFolder: Sendable {
  /// The parts that a picture needs, by their folder names.
  public static let parts = [
    "scheduler", "text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2", "unet", "vae",
  ]
  /// The name of the model that ships inside.
  public static let embedded = "shapes"

  /// What `--model` said.
  public let name: String
  /// Where the folder lies.
  public let path: String
  /// `model_index.json`.
  public let index: ConfigFile
  /// What computes the model.
  public let engine: any Engine

  /// Finds a model: a folder, the embedded one by its name, or a Hugging Face id in the local cache.
  ///
  /// - Throws: `ModelNotFound` with what to do, or what is wrong with the folder.
  public init(
    _ name: String, engine: any Engine = KernelEngine(),
    environment: [String: String] = ProcessInfo.processInfo.environment
  ) throws {
    (self.name, self.engine) = (name, engine)
    let path = try Self.find(name, environment)
    self.path = path
    let missing = (["model_index.json"] + Self.parts).filter {
      !FileManager.default.fileExists(atPath: "\(path)/\($0)")
    }
    guard missing.isEmpty else {
      let command = path == name ? nil : HubName(name).map(HubDownload.pipeline.command)
      throw IncompleteModel(path: path, missing: missing, command: command)
    }
    index = try ConfigFile("\(path)/model_index.json")
    try index.require("_class_name", "StableDiffusionXLPipeline", default: .null)
  }

  /// Whether this is the model that ships inside, whatever it was called.
  public var isEmbedded: Bool { path == (try? Self.embeddedPath()) }

  /// Where the dictionaries lie that come with the model, if it has any: `BLOCK/NAME` for each.
  public var dictionaries: String { "\(path)/dictionaries" }

  /// The configuration of one part.
  public func config(_ part: String, file: String = "config.json") throws -> ConfigFile {
    try ConfigFile("\(path)/\(part)/\(file)")
  }

  /// The weights of one part.
  public func weights(_ part: String) throws -> WeightFile {
    try WeightFile(
      folder: "\(path)/\(part)",
      name: part.hasPrefix("text_encoder") ? "model" : "diffusion_pytorch_model", engine: engine)
  }

  /// Height and width of the pictures that the model was trained for.
  public var pictureSize: Int {
    get throws { try UNetConfig(config("unet")).sampleSize * DecoderConfig(config("vae")).factor }
  }

  /// How many steps the model's scheduler takes when asked for `steps`.
  ///
  /// - Throws: `BadStepCount`, and the errors of `ConfigFile`.
  public func stepCount(_ steps: Int) throws -> Int {
    try Scheduler(config("scheduler", file: "scheduler_config.json"), steps: steps).timesteps.count
  }

  static func find(_ name: String, _ environment: [String: String]) throws -> String {
    var isFolder: ObjCBool = false
    if FileManager.default.fileExists(atPath: name, isDirectory: &isFolder) {
      guard isFolder.boolValue else { throw ModelNotFound.notAFolder(name) }
      return name
    }
    if name == embedded { return try embeddedPath() }
    guard let hub = HubName(name) else { throw ModelNotFound.noSuchFolder(name) }
    let cache = HubCache(environment)
    guard case .snapshot(let snapshot) = cache.find(hub) else { throw ModelNotFound.notCached(hub, cache) }
    return snapshot
  }

  /// The resources lie beside the program, wherever both were moved.
  private static func embeddedPath() throws -> String {
    let program =
      (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe"))
      ?? CommandLine.arguments[0]
    let folder = URL(fileURLWithPath: program).deletingLastPathComponent().path
    let path = "\(folder)/sdlens_SDLensDiffusion.resources/Models/\(embedded)"
    guard FileManager.default.fileExists(atPath: path) else { throw ModelNotFound.noEmbedded(path) }
    return path
  }
}

/// No model of that name.
public enum ModelNotFound: UserError {
  case noSuchFolder(String)
  case notAFolder(String)
  case notCached(HubName, HubCache)
  case noEmbedded(String)

  /// What was looked for and what to do.
  public var description: String {
    switch self {
    case .noSuchFolder(let name):
      "there is no folder '\(name)'; a model is a folder in diffusers layout, a Hugging Face id such as "
        + "stabilityai/sdxl-turbo, or '\(ModelFolder.embedded)'"
    case .notAFolder(let name):
      "'\(name)' is a file; a model is a folder in diffusers layout (model_index.json, unet/, vae/, …)"
    case .notCached(let name, let cache): HubDownload.pipeline.missing(name, in: cache)
    case .noEmbedded(let path):
      "the embedded model is not at '\(path)'; it lies beside the program: keep both together, or name "
        + "another model with --model"
    }
  }
}

/// A folder that lacks parts of a model.
public struct IncompleteModel: UserError {
  let path: String
  let missing: [String]
  /// What downloads it, when it lies in Hugging Face's cache.
  let command: String?
  /// The folder and what it lacks.
  public var description: String {
    "'\(path)' is no complete model: it lacks \(missing.joined(separator: ", ")); "
      + (command.map { "download it with: \($0)" }
        ?? "needed is a folder in diffusers layout, as made by save_pretrained or `hf download`")
  }
}
