import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensSparse

/// What lies in a workspace.
public struct WorkspaceContents: Encodable {
  /// A store of activations.
  public struct Store: Encodable {
    /// The name of its folder.
    public let name: String
    /// The model that made it.
    public let model: String
    /// What was recorded: `update`, `residual` or `heads.n`.
    public let site: String
    /// Its blocks, in the order of the forward pass.
    public let blocks: [String]
    /// Denoising steps of its runs.
    public let steps: Int
    /// Those that are recorded, from 0; nil when all are.
    public let atSteps: [Int]?
    /// Those that are there, and those that it is to have.
    public let pictures, picturesPlanned: Int
    /// Vectors of all blocks.
    public let vectors: Int
    /// Bytes of the vectors.
    public let bytes: Int
  }

  /// A dictionary.
  public struct Dictionary: Encodable {
    /// Its block.
    public let block: String
    /// The name of its folder.
    public let name: String
    /// A number that changes with its content.
    public let fingerprint: String
    /// The model whose updates it decomposes, where that is known.
    public let model: String?
    /// The denoising steps that it learned from, in words; nil where nobody knows, or where there was one.
    public let steps: String?
    /// Features, and the width of a vector.
    public let features, width: Int
    /// How many features may be active in a vector; nil where thresholds decide.
    public let k: Int?
    /// How many features are active in a vector: k, or their mean number; nil where nobody has measured it.
    public let l0: Double?
    /// The share of the features that were never active where they were measured; nil when they were not.
    public let neverActiveShare: Double?
    /// The vectors that they were measured on.
    public let vectors: Int?
    /// Features with a caption.
    public let captions: Int
    /// Whether commands take this one when none is named.
    public let isDefault: Bool?
  }

  /// A training that has not ended, or whose dictionaries are gone.
  public struct Training: Encodable {
    /// Its block.
    public let block: String
    /// The names of the dictionaries that it makes.
    public let dictionaries: [String]
    /// Its folder.
    public let folder: String
  }

  /// The workspace.
  public let folder: String
  /// By name.
  public let stores: [Store]
  /// In the order of the forward pass; of one block the oldest first.
  public let dictionaries: [Dictionary]
  /// Those that come with the program, for blocks of its model that have none here; in the same order.
  public let embedded: [Dictionary]
  /// In the order of the forward pass.
  public let trainings: [Training]
  /// Names of the folders of measurements.
  public let results: [String]
  /// Names of pictures, figures and folders of them.
  public let pictures: [String]
  /// What cannot be read, each a sentence.
  public let problems: [String]

  /// Whether nothing of ours lies there, or no such folder is there.
  public var isEmpty: Bool {
    stores.isEmpty && dictionaries.isEmpty && trainings.isEmpty && results.isEmpty && pictures.isEmpty
  }

  /// Looks through a workspace; what is damaged becomes a problem, and stops nothing.
  ///
  /// - Throws: `ModelNotFound` when the embedded model is gone.
  public init(_ workspace: Workspace) throws {
    folder = workspace.folder
    try FileError.checkAccess(to: folder)
    var problems: [String] = []
    func attempt<Value>(_ body: () throws -> Value) -> Value? {
      do { return try body() } catch {
        problems.append("\(error)")
        return nil
      }
    }
    stores = Workspace.names(in: workspace.activations).compactMap { name in
      attempt { Store(name, try ActivationStore("\(workspace.activations)/\(name)")) }
    }
    func read(
      _ found: [DictionaryLookup.Found], of block: BlockName, default last: (DictionaryLookup.Found) -> Bool
    )
      -> [Dictionary]
    {
      found.compactMap { item in
        attempt { Dictionary(try workspace.dictionary(item.path), block: "\(block)", isDefault: last(item)) }
      }
    }
    let own = BlockName.all.map { ($0, DictionaryLookup.all(of: $0, in: workspace)) }
    dictionaries = own.flatMap { block, found in
      // Of each model the last is taken.
      let last = Swift.Dictionary(found.map { ($0.modelFingerprint, $0.name) }) { $1 }
      return read(found, of: block) { last[$0.modelFingerprint] == $0.name }
    }
    let model = try ModelFolder(ModelFolder.embedded)
    embedded = own.flatMap { block, own in
      let found = attempt { try DictionaryLookup.embedded(in: model, of: block) } ?? []
      return read(found, of: block) { item in
        item.name == found.last?.name && !own.contains { $0.modelFingerprint == item.modelFingerprint }
      }
    }
    let present = Set(dictionaries.map { "\($0.block)/\($0.name)" })
    trainings = BlockName.all.flatMap { block in
      Workspace.names(in: workspace.trainings(of: block)).compactMap { name in
        let names = name.split(separator: "+").map(String.init)
        guard !names.allSatisfy({ present.contains("\(block)/\($0)") }) else { return nil }
        return Training(
          block: "\(block)", dictionaries: names, folder: "\(workspace.trainings(of: block))/\(name)")
      }
    }
    results = Workspace.names(in: workspace.results)
    // The cache is nobody's result.
    pictures = Workspace.names(in: workspace.pictures).filter { $0 != "cache" }
    self.problems = problems
  }
}

extension WorkspaceContents.Store {
  init(_ name: String, _ store: ActivationStore) {
    let manifest = store.manifest
    (self.name, model, site) = (name, manifest.model, manifest.site)
    blocks = manifest.blocks.map(\.name)
    (steps, atSteps) = (manifest.steps, manifest.atSteps)
    (pictures, picturesPlanned) = (store.pictures, manifest.pictures)
    vectors = manifest.blocks.reduce(0) { $0 + manifest.rows(of: $1) } * store.pictures
    bytes = manifest.bytes(pictures: store.pictures)
  }
}

extension WorkspaceContents.Dictionary {
  /// Describes a dictionary that lies anywhere.
  public init(_ folder: DictionaryFolder) {
    let block = folder.saved.block ?? BlockName.named(inPath: folder.path)?.description
    self.init(folder, block: block ?? "not told", isDefault: nil)
  }

  init(_ folder: DictionaryFolder, block: String, isDefault: Bool?) {
    let (autoencoder, identity) = (folder.autoencoder, folder.identity)
    (self.block, self.isDefault) = (block, isDefault)
    (name, fingerprint) = (identity.name, identity.fingerprint)
    (model, steps) = (folder.saved.model, folder.saved.steps?.description)
    (features, k, width) = (autoencoder.features, autoencoder.k, autoencoder.width)
    l0 = folder.l0
    neverActiveShare = folder.statistics.map { Double($0.dead.count) / Double($0.features) }
    vectors = folder.statistics?.vectors
    captions = folder.captions.count
  }
}
