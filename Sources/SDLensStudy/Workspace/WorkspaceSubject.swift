import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensSparse

/// What `info` is asked about.
public enum WorkspaceSubject {
  /// A store, at its path.
  case store(String)
  /// A name may stand for one in each block.
  case dictionaries([String])
  /// A workspace.
  case workspace(Workspace)
  /// A folder or a file that `--model` takes.
  case model
  /// How a picture or a folder of results was made.
  case facts([(name: String, value: String)])

  /// Sees what a path, or a name in a workspace, stands for.
  ///
  /// - Parameters:
  ///   - base: whether a base gives what a file with a U-net alone lacks.
  ///   - model: the model that a LoRA or an autoencoder would be used with.
  /// - Throws: `NothingToShow`, and what is wrong with a file.
  public init(
    _ what: String, in workspace: Workspace, hasBase base: Bool,
    with model: @autoclosure () throws -> ModelFolder
  ) throws {
    func isThere(_ path: String) -> Bool { FileManager.default.fileExists(atPath: path) }
    let store = workspace.path(ofStore: what)
    let named = workspace.paths(ofDictionaries: what)
    if isThere("\(store)/manifest.json") {
      self = .store(store)
    } else if !named.isEmpty {
      self = .dictionaries(named)
    } else if SavedAutoencoder.isCheckpoint(what) {
      self = .dictionaries([what])
    } else if isThere("\(what)/model_index.json") {
      self = .model
    } else if isThere("\(what)/run.json") {
      self = .facts(try Self.facts(ofRun: "\(what)/run.json"))
    } else if isThere("\(what)/activations") || isThere("\(what)/saes") || isThere("\(what)/pictures") {
      self = .workspace(Workspace(what))
    } else if what.lowercased().hasSuffix(".png") {
      let texts = try PNG.text(of: what).map { (name: $0.keyword, value: $0.text) }
      self = .facts(
        texts.isEmpty ? [("texts", "none: the picture does not say how it was made")] : texts)
    } else if what.hasSuffix(".safetensors"), isThere(what),
      (try? SavedAutoencoder.formatName(at: what)) == nil, !Self.isDictionary(what)
    {
      let summary = try FileSummary(what, hasBase: base, with: model())
      self = summary.map { .facts($0.facts) } ?? .model
    } else if isThere(what) {
      // A file of a dictionary, or something else, of which the error tells what it is, or what was looked for.
      do {
        _ = try SavedAutoencoder.formatName(at: what)
      } catch let problem as UnknownCheckpoint {
        if let kind = FileKind(at: what), ![.torch, .pickle].contains(kind) {
          throw MalformedFile(path: what, reason: kind.besideTensors)
        }
        throw problem
      }
      self = .dictionaries([what])
    } else {
      try FileError.checkAccess(to: what.folderOfPath)
      throw NothingToShow(what: what, workspace: workspace.folder)
    }
  }

  /// Whether a file holds the matrices of a dictionary, though the settings that belong to it may not lie beside it.
  private static func isDictionary(_ path: String) -> Bool {
    let names = (try? Safetensors(contentsOf: path))?.names ?? []
    return !Set(names).isDisjoint(with: ["W_dec", "b_dec", "decoder.weight"])
  }

  /// The members of a `run.json` that say how it was made; what was measured stands in the files beside it.
  private static func facts(ofRun path: String) throws -> [(name: String, value: String)] {
    guard case .object(let members) = try JSONValue(contentsOf: path) else {
      throw MalformedFile(path: path, reason: "is no object")
    }
    func lines(_ name: String, _ value: JSONValue) -> [(String, String)] {
      switch value {
      case .object(let inner):
        inner.sorted { $0.key < $1.key }.flatMap {
          lines(name.isEmpty ? $0.key : "\(name).\($0.key)", $0.value)
        }
      case .array(let values): [(name, values.map(Self.word).joined(separator: " "))]
      default: [(name, Self.word(value))]
      }
    }
    return lines("", .object(members.filter { $0.key != "outcomes" }))
  }

  private static func word(_ value: JSONValue) -> String {
    if case .string(let text) = value { text } else { "\(value)" }
  }
}

/// What `info` says of a dictionary.
public struct DictionarySummary: Encodable {
  private let path: String
  private let format: String
  private let dictionary: WorkspaceContents.Dictionary
  private let store: String?

  /// Reads one that lies at a path, with the captions that a workspace has of it.
  ///
  /// - Throws: what is wrong with its files.
  public init(_ path: String, in workspace: Workspace) throws {
    let folder = try workspace.dictionary(path)
    self.path = path
    format = try SavedAutoencoder.formatName(at: path)
    dictionary = WorkspaceContents.Dictionary(folder)
    store = folder.pictures.map { "\($0.prompts.count) pictures of \($0.manifest.model)" }
  }

  /// The summary, within 80 columns.
  public var text: String {
    let measured = dictionary.vectors.map { "\(Units.grouped($0)) vectors" + (store.map { ", \($0)" } ?? "") }
    return Table(
      left: [0, 1],
      [
        [path, ""], ["Fingerprint", dictionary.fingerprint], ["Format", format], ["Block", dictionary.block],
        ["Model", (dictionary.model ?? "not told") + (dictionary.steps.map { ", \($0)" } ?? "")],
        [
          "Features",
          "\(dictionary.features), \(dictionary.activity) active in a vector of \(dictionary.width)",
        ],
        ["Measured on", measured ?? "nothing yet; do it with: sdlens statistics"],
        ["Never active", Cells.percent(dictionary.neverActiveShare)], ["Captions", "\(dictionary.captions)"],
      ]
    ).text
  }
}

/// Nothing of ours under a name.
public struct NothingToShow: UserError {
  let what: String
  let workspace: String
  /// The name, and what lists those that are there.
  public var description: String {
    "'\(what)' is no store, dictionary, workspace, folder of results or picture, nor the name of one in '\(workspace)'; "
      + "'sdlens list' shows what is there"
  }
}
