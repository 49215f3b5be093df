import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensSparse

/// What a measurement was made of: every result names it.
public struct Provenance: Sendable, Codable, Equatable {
  /// A dictionary.
  public struct Dictionary: Sendable, Codable, Equatable {
    /// The block; nil where nobody knows.
    public let block: String?
    /// The last part of its path.
    public let name: String
    /// Where it lies.
    public let path: String
    /// A number that changes with its content.
    public let fingerprint: String
    /// Its size.
    public let features: Int
    /// How many features may be active in a vector; nil where thresholds decide.
    public let k: Int?
    /// The model that it is of, where that is another one than the one at work.
    public private(set) var model: String?

    /// Names one that lies at a path.
    public init(_ path: String, of block: String?, _ autoencoder: SparseAutoencoder) {
      (self.block, self.path) = (block, path)
      name = URL(fileURLWithPath: path).lastPathComponent
      fingerprint = autoencoder.contentFingerprint.description
      (features, k) = (autoencoder.features, autoencoder.k)
    }

    /// Names a folder.
    ///
    /// - Parameter model: the one at work.
    public init(_ folder: DictionaryFolder, of block: BlockName, on model: ModelFolder) throws {
      self.init(folder.path, of: "\(block)", folder.autoencoder)
      let fingerprint = try model.fingerprint().description
      guard let made = folder.saved.modelFingerprint, made != fingerprint else { return }
      self.model = "\(folder.saved.model ?? "") \(made)"
    }
  }

  /// The recorded pictures.
  public struct Store: Sendable, Codable, Equatable {
    /// The folder of the store; nil where only the dictionary tells of its pictures.
    public let folder: String?
    /// How many pictures it has.
    public let pictures: Int
    /// A number that changes with what was recorded.
    public let fingerprint: String
    /// The model that recorded it, where that is another one than the one at work.
    public let model: String?
  }

  /// The model's name; nil where none was needed.
  public let model: String?
  /// A number that changes with its weights.
  public let modelFingerprint: String?
  /// The dictionaries, in the order of their blocks.
  public let dictionaries: [Dictionary]
  /// What was recorded; nil where nothing was needed.
  public let store: Store?

  /// Names model, dictionaries and store; of the last, or else of the pictures that a dictionary tells of.
  public init(
    _ model: ModelFolder?, dictionaries: [Dictionary] = [], store: ActivationStore? = nil,
    recorded: RecordedPictures? = nil
  ) throws {
    self.model = model?.title
    modelFingerprint = try model?.fingerprint().description
    self.dictionaries = dictionaries
    let own = modelFingerprint
    func other(_ manifest: ActivationManifest) -> String? {
      own == nil || manifest.modelFingerprint == own
        ? nil : "\(manifest.model) \(manifest.modelFingerprint)"
    }
    self.store =
      try store.map {
        Store(
          folder: $0.folder, pictures: $0.pictures, fingerprint: try $0.manifest.fingerprint,
          model: other($0.manifest))
      }
      ?? recorded.map {
        Store(
          folder: nil, pictures: $0.prompts.count, fingerprint: try $0.manifest.fingerprint,
          model: other($0.manifest))
      }
  }

  /// What decides the results of it, as settings of a result folder.
  public var settings: [String: String] {
    var settings: [String: String] = [:]
    settings["model"] = modelFingerprint
    if !dictionaries.isEmpty {
      settings["dictionaries"] = dictionaries.map { "\($0.block ?? "") \($0.name) \($0.fingerprint)" }.joined(
        separator: ", ")
    }
    settings["store"] = store?.fingerprint
    return settings
  }

  /// The same of some of the dictionaries.
  public func of(_ block: BlockName) -> Provenance {
    Provenance(self, dictionaries: dictionaries.filter { $0.block == "\(block)" })
  }

  private init(_ other: Provenance, dictionaries: [Dictionary]) {
    (model, modelFingerprint, store) = (other.model, other.modelFingerprint, other.store)
    self.dictionaries = dictionaries
  }

  /// Lines to stand below a table.
  public var text: String {
    let names = dictionaries.map { dictionary in
      "\(dictionary.block.map { "\($0) " } ?? "")'\(dictionary.name)' (\(dictionary.features) features, \(dictionary.k.map { "k \($0)" } ?? "thresholds"), "
        + "\(dictionary.fingerprint))\(dictionary.model.map { " of the model \($0)" } ?? "")"
    }
    let lines = (names.isEmpty ? [] : ["Dictionaries: \(names.joined(separator: ", "))"])
    guard let store else { return lines.joined(separator: "\n") }
    let place = store.folder.map { "Store '\(URL(fileURLWithPath: $0).lastPathComponent)'" } ?? "Recorded"
    let model = store.model.map { " of the model \($0)" } ?? ""
    return (lines + ["\(place): \(store.pictures) pictures (\(store.fingerprint))\(model)"])
      .joined(separator: "\n")
  }
}

/// Too few recorded pictures to measure anything on.
public struct TooFewPictures: UserError {
  /// Fewer than these are noise: the baselines of the paper are of 100 as well.
  public static let fewest = 100

  let source: String
  let pictures: Int
  let blocks: [BlockName]

  /// What was recorded, how much is needed, and how to have it.
  public var description: String {
    "\(what), but a measurement needs at least \(Self.fewest): of so few it is noise; record more with: sdlens collect "
      + "--block \(blocks.map(\.description).joined(separator: " ")), or name a store with --store to measure on it "
      + "all the same"
  }

  /// The same where somebody named the store.
  public var note: String {
    "\(what), fewer than the \(Self.fewest) that a measurement needs: take its figures for noise"
  }

  private var what: String { "\(source) has \(pictures) \(pictures == 1 ? "picture" : "pictures")" }

  /// Of so many pictures; nil when they are enough.
  public init?(of source: String, pictures: Int, blocks: [BlockName]) {
    guard pictures < Self.fewest else { return nil }
    (self.source, self.pictures, self.blocks) = (source, pictures, blocks)
  }
}
