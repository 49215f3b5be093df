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
  /// What makes them.
  public let laboratory: Laboratory
  private let modelFingerprint: String
  private let fingerprints: [BlockName: Fingerprint]

  /// Opens or makes the folder; nothing is computed before the first picture must be made.
  ///
  /// - Throws: `FileError` when the folder cannot be made.
  public init(_ laboratory: Laboratory, folder: String) throws {
    (self.laboratory, self.folder) = (laboratory, folder)
    modelFingerprint = try laboratory.model.fingerprint().description
    fingerprints = laboratory.blockDictionaries.mapValues(\.fingerprint)
    try AtomicFolder.makeAll(folder)
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
    if made == 0 { try ModelMemory(laboratory.model).check(height: settings.height, width: settings.width) }
    let pictures = try laboratory.pictures(prompt, settings, edits: missing.map { edits[$0] })
    for (index, picture) in zip(missing, pictures) {
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

  /// Whether a recorded picture has been made in a folder like this one.
  ///
  /// - Throws: as `settings(of:in:)`.
  func isMade(_ number: Int, of recorded: RecordedPictures, in folder: String) throws -> Bool {
    guard let prompt = recorded.prompts[number] else { return false }
    let name = try name(of: Request(prompt, Self.settings(of: number, in: recorded)))
    return FileManager.default.fileExists(atPath: "\(folder)/\(name)")
  }

  /// Where a picture is kept.
  private func path(of request: Request) throws -> String { "\(folder)/\(try name(of: request))" }

  private func name(of request: Request) throws -> String {
    let settings = request.settings
    var parts = [
      modelFingerprint, request.prompt, "\(settings.seed)", "\(settings.steps)", "\(settings.guidance)",
      "\(settings.height)", "\(settings.width)",
    ]
    parts += settings.facts.map { "\($0.key) \($0.value)" }
    if let engine = laboratory.model.otherEngine { parts.append(engine) }
    if let decoder = try laboratory.model.otherDecoder { parts.append("decoder \(decoder)") }
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
    return "\(names.joined()).png"
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
      PNGText("guidance", "\(settings.guidance)"),
      PNGText("model", "\(laboratory.model.title) \(modelFingerprint)"),
    ]
    texts += settings.facts.map { PNGText($0.key, $0.value) }
    if let engine = laboratory.model.otherEngine { texts.append(PNGText("engine", engine)) }
    if let decoder = try laboratory.model.otherDecoder { texts.append(PNGText("decoder", decoder)) }
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
