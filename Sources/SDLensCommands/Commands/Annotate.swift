import ArgumentParser
import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensEncoders
import SDLensSparse
import SDLensStudy

/// `sdlens annotate`: what features mean, in words.
struct Annotate: ResumableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Say in words what features mean, and how well the words fit.",
    discussion: """
      Without more, CLIP chooses of each feature the phrase that tells its strongest pictures best from pictures in \
      which it is not active: of a file (--vocabulary), or of the world of shapes. --endpoint asks a language model \
      that sees pictures, as the paper does: 5 pictures without the feature, 9 from weak to strong, the 5 strongest, \
      and what is left of them where the feature is active. Its key is read from SDLENS_API_KEY and written nowhere; \
      every answer is kept, and not asked for again; --estimate says before what it costs. --export makes sheets for \
      people, --import reads what they wrote, or labels that others have published.

      Captions are written into captions.jsonl beside a dictionary of the workspace, those of any other into its \
      captions/FINGERPRINT.jsonl; what other sources said stays. Scores are of pictures that the annotator did not see, beside captions of other features, drawn at random. Detection: which of 5 pictures with \
      the feature and 5 without does the caption fit? Fuzzing: does it fit what is left of a picture where the feature is \
      active, or where it is not? (0.5 is chance.) Truth, on shapes: does it name a value that the feature tells with \
      an AUROC of .9? In scores.csv is each caption with its scores.
      """)

  @OptionGroup(title: "Who says it") var source: AnnotatorOptions
  @OptionGroup(title: "Endpoint") var endpoint: EndpointOptions
  @OptionGroup var measured: MeasuredOptions

  @Option(
    help: ArgumentHelp(
      "Which features: alive, all, random:n of those that are active, or a list, as in 3,10-20. (default: alive; of an "
        + "endpoint or export random:20, of an import all)", valueName: "choice"))
  var features: FeatureChoice?

  @Option(
    help: "Who says which pictures a caption fits: clip, endpoint or none. (default: clip, if there is one)")
  var judge: Judge?

  @Flag(help: "Also measure the paper's interpretability, causality and sensitivity of the captions.")
  var paperScores = false

  @Option(
    help: ArgumentHelp(
      "Store of activations: a name in the workspace, or a folder. (default: the largest that fits)",
      valueName: "name"), completion: .directory)
  var store: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Decides which features and pictures. (default: 42)", valueName: "n"),
    transform: Seed.init(argument:))
  var seed: Seed = 42

  @OptionGroup var estimation: EstimateOptions
  @OptionGroup var workspace: WorkspaceOptions
  @OptionGroup var model: ModelOptions
  @OptionGroup var threads: ThreadOptions
  @OptionGroup var report: ReportOptions
  @OptionGroup var quiet: QuietOptions

  /// Who judges.
  enum Judge: String, CaseIterable, ExpressibleByArgument { case clip, endpoint, none }

  func validate() throws {
    try endpoint.check()
    let chosen = [
      ("--endpoint", endpoint.endpoint), ("--export", source.export), ("--import", source.import),
    ].filter { $0.1 != nil }.map(\.0)
    guard chosen.count < 2 else {
      throw ValidationError(
        "\(chosen.joined(separator: " and ")) are two ways to say what features mean; give one")
    }
    guard source.source == nil || source.import != nil else {
      throw ValidationError("--source names the labels of --import; give --import too")
    }
    guard source.vocabulary == nil || chosen.isEmpty else {
      throw ValidationError("--vocabulary has phrases that CLIP chooses from; leave it out with \(chosen[0])")
    }
    guard !endpoint.dryRun || !estimation.estimate else {
      throw ValidationError(
        "--dry-run and --estimate both say what it will take, with and without files; give one")
    }
    guard judge != .endpoint || endpoint.endpoint != nil else {
      throw ValidationError("--judge endpoint asks the model of --endpoint; give --endpoint too")
    }
  }

  /// What is reported of a dry run.
  struct DryRun: Encodable {
    let folder: String
    let estimate: EndpointAnnotator.Estimate
  }

  func run() throws {
    let progress = Progress(quiet: quiet.quiet)
    defer { progress.clear() }
    let vocabulary = try source.vocabulary.map { try Vocabulary(contentsOf: $0) }
    if let address = endpoint.endpoint { try ChatEndpoint.check(address) }
    if estimation.estimate { return try estimate(vocabulary, progress) }
    let session = try session(progress)
    if let folder = source.export { return try export(session, to: folder, progress) }
    let encoder = session.captionEncoder(phrases(vocabulary, session))
    var key = session.sources.settings
    key["annotator"] =
      endpoint.endpoint.map { "\($0) \(endpoint.annotatorModel ?? "")" } ?? source.import
      ?? "clip \(session.clip?.fingerprint.description ?? "") \(phrases(vocabulary, session).fingerprint)"
    let results = try ResultFolder("annotate", settings: key, in: workspace.folder)
    let annotator = try annotator(session, encoder, keeping: results("answers.jsonl"))
    let asking = annotator as? EndpointAnnotator
    if endpoint.dryRun, let asking { return try dryRun(asking, session, results, progress) }
    let found = try AnnotationReport(
      of: annotator, judge: captionJudge(annotator, encoder), measuresPaper: paperScores, in: session,
      results, key,
      command: CommandLine.arguments)
    try report.json ? Output.print(json: found) : Output.print(found.text)
  }

  /// What the chosen features are asked with.
  ///
  /// - Parameter folder: where pictures are kept; nil for the workspace.
  private func session(keptIn folder: String? = nil, _ progress: Progress) throws -> MetricSession {
    var settings = MetricSettings()
    settings.features = features ?? (source.import != nil ? .all : takesEffort ? .random(20) : .alive)
    (settings.seed, settings.clip) = (seed, source.clip)
    return try measured.session(
      try model.folder(), settings, store: store, in: workspace, keptIn: folder, quiet: quiet, takesFew: true,
      progress)
  }

  /// What CLIP chooses from.
  private func phrases(_ vocabulary: Vocabulary?, _ session: MetricSession) -> Vocabulary {
    vocabulary ?? (session.model.paintsShapes ? .shapes : .none)
  }

  /// Who says which pictures a caption fits.
  private func captionJudge(_ annotator: any Annotator, _ encoder: CaptionEncoder?) -> (any CaptionJudge)? {
    switch judge {
    case .endpoint?: annotator as? EndpointAnnotator
    case .clip?, nil: encoder
    case Judge.none?: nil
    }
  }

  /// Says what all will take, with a few pictures in a folder that is taken away.
  private func estimate(_ vocabulary: Vocabulary?, _ progress: Progress) throws {
    try AtomicFolder.scratch(beside: "\(Disk.nearest(to: workspace.folder))/annotate") { scratch in
      let session = try session(keptIn: scratch, progress)
      if let folder = source.export {
        progress.stage("drawing a few pictures")
        let chosen = Dictionary(uniqueKeysWithValues: session.blocks.map { ($0, session.features(of: $0)) })
        let estimate = try SheetExport(session.laboratory).estimate(chosen, to: folder)
        progress.clear()
        return try report.print(estimate)
      }
      let encoder = session.captionEncoder(phrases(vocabulary, session))
      let annotator = try annotator(session, encoder, keeping: "\(scratch)/answers.jsonl", phrases: 8)
      let annotation = Annotation(annotator, judge: captionJudge(annotator, encoder), in: session)
      annotation.measuresPaper = paperScores
      let estimate = try annotation.estimate(in: workspace.place)
      progress.clear()
      try report.json ? Output.print(json: estimate) : Output.print(estimate.text)
    }
  }

  private var takesEffort: Bool { endpoint.endpoint != nil || source.export != nil }

  /// Who says what features mean.
  ///
  /// - Parameters:
  ///   - answers: where those of an endpoint are kept.
  ///   - count: takes the first phrases only.
  private func annotator(
    _ session: MetricSession, _ encoder: CaptionEncoder?, keeping answers: String, phrases count: Int = .max
  ) throws -> any Annotator {
    if let path = source.import {
      let name = source.source ?? URL(fileURLWithPath: path).deletingPathExtension().lastPathComponent
      return try ImportedLabels(
        contentsOf: path, source: name, features: session.dictionaries.mapValues(\.autoencoder.features))
    }
    if let endpoint = try endpoint.endpoint(keeping: answers) { return endpoint }
    guard let encoder, !encoder.vocabulary.entries.isEmpty else {
      throw NobodyAnnotates(model: session.model.name, hasCLIP: session.clip != nil)
    }
    return try CLIPAnnotator(encoder, phrases: count)
  }

  private func export(_ session: MetricSession, to folder: String, _ progress: Progress) throws {
    let chosen = Dictionary(uniqueKeysWithValues: session.blocks.map { ($0, session.features(of: $0)) })
    progress.count(to: chosen.values.reduce(0) { $0 + $1.count }, unit: "sheets")
    try SheetExport(session.laboratory).write(chosen, to: folder) { progress.advance("drawing sheets") }
    progress.clear()
    let path = "\(folder)/\(SheetExport.fileName)"
    progress.note("Write captions into '\(path)'; then: sdlens annotate --import \(path)")
    try report.json
      ? Output.print(json: ["captions": path, "folder": folder]) : Output.print(path)
  }

  private func dryRun(
    _ annotator: EndpointAnnotator, _ session: MetricSession, _ results: ResultFolder, _ progress: Progress
  ) throws {
    let (folder, estimate) = try Annotation.dryRun(annotator, in: session, results)
    progress.clear()
    guard !report.json else { return try Output.print(json: DryRun(folder: folder, estimate: estimate)) }
    try Output.print("\(folder)\n\(estimate.text)")
  }
}
