import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensSparse

/// Pictures of runs with and without edits, each made only once.
///
/// What was made is kept as PNG in a folder, under a name that stands for everything that decides the picture:
/// model, prompt, settings, edits, and the dictionaries that the edits act through. A file that is damaged is made
/// again.
public final class PictureArchive {
  /// A picture to be had.
  public struct Request: Sendable {
    /// The prompt.
    public var prompt: String
    /// The settings of the run.
    public var settings: RunSettings
    /// The edits; nil for the picture as it is.
    public var edits: EditList?

    /// Names a picture.
    public init(_ prompt: String, _ settings: RunSettings, edits: EditList? = nil) {
      (self.prompt, self.settings, self.edits) = (prompt, settings, edits)
    }
  }

  /// The folder of the pictures.
  public let folder: String
  /// How many pictures were made, and not read.
  public private(set) var made = 0
  private let model: ModelFolder
  private let modelFingerprint: String
  private let dictionaries: [BlockName: BlockDictionary]
  private let fingerprints: [BlockName: Fingerprint]
  private var loaded: (pipeline: Pipeline, encoder: PromptEncoder)?
  private var prompts: [String: PromptEmbeddings] = [:]

  /// Opens or makes the folder; the model is read when the first picture must be made.
  ///
  /// - Parameter dictionaries: those that edits act through.
  /// - Throws: `FileError` when the folder cannot be made.
  public init(_ model: ModelFolder, dictionaries: [BlockName: BlockDictionary], folder: String) throws {
    (self.model, self.dictionaries, self.folder) = (model, dictionaries, folder)
    modelFingerprint = try model.fingerprint().description
    fingerprints = dictionaries.mapValues(\.fingerprint)
    try AtomicFolder.makeAll(folder)
  }

  /// The denoising part of the model.
  public var pipeline: Pipeline { get throws { try parts().pipeline } }

  /// What a prompt becomes.
  public func embeddings(of prompt: String, _ settings: RunSettings) throws -> PromptEmbeddings {
    let key = settings.isGuided ? "guided \(prompt)" : prompt
    if let found = prompts[key] { return found }
    let encoder = try parts().encoder
    let made = settings.isGuided ? encoder.guided([prompt], negative: nil) : encoder([prompt])
    // A data set of prompts would not fit into memory.
    if prompts.count >= 64 { prompts = [:] }
    prompts[key] = made
    return made
  }

  /// One picture.
  ///
  /// - Throws: `EditError`, the errors of reading the model, `FileError` when the folder does not take it.
  public func picture(_ request: Request) throws -> Picture {
    try pictures(request.prompt, request.settings, edits: [request.edits])[0]
  }

  /// Pictures that share prompt and settings, nil standing for the one without edits; those that must be made
  /// share all computing before their first edits.
  ///
  /// - Throws: as `picture`.
  public func pictures(_ prompt: String, _ settings: RunSettings, edits: [EditList?]) throws -> [Picture] {
    let paths = try edits.map { try path(of: Request(prompt, settings, edits: $0)) }
    var found = paths.map { read($0, settings) }
    let missing = found.indices.filter { found[$0] == nil }
    guard !missing.isEmpty else { return found.compactMap(\.self) }
    if loaded == nil { try ModelMemory(model).check(height: settings.height, width: settings.width) }
    let (pipeline, text) = (try parts().pipeline, try embeddings(of: prompt, settings))
    let interventions = try missing.map { index in
      try Intervention(edits[index] ?? EditList([]), dictionaries, for: pipeline, settings)
    }
    let base = try BaseRun(pipeline, text, settings, for: interventions)
    // Decoding lets go of the U-net's weights: first all runs, then all pictures.
    let traces = interventions.map { base.run($0) }
    for (index, trace) in zip(missing, traces) {
      let picture = Picture(try pipeline.picture(trace.latents))
      try PNG.write(picture, text: texts(prompt, settings, edits[index]), to: paths[index])
      found[index] = picture
      made += 1
    }
    return found.compactMap(\.self)
  }

  /// A recorded picture: as the store kept it, else made again from its prompt and seed; nil when the list of
  /// prompts lacks it.
  ///
  /// - Throws: as `picture`, and `DamagedShard`.
  public func picture(
    _ number: Int, of recorded: RecordedPictures, in store: ActivationStore? = nil
  ) throws -> Picture? {
    let manifest = recorded.manifest
    if let store, let samples = try store.image(ofPicture: number) {
      return Picture(width: manifest.width, height: manifest.height, samples: samples)
    }
    guard let prompt = recorded.prompts[number] else { return nil }
    return try picture(Request(prompt, Self.settings(of: number, in: recorded)))
  }

  /// The settings of a recorded picture's run.
  ///
  /// - Throws: `BadSetting` when the list of pictures tells of no possible run, `NoSeeds`.
  public static func settings(of number: Int, in recorded: RecordedPictures) throws -> RunSettings {
    let manifest = recorded.manifest
    return try RunSettings(
      seed: recorded.seed(of: number), steps: manifest.steps, guidance: manifest.guidance,
      height: manifest.height, width: manifest.width)
  }

  private func parts() throws -> (pipeline: Pipeline, encoder: PromptEncoder) {
    if let loaded { return loaded }
    let parts = (pipeline: try Pipeline(model), encoder: try PromptEncoder(model))
    loaded = parts
    return parts
  }

  /// Where a picture is kept.
  private func path(of request: Request) throws -> String {
    let settings = request.settings
    var parts = [
      modelFingerprint, request.prompt, "\(settings.seed)", "\(settings.steps)", "\(settings.guidance)",
      "\(settings.height)", "\(settings.width)",
    ]
    if let engine = model.otherEngine { parts.append(engine) }
    if let edits = request.edits, !edits.edits.isEmpty {
      parts.append(String(decoding: try JSON.line(edits), as: UTF8.self))
      parts += edits.blocks.map { fingerprints[$0]?.description ?? "none" }
    }
    // Two numbers of 64 bits, so that no two pictures ever share a name.
    let names = ["a", "b"].map { start in
      var fingerprint = Fingerprint()
      for part in [start] + parts { fingerprint.add("\(part.utf8.count) \(part)\n".utf8) }
      return fingerprint.description
    }
    return "\(folder)/\(names.joined()).png"
  }

  private func read(_ path: String, _ settings: RunSettings) -> Picture? {
    guard FileManager.default.fileExists(atPath: path), let picture = try? PNG.read(path),
      picture.width == settings.width, picture.height == settings.height, picture.channels == 3
    else { return nil }
    return picture
  }

  private func texts(_ prompt: String, _ settings: RunSettings, _ edits: EditList?) throws -> [PNGText] {
    var texts = [
      PNGText("Software", "sdlens \(Version.current)"), PNGText("prompt", prompt),
      PNGText("seed", "\(settings.seed)"), PNGText("steps", "\(settings.steps)"),
      PNGText("guidance", "\(settings.guidance)"), PNGText("model", "\(model.title) \(modelFingerprint)"),
    ]
    if let engine = model.otherEngine { texts.append(PNGText("engine", engine)) }
    if let edits, !edits.edits.isEmpty {
      texts.append(PNGText("edits", String(decoding: try JSON.line(edits), as: UTF8.self)))
    }
    return texts
  }
}

extension BlockDictionary {
  /// A number that changes with what edits need of a dictionary.
  fileprivate var fingerprint: Fingerprint {
    var fingerprint = autoencoder.contentFingerprint
    fingerprint.add("\(means?.hash ?? 0)".utf8)
    return fingerprint
  }
}
