import SDLensCore
import SDLensDiffusion
import SDLensSparse

/// The work of `eval truth`: dictionaries against the factors of recorded pictures of `shapes`, kept block by block.
public struct TruthJob {
  private let model: ModelFolder
  private let dictionaries: [(block: BlockName, name: String, folder: DictionaryFolder)]
  private let store: ActivationStore
  private let workspace: Workspace
  private let progress: any MetricProgress
  /// Pictures of the store, at most.
  public var pictures = 2000
  /// What stands for a picture.
  public var pooling = FactorScorer.Pooling.max
  /// Of the random directions.
  public var seed: Seed = 42

  /// Finds dictionaries and store; records one where nothing is recorded.
  ///
  /// - Parameters:
  ///   - blocks: without any, those of the paper's four that have dictionaries.
  ///   - names: of dictionaries, also of other models; without any, the newest of each block.
  ///   - store: the name of a store; nil for the one that fits.
  /// - Throws: `NotOfShapes`, `TooFewPictures`, and as `DictionaryLookup` and `CollectionJob.store`.
  public init(
    of model: ModelFolder, at blocks: [BlockName], dictionaries names: [String], store name: String?,
    in workspace: Workspace, _ progress: any MetricProgress
  ) throws {
    guard model.paintsShapes else { throw NotOfShapes(store: model.name, reason: "is another model") }
    (self.model, self.workspace, self.progress) = (model, workspace, progress)
    let named = try name.map(StoreLookup(model, in: workspace) { progress.note($0) }.named)
    dictionaries = try DictionaryLookup(
      model, in: workspace, site: named?.manifest.site ?? "update", acrossModels: true
    ) {
      progress.note($0)
    }.all(of: blocks, named: names)
    let blocks = Set(dictionaries.map(\.block)).sorted()
    store = try named ?? CollectionJob.store(named: nil, of: blocks, model, in: workspace, progress)
    _ = try FactorStudy.scenes(of: store)
    try progress.checkSize(of: store, blocks: blocks, isNamed: name != nil)
  }

  /// Measures every block, and writes the tables as CSV and JSON, a plot of each and `run.json` into the workspace.
  ///
  /// - Parameter command: how it is asked for, to be kept in `run.json`.
  /// - Throws: as `FactorStudy`; `FileError`.
  public func run(command: [String]) throws -> [TruthTable] {
    let blocks = Set(dictionaries.map(\.block)).sorted()
    let sources = try Provenance(
      model, dictionaries: dictionaries.map { try .init($0.folder, of: $0.block, on: model) }, store: store)
    let settings = sources.settings.merging([
      "pictures": "\(min(pictures, store.pictures))", "pooling": pooling.rawValue, "seed": "\(seed)",
    ]) { $1 }
    let results = try ResultFolder("truth", settings: settings, in: workspace.folder)
    let done = try ResultCache<TruthTable>(results("done.jsonl"))
    progress.count(
      to: 2 * min(pictures, store.pictures) * blocks.count { !done.has("\($0)") }, unit: "pictures")
    let tables = try blocks.map { block in
      try done.value("\(block)") {
        let own = dictionaries.filter { $0.block == block }
        return TruthTable(
          "\(block)",
          try FactorStudy(
            of: "\(block)", in: store, dictionaries: own.map { ($0.name, $0.folder.autoencoder) },
            pooling: pooling, limit: pictures, seed: seed
          ) { progress.advance("\(block)", by: $0) }, sources: sources.of(block))
      }
    }
    progress.clear()
    try results.write([TruthTable.columns] + tables.flatMap(\.csv), to: "truth.csv")
    try results.write(
      [TruthMatches.columns] + tables.flatMap { $0.matches.csv($0.block) }, to: "truth-matches.csv")
    try results.write(
      [TruthMatches.meanColumns] + tables.flatMap { $0.matches.meansCSV($0.block) },
      to: "truth-means.csv")
    try JSON.write(tables, to: results("truth.json"))
    for table in tables { try table.plot.write(to: results("truth-\(table.block).png")) }
    try results.writeRun(command, model, settings)
    progress.note("'\(results.path)' has the table (CSV, JSON) and a plot of each block")
    return tables
  }
}
