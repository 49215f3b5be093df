import SDLensCore
import SDLensDiffusion
import SDLensSparse

/// How the features of a dictionary behave on recorded activations: the work of `statistics`, and what it found.
public struct StatisticsReport: Encodable {
  let dictionary: String
  let fingerprint: String
  let block: String
  let store: String
  let storePictures: Int
  let vectors: Int
  @Nullable var explainedVariance: Double?
  @Nullable var meanExplainedVariance: Double?
  @Nullable var k: Int?
  let l0: Double
  @Nullable var componentsExplainedVariance: Double?
  @Nullable var componentsMeanExplainedVariance: Double?
  let neverActiveShare: Double
  private var components: Int { k ?? max(1, Int(l0.rounded())) }

  /// Measures a dictionary, and writes statistics and examples of every feature beside it.
  ///
  /// - Parameters:
  ///   - name: a folder, a name in the workspace, or a Hugging Face id in the local cache, in any format.
  ///   - block: where the dictionary does not tell.
  ///   - store: a folder, or a name in the workspace.
  ///   - isCompact: whether of each feature the pictures of its top 5 % are kept only, and no maps.
  /// - Throws: `EmbeddedStays`, `BlockUnknown`, `StoreOfAnotherSite`, `DictionaryExchanged`, and what is wrong with any of
  ///   the files.
  public init(
    measuring name: String, _ block: BlockName? = nil, on store: String, in workspace: Workspace,
    isCompact: Bool = false, _ progress: any MetricProgress
  ) throws {
    let path = try workspace.path(ofDictionary: name, block) { progress.note($0) }
    if let model = try? ModelFolder(ModelFolder.embedded), path.hasPrefix(model.dictionaries) {
      throw EmbeddedStays(path: path)
    }
    let saved = try SavedAutoencoder.read(path)
    for note in saved.notes { progress.note(note) }
    guard let block = block?.description ?? saved.block else { throw BlockUnknown(path: path) }
    let store = try ActivationStore(workspace.path(ofStore: store))
    if let site = saved.site, site != store.manifest.site {
      throw StoreOfAnotherSite(
        store: store.folder, found: store.manifest.site, dictionary: path, needed: site)
    }
    if let note = saved.steps?.note(of: path, usedAt: store.manifest.vectorSteps) { progress.note(note) }
    progress.count(to: store.pictures, unit: "pictures")
    let found = try DictionaryEvaluation(of: saved.autoencoder, block: block, in: store) {
      progress.advance("measuring", by: $0)
    }
    try DictionaryFolder.change(path, of: saved.autoencoder) {
      try DictionaryFolder.write(found, of: store, to: $0, isCompact: isCompact)
    }
    (dictionary, fingerprint) = (path, saved.autoencoder.contentFingerprint.description)
    (self.block, self.store, storePictures) = (block, store.folder, store.pictures)
    (vectors, l0) = (found.statistics.vectors, found.statistics.l0)
    neverActiveShare = Double(found.statistics.dead.count) / Double(found.statistics.features)
    k = saved.autoencoder.k
    explainedVariance = found.variance.global
    meanExplainedVariance = found.variance.perDimension
    let count = saved.autoencoder.k ?? max(1, Int(l0.rounded()))
    componentsExplainedVariance = found.components?.explainedVariance(of: count)
    componentsMeanExplainedVariance = found.components?.meanExplainedVariance(of: count)
    progress.clear()
    if found.variance.global == nil {
      progress.note("The vectors of \(block) are all equal, so there is no variance to explain")
    }
  }

  /// A line for each figure.
  public var text: String {
    func percent(_ share: Double?) -> String { Cells.percent(share, without: "undefined") }
    return Table(
      left: [0],
      [
        ["Dictionary", "\(dictionary) \(fingerprint)"],
        ["Store", "\(store), \(storePictures) pictures"],
        ["Vectors", Units.grouped(vectors)],
        ["Explained variance", percent(explainedVariance)],
        ["  mean over dimensions", percent(meanExplainedVariance)],
        ["Active in a vector", Units.rounded(l0)],
        ["By \(components) principal components", percent(componentsExplainedVariance)],
        ["  mean over dimensions", percent(componentsMeanExplainedVariance)],
        ["Features never active", percent(neverActiveShare)],
      ]
    ).text
  }
}

/// A dictionary of which nobody knows whose updates it explains.
public struct BlockUnknown: UserError {
  let path: String
  /// The dictionary, and how to say its block.
  public var description: String {
    "'\(path)' does not tell its block; say it with --block, as in --block down.2.1"
  }
}

/// A store of another site of its blocks than a dictionary is of.
public struct StoreOfAnotherSite: UserError {
  let store, found, dictionary, needed: String
  /// Both, and what to name.
  public var description: String {
    "'\(store)' has the \(found) of its blocks, but the dictionary '\(dictionary)' is of the \(needed); name a store "
      + "of that with --store"
  }
}

/// Something to be written beside a dictionary that comes with the program.
public struct EmbeddedStays: UserError {
  let path: String
  /// The dictionary, and how to copy it.
  public var description: String {
    "'\(path)' comes with the program and stays as it is; measure a copy, which is made with: sdlens convert '\(path)' "
      + "FOLDER --to sdlens"
  }
}
