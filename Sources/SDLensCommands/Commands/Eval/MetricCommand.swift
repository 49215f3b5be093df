import ArgumentParser
import SDLensCore
import SDLensDiffusion
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
    let session = try session(features, across: metrics.allSatisfy { $0.goesAcrossModels }, progress)
    let report = try MetricReport(
      of: metrics, as: name, in: session, workspace.place, command: CommandLine.arguments)
    guard !self.report.json else { return try Output.print(json: report) }
    try Output.print(metrics.count > 1 ? report.paperText : report.text)
  }

  /// What is measured, and with what.
  private func session(
    _ features: FeatureChoice, across acrossModels: Bool, _ progress: Progress
  ) throws -> MetricSession {
    var settings = MetricSettings()
    (settings.features, settings.pictures, settings.seed) = (self.features ?? features, pictures, seed)
    (settings.clip, settings.lpips, settings.sentences, settings.textures) = (
      encoders.clip, encoders.lpips, encoders.sentences, encoders.textures
    )
    return try measured.session(
      try model.folder(), settings, store: store, in: workspace, acrossModels: acrossModels, quiet: quiet,
      progress)
  }
}

extension Progress: MetricProgress {}

extension MeasuredOptions {
  /// A session on the dictionaries that are meant.
  func session(
    _ model: ModelFolder, _ settings: MetricSettings, store: String?, in workspace: WorkspaceOptions,
    keptIn folder: String? = nil, acrossModels: Bool = false, quiet: QuietOptions, takesFew: Bool = false,
    _ progress: Progress
  ) throws -> MetricSession {
    let isQuiet = quiet.quiet
    return try MetricSession(
      model, at: block, dictionaries: sae.sae, store: store, settings: settings, in: workspace.place,
      keptIn: folder, acrossModels: acrossModels, takesFew: takesFew, progress: progress
    ) { Progress(quiet: isQuiet).note($0) }
  }
}
