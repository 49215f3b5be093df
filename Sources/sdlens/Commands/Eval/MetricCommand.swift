import ArgumentParser
import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensSparse
import SDLensStudy

/// The subcommand of `eval` for a metric.
public struct MetricCommand<M: Metric>: ParsableCommand {
  /// Of what the metric says of itself.
  public static var configuration: CommandConfiguration {
    CommandConfiguration(commandName: M.name, abstract: M.abstract, discussion: M.discussion)
  }

  @OptionGroup var options: EvalOptions

  /// A form to be filled in.
  public init() {}

  /// Measures, writes the results and prints them.
  public func run() throws { try options.measure([M.self], as: M.name) }
}

extension MetricCommand: ResumableCommand {}

/// The command of a metric of which only the type is known.
func metricCommand<M: Metric>(_ metric: M.Type) -> any ParsableCommand.Type { MetricCommand<M>.self }

/// `sdlens eval all`.
struct EvalAll: ResumableCommand {
  static let configuration = CommandConfiguration(
    commandName: "all", abstract: "Every number of the paper, in its tables.",
    discussion: """
      Values are M (S): mean and standard deviation over features; of baselines over 100 samples. A metric \
      that lacks something, as weights of LPIPS, is left out and named. Of the newer metrics, density, \
      artefacts and steps are measured along.
      """)
  @OptionGroup var options: EvalOptions
  func run() throws {
    try options.measure(Metrics.all.filter { !$0.isSlow }, as: "all", features: .random(50))
  }
}

extension EvalOptions {
  /// Measures, writes the results and prints them; `features` are those where nobody says which.
  func measure(
    _ metrics: [any Metric.Type], as name: String, features: FeatureChoice = .random(100)
  ) throws {
    let progress = Progress(quiet: quiet.quiet)
    defer { progress.clear() }
    let session = try session(features, progress)
    let results = try ResultFolder(name, settings: session.key, in: workspace.folder)
    let run = try MetricRun(metrics, in: session, keeping: results("done.jsonl"))
    try run.run()
    progress.clear()
    let report = MetricReport(run)
    try report.write(to: results)
    for (block, captions) in session.madeCaptions.sorted(by: { $0.key < $1.key }) {
      let path = results("captions-\(block).jsonl")
      try FeatureCaptions(captions.map { FeatureCaption(feature: $0, caption: $1) }).write(to: path)
      progress.note("'\(path)' has captions of \(captions.count) features, made by a rule")
    }
    try results.writeRun(CommandLine.arguments, session.model, session.key)
    progress.note(
      "\(session.archive.made) pictures made; '\(results.path)' has the values (CSV, JSON) and plots")
    guard !self.report.json else { return try Output.print(json: report) }
    try Output.print(metrics.count > 1 ? report.paperText : report.text)
  }

  /// What is measured, and with what.
  private func session(_ features: FeatureChoice, _ progress: Progress) throws -> MetricSession {
    var settings = MetricSettings()
    (settings.features, settings.pictures, settings.seed) = (self.features ?? features, pictures, seed)
    (settings.clip, settings.lpips, settings.sentences, settings.textures) = (
      encoders.clip, encoders.lpips, encoders.sentences, encoders.textures
    )
    return try measured.session(
      try model.folder(), settings, store: store, in: workspace, quiet: quiet, progress)
  }
}

extension MeasuredOptions {
  /// A session on the dictionaries that are meant.
  ///
  /// - Parameters:
  ///   - store: the name of a store; nil for the one that fits.
  ///   - takesFew: whether fewer recorded pictures than a measurement needs are enough.
  /// - Throws: what is wrong with any of the folders, `TooFewPictures`.
  func session(
    _ model: ModelFolder, _ settings: MetricSettings, store name: String?, in workspace: WorkspaceOptions,
    quiet: QuietOptions, takesFew: Bool = false, _ progress: Progress
  ) throws -> MetricSession {
    let found = try sae.dictionaries(named: block, model: model, in: workspace, progress)
    let dictionaries = try sae.lookup(model, in: workspace, progress).together(found, isNamed: !block.isEmpty)
    let blocks = dictionaries.keys.sorted()
    try settings.features.check(dictionaries)
    let lookup = StoreLookup(model, in: workspace.place) { progress.note($0) }
    let own = blocks.compactMap { dictionaries[$0]?.pictures }.first
    let store = try name.map(lookup.named) ?? (own.map(lookup.store(of:)) ?? lookup.best(of: blocks))
    if !takesFew {
      if let store { try progress.checkSize(of: store, blocks: blocks, isNamed: name != nil) }
      if let own, let path = dictionaries[blocks[0]]?.path {
        try progress.checkSize(
          of: "what '\(path)' was measured on", own.prompts.count, blocks: blocks, isNamed: name != nil)
      }
    }
    let isQuiet = quiet.quiet
    return try MetricSession(
      model, dictionaries: dictionaries, store: store,
      recorded: own ?? store.map { try RecordedPictures($0) },
      settings: settings, workspace: workspace.folder, progress: progress
    ) { Progress(quiet: isQuiet).note($0) }
  }
}

extension Progress: MetricProgress {
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
