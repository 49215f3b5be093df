import Foundation
import SDLensCore

/// A model: in diffusers layout, a folder with `model_index.json` and one folder for each part, or in a single file,
/// with what that lacks from such a folder; and the LoRAs that change it.
public struct ModelFolder: Sendable {
  /// The name of the model that ships inside.
  public static let embedded = "shapes"

  /// What `--model` said.
  public let name: String
  /// What `--base` said.
  let baseName: String?
  /// Where the folder lies.
  public let path: String
  /// `model_index.json`.
  public let index: ConfigFile
  /// The kind of model.
  public let family: ModelFamily
  /// What computes the model.
  public let engine: any Engine
  /// What decodes pictures in place of the model's own decoder, for drafts; nil unless it was asked for.
  public private(set) var draft: DecoderFolder?
  /// What takes the place of the model's own autoencoder; nil unless it was asked for.
  public private(set) var vae: AutoencoderSource?
  /// What changes the model.
  public let loras: [LoRA]
  /// How the model is sampled, where that is not its own way.
  public let sampler: SamplerChoice?
  /// The file, where the model is one, and not a folder.
  let file: SingleFile?
  /// The folder of what the file lacks; without a file, the model's own.
  let base: String
  /// What the LoRAs add to the weights of each part.
  private var updates: [String: [String: [LowRankUpdate]]]

  /// The same model without what decodes drafts.
  public var withOwnDecoder: ModelFolder {
    var own = self
    own.draft = nil
    return own
  }

  /// Finds a model: a folder, the embedded one by its name, a Hugging Face id in the local cache, or a single file.
  ///
  /// - Parameters:
  ///   - base: for a file only, the folder or name of the model that gives what the file lacks. Without it, settings
  ///     and tokenizers are those that come with the program.
  ///   - vae: the name of an autoencoder in place of its own.
  ///   - loras: what changes it.
  ///   - sampler: how it is sampled, where that is not its own way.
  ///   - decoder: the name of a tiny decoder, for drafts.
  /// - Throws: `ModelNotFound`, `AutoencoderNotFound` and `DecoderNotFound` with what to do, or what is wrong with the folder,
  ///   the file, the autoencoder or a LoRA.
  public init(
    _ name: String, base: String? = nil, vae: String? = nil, loras: [LoRA] = [],
    sampler: SamplerChoice? = nil,
    engine: any Engine = KernelEngine(), decoder: String? = nil,
    environment: [String: String] = ProcessInfo.processInfo.environment
  ) throws {
    (self.name, self.engine, self.loras, self.sampler) = (name, engine, loras, sampler)
    baseName = base
    draft = try decoder.map { try DecoderFolder($0, engine: engine, environment: environment) }
    self.vae = try vae.map { try AutoencoderSource($0, environment: environment) }
    let isIndex = "/\(name)".hasSuffix("/model_index.json")
    // It stands for its folder.
    path = try Self.find(isIndex ? name.folderOfPath : name, environment)
    file = Self.isFile(path) ? try SingleFile(path) : nil
    if file == nil, base != nil { throw NeedlessBase(name: name) }
    let folder =
      try base.map { try Self.find($0, environment) } ?? (file == nil ? path : Self.resource("sdxl"))
    if Self.isFile(folder) { throw ModelNotFound.notAFolder(folder) }
    self.base = folder
    var own = Set(file?.parts.keys.map(\.self) ?? [])
    // A file takes its settings from the model's own autoencoder.
    if self.vae != nil, file != nil || self.vae?.config != nil { own.insert("vae") }
    if file != nil, base == nil, case let missing = ModelFamily.sdxl.weighted.filter({ !own.contains($0) }),
      !missing.isEmpty
    {
      throw PartialFile(path: path, missing: missing)
    }
    let indexPath = "\(folder)/model_index.json"
    let known = try? ConfigFile(indexPath)
    let kind = try known.map(ModelFamily.named) ?? .sdxl
    if file != nil, kind != .sdxl { throw BaseOfAnotherFamily(path: folder, family: kind) }
    try FileError.checkAccess(to: folder)
    let missing = (["model_index.json"] + kind.parts).filter {
      !own.contains($0) && !FileManager.default.fileExists(atPath: "\(folder)/\($0)")
    }
    guard missing.isEmpty else {
      let command = folder == base ?? name ? nil : HubName(base ?? name).map(HubDownload.pipeline.command)
      throw IncompleteModel(path: folder, missing: missing, command: command)
    }
    (index, family) = (try known ?? ConfigFile(indexPath), kind)
    updates = [:]
    updates = try Self.updates(loras, of: self)
    try checkScale()
  }

  /// Refuses an autoencoder whose latents are of another scale than the model's: it is one of another kind of model.
  private func checkScale() throws {
    guard let vae, let found = vae.config else { return }
    let path = "\(try folder(of: "vae"))/config.json"
    guard FileManager.default.fileExists(atPath: path) else { return }
    let (theirs, ours) = (try DecoderConfig(found), try DecoderConfig(ConfigFile(path)))
    guard theirs.scalingFactor != ours.scalingFactor else { return }
    throw PartMismatch(
      description:
        "'\(found.path)': 'scaling_factor' is \(theirs.scalingFactor), but that of the model's own autoencoder is "
        + "\(ours.scalingFactor), so that it decodes latents of another kind of model; take a VAE for this one"
    )
  }

  /// Another model with an autoencoder in place of its own.
  ///
  /// - Throws: as the model itself, and what is wrong with the autoencoder.
  init(_ other: ModelFolder, vae: String) throws {
    self = other
    self.vae = try AutoencoderSource(vae)
    try checkScale()
  }

  /// What LoRAs add to the weights of each part of a model.
  private static func updates(
    _ loras: [LoRA], of model: ModelFolder
  ) throws -> [String: [String: [LowRankUpdate]]] {
    guard !loras.isEmpty else { return [:] }
    let shapes = try model.shapes(of: model.family.weighted.filter { $0 != "vae" })
    var all: [String: [String: [LowRankUpdate]]] = [:]
    for lora in loras {
      for (part, updates) in try LoRAFile(lora).updates(shapes) {
        for (name, update) in updates { all[part, default: [:]][name, default: []].append(update) }
      }
    }
    return all
  }

  /// The names and shapes of the weights of some parts.
  func shapes(of parts: [String]) throws -> [String: [String: Shape]] {
    Dictionary(uniqueKeysWithValues: try parts.map { ($0, try weights($0).shapes) })
  }

  /// The folder that holds what the file lacks of a part; without a file, the part.
  func folder(of part: String) throws -> String {
    if let file, file.kind != .sdxl, try base == Self.resource("sdxl") {
      let own = "\(try Self.resource(file.kind == .vega ? "vega" : "ssd-1b"))/\(part)"
      if FileManager.default.fileExists(atPath: own) { return own }
    }
    return "\(base)/\(part)"
  }

  /// What a user should know of the model: where settings and tokenizers come from, if it is a file without a base; of a
  /// folder, that its files name two samplers, or that weights were passed over.
  public var notes: [String] {
    var notes: [String] = []
    if file == nil, sampler?.name == nil, let indexed = indexedScheduler,
      let own = (try? schedulerConfig())?["_class_name"], own != indexed
    {
      notes.append(
        "'\(title)' is sampled by \(own), as its scheduler_config.json says; its model_index.json names \(indexed), "
          + "which diffusers would take")
    }
    for part in family.weighted {
      guard let weights = try? weights(part), let problem = weights.passedOver else { continue }
      notes.append("\(problem); used instead is '\(weights.path)'")
    }
    guard let file, (try? base == Self.resource("sdxl")) == true else { return notes }
    notes.append(
      file.kind == .sdxl
        ? "'\(title)' does not tell how it is sampled; taken is what SDXL-Turbo needs (512 × 512, Euler ancestral, "
          + "trailing): for another model of SDXL, name one with --base whose settings to take"
        : "'\(title)' is \(file.kind.rawValue); settings and tokenizers are those that come with the program")
    return notes
  }

  /// Where the dictionaries lie that come with the model, if it has any: `BLOCK/NAME` for each.
  public var dictionaries: String { "\(path)/dictionaries" }

  /// The configuration of one part.
  public func config(_ part: String, file: String = "config.json") throws -> ConfigFile {
    if part == "vae", let config = vae?.config { return config }
    return try ConfigFile("\(folder(of: part))/\(file)")
  }

  /// `scheduler_config.json`, with what a single file tells of its own sampling, and what was chosen instead.
  ///
  /// As in diffusers, pipelines of Stable Diffusion 1 and 2 correct two settings of old files. A class that it does not name
  /// stands in `model_index.json`.
  public func schedulerConfig() throws -> ConfigFile {
    let own = try config("scheduler", file: "scheduler_config.json")
    var values: [String: JSONValue] = [:]
    if own["_class_name"] == nil { values["_class_name"] = indexedScheduler }
    if family == .stableDiffusion { values.merge(["steps_offset": 1, "clip_sample": false]) { $1 } }
    return own.replacing(values)
      .replacing(file?.scheduler ?? [:]).replacing(sampler?.settings ?? [:])
  }

  /// The class of the sampler that `model_index.json` names.
  private var indexedScheduler: JSONValue? {
    if case .array(let parts)? = index["scheduler"], case .string? = parts.last { parts.last } else { nil }
  }

  /// The weights of one part.
  public func weights(_ part: String) throws -> WeightFile {
    let weights =
      if part == "vae", let vae {
        try vae.weights(settings: config(part).path, engine: engine)
      } else if let file, let places = file.parts[part] {
        WeightFile(
          file.weights, places: places, settings: "the file '\(try folder(of: part))/config.json' used with",
          engine: engine)
      } else {
        try WeightFile(
          folder: folder(of: part),
          name: part.hasPrefix("text_encoder") ? "model" : "diffusion_pytorch_model", engine: engine)
      }
    return updates[part].map(weights.merging) ?? weights
  }

  /// Height and width of the pictures that the model was trained for.
  public var pictureSize: Int {
    get throws { try layout.sampleSize * DecoderConfig(config("vae")).factor }
  }

  /// How many steps the model's scheduler takes when asked for `steps`.
  ///
  /// - Throws: `BadStepCount`, and the errors of `ConfigFile`.
  public func stepCount(_ steps: Int) throws -> Int {
    try schedulerConfig().sampler(steps: steps).timesteps.count
  }

  /// How many steps a run takes: nearly always those of its settings, fewer where it begins with a picture.
  ///
  /// - Throws: `BadStepCount`, `NoStepLeft`, and the errors of `ConfigFile`.
  public func stepCount(_ settings: RunSettings) throws -> Int {
    try stepCount(settings.steps) - settings.firstStep
  }

  static func find(_ name: String, _ environment: [String: String]) throws -> String {
    if FileManager.default.fileExists(atPath: name) { return name }
    if name == embedded { return try resource(embedded) }
    guard let hub = HubName(name) else { throw ModelNotFound.noSuchFolder(name) }
    let cache = HubCache(environment)
    guard case .snapshot(let snapshot) = cache.find(hub) else { throw ModelNotFound.notCached(hub, cache) }
    return snapshot
  }

  private static func isFile(_ path: String) -> Bool {
    var isFolder: ObjCBool = false
    return FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) && !isFolder.boolValue
  }

  /// A folder of `Models`; the resources lie beside the program, wherever both were moved.
  private static func resource(_ name: String) throws -> String {
    let program =
      (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe"))
      ?? CommandLine.arguments[0]
    let folder = URL(fileURLWithPath: program).deletingLastPathComponent().path
    let path = "\(folder)/sdlens_SDLensDiffusion.resources/Models/\(name)"
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
      "there is no folder or file '\(name)'; a model is a folder in diffusers layout, a single .safetensors file, a "
        + "Hugging Face id such as stabilityai/sdxl-turbo, or '\(ModelFolder.embedded)'"
    case .notAFolder(let name):
      "'\(name)' is a file, but --base needs a model in diffusers layout: a folder, a Hugging Face id, or 'shapes'"
    case .notCached(let name, let cache): HubDownload.pipeline.missing(name, in: cache)
    case .noEmbedded(let path):
      "the embedded model is not at '\(path)'; it lies beside the program: keep both together, or name "
        + "another model with --model"
    }
  }
}

/// A base where nothing lacks.
struct NeedlessBase: UserError {
  let name: String
  var description: String {
    "--base gives what a single file lacks, but the model '\(name)' is a folder; leave --base out"
  }
}

/// A single file without text encoders or autoencoder, and nothing that has them.
struct PartialFile: UserError {
  let path: String
  let missing: [String]
  var description: String {
    "'\(path)' has no \(missing.joined(separator: ", ")); name with --base a model of the same kind that has the "
      + "rest: a folder in diffusers layout, a Hugging Face id, or '\(ModelFolder.embedded)'"
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
