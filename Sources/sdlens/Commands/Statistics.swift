import ArgumentParser
import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensSparse
import SDLensStudy

/// `sdlens statistics`: how the features of a dictionary behave on recorded activations.
struct Statistics: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Measure the features of a dictionary on a store.",
    discussion: """
      Writes statistics and examples of every feature beside the dictionary, as train-sae does: for a dictionary \
      that comes from elsewhere, or that was trained on a stream.
      """)

  @Option(
    help: ArgumentHelp(
      "The dictionary, in any format that convert reads: a folder, or a name in the workspace.",
      valueName: "folder|name"), completion: .directory)
  var sae: String

  @Option(
    help: ArgumentHelp("Store of activations: a name in the workspace, or a folder.", valueName: "name"),
    completion: .directory)
  var store: String

  @Option(help: "The block, if the dictionary does not tell.")
  var block: BlockName?

  @Flag(
    help:
      "Keep of each feature the pictures of its top 5 % only, at least ten, and no maps: a hundredth of the size."
  )
  var compact = false

  @OptionGroup var workspace: WorkspaceOptions
  @OptionGroup var threads: ThreadOptions
  @OptionGroup var report: ReportOptions
  @OptionGroup var quiet: QuietOptions

  /// What is reported.
  struct Result: Encodable {
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
  }

  func run() throws {
    let progress = Progress(quiet: quiet.quiet)
    defer { progress.clear() }
    let sae = workspace.place.path(ofDictionary: sae, block)
    if let model = try? ModelFolder(ModelFolder.embedded), sae.hasPrefix(model.dictionaries) {
      throw EmbeddedStays(path: sae)
    }
    let saved = try SavedAutoencoder.read(sae)
    progress.notes(saved.notes)
    guard let block = block?.description ?? saved.block else { throw BlockUnknown(path: sae) }
    let store = try ActivationStore(workspace.place.path(ofStore: store))
    if let site = saved.site, site != store.manifest.site {
      throw StoreOfAnotherSite(store: store.folder, found: store.manifest.site, dictionary: sae, needed: site)
    }
    progress.count(to: store.pictures, unit: "pictures")
    let survey = try DictionarySurvey(of: saved.autoencoder, block: block, in: store) {
      progress.advance("measuring", by: $0)
    }
    try DictionaryFolder.write(survey, of: store, to: sae, isCompact: compact)
    let (k, l0) = (saved.autoencoder.k, survey.statistics.l0)
    let count = k ?? max(1, Int(l0.rounded()))
    let result = Result(
      dictionary: sae, fingerprint: saved.autoencoder.contentFingerprint.description, block: block,
      store: store.folder, storePictures: store.pictures, vectors: survey.statistics.vectors,
      explainedVariance: survey.variance.global, meanExplainedVariance: survey.variance.perDimension, k: k,
      l0: l0,
      componentsExplainedVariance: survey.components?.explainedVariance(of: count),
      componentsMeanExplainedVariance: survey.components?.meanExplainedVariance(of: count),
      neverActiveShare: Double(survey.statistics.dead.count) / Double(survey.statistics.features))
    progress.clear()
    if result.explainedVariance == nil {
      progress.note("The vectors of \(block) are all equal, so there is no variance to explain")
    }
    guard !report.json else { return try Output.print(json: result) }
    func percent(_ share: Double?) -> String { share.map { "\(Units.rounded($0 * 100)) %" } ?? "undefined" }
    try Output.print(
      Table(
        left: [0],
        [
          ["Dictionary", "\(sae) \(result.fingerprint)"],
          ["Store", "\(result.store), \(result.storePictures) pictures"],
          ["Vectors", Units.grouped(result.vectors)],
          ["Explained variance", percent(result.explainedVariance)],
          ["  mean over dimensions", percent(result.meanExplainedVariance)],
          ["Active in a vector", Units.rounded(l0)],
          ["By \(count) principal components", percent(result.componentsExplainedVariance)],
          ["  mean over dimensions", percent(result.componentsMeanExplainedVariance)],
          ["Features never active", percent(result.neverActiveShare)],
        ]
      ).text)
  }
}

/// A dictionary of which nobody knows whose updates it explains.
struct BlockUnknown: UserError {
  let path: String
  var description: String { "'\(path)' does not tell its block; say it with --block, as in --block down.2.1" }
}

/// A store of another site of its blocks than a dictionary is of.
struct StoreOfAnotherSite: UserError {
  let store, found, dictionary, needed: String
  var description: String {
    "'\(store)' has the \(found) of its blocks, but the dictionary '\(dictionary)' is of the \(needed); name a store "
      + "of that with --store"
  }
}

/// Something to be written beside a dictionary that comes with the program.
struct EmbeddedStays: UserError {
  let path: String
  var description: String {
    "'\(path)' comes with the program and stays as it is; measure a copy, which is made with: sdlens convert '\(path)' "
      + "FOLDER --to sdlens"
  }
}
