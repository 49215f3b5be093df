import ArgumentParser
import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensSparse
import SDLensStudy

/// `sdlens eval truth`: features against the known factors of `shapes`.
struct EvalTruth: ResumableCommand {
  static let configuration = CommandConfiguration(
    commandName: "truth",
    abstract: "How well single features tell the factors of shapes.",
    discussion: """
      For every value of every factor, as in colour red, the feature with the largest area under the ROC \
      curve is chosen on one half of the pictures and measured on the other. The table has the mean over a \
      factor's values, for pictures (is there a red object?) and for places (is it here?); 0.5 is chance, \
      1 is perfect.

      Beside each dictionary: the best of as many random directions as it has features, with the same k (what \
      they tell as well, no dictionary has found); principal components; raw channels; a linear probe and the \
      difference of the means with and without the value, which use all channels together. n is the number of \
      pictures measured on; the 95 % intervals are of pictures drawn anew.

      Then every value gets a candidate of its own, those whose correlations add up to most (MCC is their mean). \
      Unique is the share of different candidates among the best of each value; precision, recall and F1 are those \
      of the candidate as a detector; absorbed is the share of positives on which it is silent while a feature with \
      a related direction is active; split is over how many features a value is spread (k-sparse probes); shrinkage \
      below 1 says that reconstructions are too short.
      """)

  @OptionGroup var measured: MeasuredOptions

  @Option(
    help: ArgumentHelp(
      "Store of activations: a name in the workspace, or a folder. (default: the largest that fits, "
        + "else 5000 of the model's own prompts are recorded)",
      valueName: "name"), completion: .directory)
  var store: String?

  @Option(parsing: .unconditional, help: ArgumentHelp("Pictures to look at, at most.", valueName: "n"))
  var pictures = 2000

  @Option(help: "What stands for a picture: the largest or the mean activation of its map.")
  var pooling = FactorScorer.Pooling.max

  @Flag(help: "Print every value of every factor, with the feature that tells it best.")
  var values = false

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Seed of the random directions. (default: 42)", valueName: "n"),
    transform: Seed.init(argument:))
  var seed: Seed = 42

  @OptionGroup var workspace: WorkspaceOptions
  @OptionGroup var model: ModelOptions
  @OptionGroup var threads: ThreadOptions
  @OptionGroup var report: ReportOptions
  @OptionGroup var quiet: QuietOptions

  func validate() throws {
    guard 4...1 << 30 ~= pictures else {
      throw ValidationError("pictures is \(pictures), but it must be at least 4")
    }
  }

  func run() throws {
    let progress = Progress(quiet: quiet.quiet)
    defer { progress.clear() }
    let folder = try model.folder()
    guard folder.paintsShapes else {
      throw NotOfShapes(store: folder.name, reason: "is another model")
    }
    let lookup = StoreLookup(folder, in: workspace.place) { progress.note($0) }
    let named = try store.map(lookup.named)
    let dictionaries = try measured.all(
      model: folder, in: workspace, site: named?.manifest.site ?? "update", progress)
    let blocks = Set(dictionaries.map(\.block)).sorted()
    let store =
      try named
      ?? CollectionJob.store(named: nil, of: blocks, folder, in: workspace.place, progress)
    _ = try FactorStudy.scenes(of: store)
    try progress.checkSize(of: store, blocks: blocks, isNamed: self.store != nil)
    let sources = try Provenance(
      folder, dictionaries: dictionaries.map { .init($0.folder, of: $0.block) }, store: store)
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
    try results.writeRun(CommandLine.arguments, folder, settings)
    progress.note("'\(results.path)' has the table (CSV, JSON) and a plot of each block")
    guard !report.json else { return try Output.print(json: tables) }
    try Output.print(tables.map { $0.text(values: values) }.joined(separator: "\n\n"))
  }
}

extension FactorScorer.Pooling: ExpressibleByArgument {}

extension MeasuredOptions {
  /// Every dictionary that is meant: all that are named, or the newest of each block.
  ///
  /// - Throws: as `dictionaries`.
  func all(
    model: ModelFolder, in workspace: WorkspaceOptions, site: String, _ progress: Progress
  ) throws -> [(block: BlockName, name: String, folder: DictionaryFolder)] {
    func named(_ found: [BlockName: DictionaryFolder]) -> [(BlockName, String, DictionaryFolder)] {
      found.sorted { $0.key < $1.key }.map { block, folder in
        (block, URL(fileURLWithPath: folder.path).lastPathComponent, folder)
      }
    }
    guard !sae.sae.isEmpty else {
      return named(try sae.dictionaries(named: block, model: model, in: workspace, site: site, progress))
    }
    return try sae.sae.flatMap { name in
      var one = SAEOptions()
      one.sae = [name]
      var (found, problem): ([BlockName: DictionaryFolder], (any Error)?) = ([:], nil)
      for block in block.isEmpty ? BlockName.all : Set(block).sorted() {
        do {
          found.merge(
            try one.dictionaries(of: [block], model: model, in: workspace, site: site, progress)
          ) { $1 }
        } catch { problem = problem ?? error }
      }
      // A name may mean one dictionary in each block; one that fits nowhere is an error.
      if found.isEmpty, let problem { throw problem }
      return named(found)
    }
  }
}
