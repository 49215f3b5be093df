import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensSparse

/// How a result was made: what pictures, tensors and tables of it say.
public struct RunRecord: Sendable {
  /// What decides the result, by the names under which files carry it.
  private let facts: [(key: String, value: String)]
  /// Of the picture, which says them itself.
  private let sizes: [(key: String, value: String)]
  private let seed: Seed?
  /// What was asked for, where the facts alone do not tell two results apart.
  private let request: Request?

  /// The record of a run of a model.
  ///
  /// - Parameters:
  ///   - prompt: nil where a result has several.
  ///   - settings: nil where it is of no one run.
  ///   - dictionaries: those that take part in it.
  ///   - store: the activations that take part in it.
  ///   - request: the words of the command that asked for it.
  /// - Throws: what is wrong with the model.
  public init(
    of model: ModelFolder, prompt: String? = nil, negativePrompt: String? = nil, settings: RunSettings? = nil,
    dictionaries: [BlockName: DictionaryFolder] = [:], store: ActivationStore? = nil, request: Request? = nil
  ) throws {
    var facts: [(String, String?)] = [
      ("prompt", prompt), ("negative_prompt", negativePrompt), ("steps", settings.map { "\($0.steps)" }),
      ("guidance", settings.map { "\($0.guidance)" }), ("model", "\(model.title) \(try model.fingerprint())"),
      ("vae", try model.otherAutoencoder), ("lora", model.loraTitle), ("sampler", model.sampler?.title),
      ("engine", model.otherEngine), ("decoder", try model.otherDecoder),
    ]
    facts += settings?.facts.map { ($0.key, $0.value) } ?? []
    if !dictionaries.isEmpty {
      let names = dictionaries.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value.identity)" }
      facts.append(("dictionaries", names.joined(separator: ", ")))
    }
    if let store {
      let name = (store.folder as NSString).lastPathComponent
      facts.append(("store", "\(name) \(try store.manifest.fingerprint), \(store.pictures) pictures"))
    }
    self.facts = facts.compactMap { key, value in value.map { (key, $0) } }
    sizes = settings.map { [("width", "\($0.width)"), ("height", "\($0.height)")] } ?? []
    seed = settings?.seed
    self.request = request
  }

  /// The prompt and the seed that a picture of ours was made from; nil for what is no picture, or says nothing of them.
  public static func run(ofPicture path: String) throws -> (prompt: String, seed: Seed)? {
    guard path.lowercased().hasSuffix(".png") else { return nil }
    let texts = try PNG.text(of: path)
    func text(_ key: String) -> String? { texts.first { $0.keyword == key }?.text }
    guard let prompt = text("prompt"), let seed = text("seed").flatMap(Seed.init) else { return nil }
    return (prompt, seed)
  }

  /// The texts of a picture.
  ///
  /// - Parameters:
  ///   - seed: of this picture, where it is not that of the settings.
  ///   - edits: what was done to it.
  ///   - shows: what is seen, where that is not simply the picture of the run: `before`, `difference`, …
  public func texts(seed: Seed? = nil, edits: EditList? = nil, shows: String? = nil) throws -> [PNGText] {
    var texts = [PNGText("Software", "sdlens \(Version.current)")]
    texts += facts.map { PNGText($0.key, $0.value) }
    if let seed = seed ?? self.seed { texts.append(PNGText("seed", "\(seed)")) }
    if let edits, !edits.edits.isEmpty { texts.append(PNGText("edits", try edits.line)) }
    if let shows { texts.append(PNGText("shows", shows)) }
    if request != nil { texts.append(PNGText("run", identity)) }
    return texts
  }

  /// The metadata of a file of tensors, or the members of a `run.json`.
  public func metadata(seed: Seed? = nil, edits: EditList? = nil) -> [String: String] {
    var metadata = Dictionary(uniqueKeysWithValues: facts + sizes)
    metadata["seed"] = (seed ?? self.seed).map { "\($0)" }
    metadata["version"] = Version.current
    let ablated = edits?.edits.filter { $0.operation == .ablate }.map(\.block.description) ?? []
    if !ablated.isEmpty { metadata["ablate"] = ablated.joined(separator: ",") }
    if let request {
      metadata["id"] = identity
      metadata["command"] = request.command
    }
    return metadata
  }

  /// A number that two results share only if they were asked for alike and made of the same things.
  public var identity: String {
    var fingerprint = Fingerprint()
    let all =
      facts + sizes + [("seed", seed.map { "\($0)" } ?? "")]
      + (request.map { $0.words + $0.contents } ?? []).map { ("request", $0) }
    for (key, value) in all { fingerprint.add("\(key) \(value.utf8.count) \(value)\n".utf8) }
    return fingerprint.description
  }

  /// The words of a command line that decide its results.
  public struct Request: Sendable {
    fileprivate let words: [String]
    /// Fingerprints of the files that words name.
    fileprivate let contents: [String]

    /// Options that change no result and have a word behind them; an engine that makes others is in the record.
    private static let valued: Set = [
      "--output", "--tensors", "--workspace", "--threads", "--engine", "--precision",
    ]
    /// Options that change no result and stand alone.
    private static let flags: Set = ["--quiet", "--json", "--force"]

    /// Leaves out the options that change no result.
    ///
    /// - Parameter arguments: of the program, without its own name.
    public init(_ arguments: [String]) {
      var words: [String] = []
      var rest = arguments[...]
      while let word = rest.popFirst() {
        if Self.valued.contains(word) {
          _ = rest.popFirst()
        } else if !Self.flags.contains(word), !Self.valued.contains(where: { word.hasPrefix($0 + "=") }) {
          words.append(word)
        }
      }
      self.words = words
      contents = words.compactMap { word in
        var fingerprint = Fingerprint()
        return (try? fingerprint.add(word, as: "")).map { _ in fingerprint.description }
      }
    }

    /// The words as a shell takes them.
    fileprivate var command: String { words.map(\.shellWord).joined(separator: " ") }
  }
}

extension String {
  /// The text as a shell takes it for one word.
  package var shellWord: String {
    let plain = { (c: Unicode.Scalar) in
      c.isASCII
        && (c.properties.isAlphabetic || c.properties.numericType != nil
          || "-_./,:=+@".unicodeScalars.contains(c))
    }
    return !isEmpty && unicodeScalars.allSatisfy(plain)
      ? self : "'\(replacingOccurrences(of: "'", with: "'\\''"))'"
  }
}
