import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensStudy

/// A run that is asked for, with who asks.
struct RunRequest {
  /// What decides the run without edits.
  struct Run: Equatable {
    let prompt: String
    let negative: String?
    let settings: RunSettings
  }
  let run: Run
  var prompt: String { run.prompt }
  var negative: String? { run.negative }
  var settings: RunSettings { run.settings }
  /// The dictionaries that are named, by block.
  let dictionaries: [BlockName: String]
  let tab: String
  let lane: String

  /// Longer prompts are cut by every model.
  private static let mostPrompt = 10_000

  /// Takes the members that every run has; `prompt` alone is needed.
  ///
  /// - Throws: `EditFields.Mistake`, `BadSetting`, `TooLittleMemory`, `Refusal`.
  init(_ fields: inout EditFields, of model: ModelFolder, pictureSize: Int) throws {
    func text(_ key: String, most: Int) throws -> String? {
      guard let value = fields.optional(key), value != .null else { return nil }
      guard case .string(let text) = value, text.utf8.count <= most else {
        throw EditFields.Mistake("has as '\(key)' \(value), but it must be a text of at most \(most) bytes")
      }
      return text
    }
    func whole(_ key: String, _ usual: Int) throws -> Int {
      guard let value = fields.optional(key) else { return usual }
      guard case .int(let number) = value else {
        throw EditFields.Mistake("has as '\(key)' \(value), but it must be a whole number")
      }
      return number
    }
    guard let prompt = try text("prompt", most: Self.mostPrompt) else {
      throw EditFields.Mistake("has no 'prompt'; it must be a text")
    }
    let negative = try text("negative_prompt", most: Self.mostPrompt)
    var seed: Seed = 42
    if let value = fields.optional("seed") {
      let found: Seed? =
        switch value {
        case .int(let number): Seed(exactly: number)
        case .string(let text): Seed(text)
        default: nil
        }
      guard let found else {
        throw EditFields.Mistake("has as 'seed' \(value), but it must be a whole number, or its digits")
      }
      seed = found
    }
    var guidance = 0.0
    if let value = fields.optional("guidance") {
      guard let number = value.number else {
        throw EditFields.Mistake("has as 'guidance' \(value), but it must be a number")
      }
      guidance = number
    }
    let settings = try RunSettings(
      seed: seed, steps: whole("steps", 1), guidance: guidance, height: whole("height", pictureSize),
      width: whole("width", pictureSize))
    guard settings.steps <= 100 else {
      throw Refusal(
        422, "steps is \(settings.steps), but the page takes 1 to 100; the command line takes more")
    }
    run = Run(
      prompt: prompt, negative: settings.isGuided ? negative.flatMap { $0.isEmpty ? nil : $0 } : nil,
      settings: settings)
    dictionaries = try fields.dictionaries()
    (tab, lane) = try Self.caller(&fields)
    try ModelMemory(model).check(height: settings.height, width: settings.width)
  }

  /// Who asks, and for what.
  ///
  /// - Throws: `EditFields.Mistake`.
  static func caller(_ fields: inout EditFields) throws -> (tab: String, lane: String) {
    func name(_ key: String, else usual: String) throws -> String {
      guard let value = fields.optional(key), value != .null else { return usual }
      guard case .string(let text) = value, text.utf8.count <= 64 else {
        throw EditFields.Mistake("has as '\(key)' \(value), but it must be a text of at most 64 bytes")
      }
      return text
    }
    return (try name("tab", else: UUID().uuidString), try name("lane", else: Turns.view))
  }

  /// The steps in which a run is kept, so that edits may begin there: all of a short run.
  func keptSteps(_ asked: Int) -> Set<Int> {
    settings.steps <= 4 ? Set(0..<settings.steps) : [0, asked]
  }

  /// The options of a command line that does the same run.
  func words(pictureSize: Int) -> [String] {
    var words = ["--prompt", prompt]
    if let negative { words += ["--negative-prompt", negative] }
    words += ["--seed", "\(settings.seed)"]
    if settings.steps != 1 { words += ["--steps", "\(settings.steps)"] }
    if settings.guidance != 0 { words += ["--guidance", "\(settings.guidance)"] }
    if settings.height != settings.width {
      words += ["--width", "\(settings.width)", "--height", "\(settings.height)"]
    } else if settings.width != pictureSize {
      words += ["--size", "\(settings.width)"]
    }
    return words
  }
}

extension Explorer {
  /// The edits of a request.
  ///
  /// - Throws: `EditFields.Mistake`, `Refusal`, `MalformedFile`.
  func edits(_ fields: inout EditFields) throws -> EditList {
    let edits = try fields.array("edits")
    guard edits.count <= Self.mostEdits else {
      throw Refusal(422, "the request has \(edits.count) edits, but at most \(Self.mostEdits) are taken")
    }
    for case .object(let edit) in edits {
      // A request must not make this program read files.
      if edit["operation"] == .string(Edit.Operation.Name.addMap.rawValue) {
        throw Refusal(422, "the page adds no maps of files; do it with: sdlens intervene --map")
      }
      if case .array(let features)? = edit["features"], features.count > Self.mostEdits {
        throw Refusal(
          422, "an edit names \(features.count) features, but at most \(Self.mostEdits) are taken")
      }
    }
    guard !edits.isEmpty else { return try EditList([]) }
    return try EditList(
      .object(["format": "sdlens-edits", "version": 1, "edits": .array(edits)]), path: "the request")
  }

  private static let mostEdits = 64
}
