import SDLensCore
import SDLensDiffusion
import SDLensSparse

extension MetricSession {
  /// A session on the dictionaries that are meant.
  ///
  /// - Parameters:
  ///   - named: without any, those of the paper's four that have dictionaries.
  ///   - names: of dictionaries; without any, the newest of each block.
  ///   - store: the name of a store; nil for the one that fits.
  ///   - folder: where pictures and embeddings are kept; nil for the workspace.
  ///   - acrossModels: whether dictionaries and a store that are named may be of other models.
  ///   - takesFew: whether fewer recorded pictures than a measurement needs are enough.
  ///   - say: told of files that are passed over, from any thread.
  /// - Throws: what is wrong with any of the folders, `TooFewPictures`.
  public convenience init(
    _ model: ModelFolder, at named: [BlockName], dictionaries names: [String], store name: String?,
    settings: MetricSettings, in workspace: Workspace, keptIn folder: String? = nil,
    acrossModels: Bool = false, takesFew: Bool = false,
    progress: any MetricProgress, say: @escaping @Sendable (String) -> Void
  ) throws {
    let lookup = DictionaryLookup(model, in: workspace, acrossModels: acrossModels) { progress.note($0) }
    let dictionaries = try lookup.together(
      lookup.dictionaries(ofSome: named, named: names), isNamed: !named.isEmpty)
    let blocks = dictionaries.keys.sorted()
    try settings.features.check(dictionaries)
    let stores = StoreLookup(model, in: workspace, acrossModels: acrossModels) { progress.note($0) }
    let fingerprint = try model.fingerprint().description
    let isForeign = blocks.contains {
      (dictionaries[$0]?.saved.modelFingerprint).map { $0 != fingerprint } ?? false
    }
    // What a dictionary of another model was measured on is of that model; a store of this one comes first.
    let given = try name.map(stores.named) ?? (isForeign ? stores.best(of: blocks) : nil)
    let own =
      isForeign && given != nil ? nil : blocks.compactMap { dictionaries[$0]?.pictures }.first
    let store = try given ?? (own.map(stores.store(of:)) ?? stores.best(of: blocks))
    if !takesFew {
      if let store { try progress.checkSize(of: store, blocks: blocks, isNamed: name != nil) }
      if let own, let path = dictionaries[blocks[0]]?.path {
        try progress.checkSize(
          of: "what '\(path)' was measured on", own.prompts.count, blocks: blocks, isNamed: name != nil)
      }
    }
    if let recorded = try own ?? store.map({ try RecordedPictures($0) }) {
      for block in blocks {
        let used = VectorSteps([recorded.manifest.vectorSteps.steps.last ?? 0], of: recorded.manifest.steps)
        if let dictionary = dictionaries[block] { progress.noteSteps(of: dictionary, usedAt: used) }
      }
    }
    try self.init(
      model, dictionaries: dictionaries, store: store,
      recorded: own ?? store.map { try RecordedPictures($0) },
      settings: settings, workspace: folder ?? workspace.folder, progress: progress, say: say)
  }
}

extension MetricProgress {
  /// Refuses a store that is too small to measure anything on; of one that somebody named it is said.
  ///
  /// - Throws: `TooFewPictures`.
  func checkSize(of store: ActivationStore, blocks: [BlockName], isNamed: Bool) throws {
    try checkSize(of: "'\(store.folder)'", store.pictures, blocks: blocks, isNamed: isNamed)
  }

  func checkSize(of source: String, _ pictures: Int, blocks: [BlockName], isNamed: Bool) throws {
    guard let problem = TooFewPictures(of: source, pictures: pictures, blocks: blocks) else { return }
    guard isNamed else { throw problem }
    note(problem.note)
  }
}
