import ArgumentParser
import SDLensCore
import SDLensStudy

/// A subcommand of `eval` for one metric.
protocol EvalCommand: ParsableCommand {
  static var metric: EvalMetric { get }
  var options: EvalOptions { get }
}

extension EvalCommand {
  func run() throws { try EvalRun(options, Self.metric.rawValue, [Self.metric]).run() }
}

/// A measurement from the options to the report.
struct EvalRun {
  let options: EvalOptions
  let name: String
  let metrics: [EvalMetric]
  /// Which features, where nobody says.
  let features: FeatureChoice

  init(
    _ options: EvalOptions, _ name: String, _ metrics: [EvalMetric], features: FeatureChoice = .random(100)
  ) {
    (self.options, self.name, self.metrics, self.features) = (options, name, metrics, features)
  }

  func run() throws {
    let progress = Progress(quiet: options.quiet.quiet)
    defer { progress.clear() }
    let session = try EvalSession(options, options.features ?? features, progress)
    let job = try EvalJob(name, metrics, session)
    try job.run()
    if job.measurements.isEmpty, let omission = job.omissions.first {
      throw NothingMeasured(metric: omission.metric, block: omission.subject, reason: omission.reason)
    }
    let report = EvalReport(
      job.measurements, job.omissions, model: session.folder, sources: session.sources)
    try report.write(to: job.results)
    try session.writeCaptions(to: job.results)
    try job.results.writeRun(session.folder, session.settings)
    progress.clear()
    progress.note(
      "\(session.archive.made) pictures made; '\(job.results.path)' has the values (CSV, JSON) and plots")
    guard !options.report.json else { return try Output.print(json: report) }
    try Output.print(metrics.count > 1 ? report.paperText : report.text)
  }
}

/// A metric that cannot be measured anywhere.
struct NothingMeasured: UserError {
  let metric: EvalMetric
  let block: String
  let reason: String
  var description: String { "\(metric.rawValue) cannot be measured at \(block): \(reason)" }
}

struct EvalAll: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "all", abstract: "Every number of the paper, in its tables.",
    discussion: """
      Values are M (S): mean and standard deviation over features; of baselines over 100 samples. A metric \
      that lacks something, as weights of LPIPS, is left out and named. Of the newer metrics, density, \
      artefacts and steps are measured along.
      """)
  @OptionGroup var options: EvalOptions
  func run() throws {
    // Monosemanticity looks at most of the recorded pictures: it would take longer than all others together.
    let metrics = EvalMetric.allCases.filter { $0 != .monosemanticity }
    try EvalRun(options, "all", metrics, features: .random(50)).run()
  }
}

struct EvalSpecificity: EvalCommand {
  static let metric = EvalMetric.specificity
  static let configuration = CommandConfiguration(
    commandName: "specificity", abstract: "How alike the pictures are in which a feature is most active.",
    discussion: "The mean CLIP similarity of all pairs of 10 random pictures of a feature's top 5 %.")
  @OptionGroup var options: EvalOptions
}

struct EvalTexture: EvalCommand {
  static let metric = EvalMetric.texture
  static let configuration = CommandConfiguration(
    commandName: "texture", abstract: "Whether features alone make textures.",
    discussion: "The CLIP similarity of \"texture\" and the picture of a feature alone, on the empty prompt.")
  @OptionGroup var options: EvalOptions
}

struct EvalColor: EvalCommand {
  static let metric = EvalMetric.color
  static let configuration = CommandConfiguration(
    commandName: "color", abstract: "How much colours differ where a feature is active.",
    discussion: """
      The Manhattan distance (0 to 765) of pixels to their mean colour, both weighted by the activation, \
      over 10 random pictures of a feature's top 5 %.
      """)
  @OptionGroup var options: EvalOptions
}

struct EvalLocality: EvalCommand {
  static let metric = EvalMetric.locality
  static let configuration = CommandConfiguration(
    commandName: "locality", abstract: "Whether modulating a feature changes pictures where it is active.",
    discussion: """
      The Manhattan distance (0 to 765) of a picture and the one with the feature modulated by -10, -5, 5 \
      and 10, inside the area where the feature is more active than in half of the picture, and outside, \
      where it is not active at all.
      """)
  @OptionGroup var options: EvalOptions
}

struct EvalInterpretability: EvalCommand {
  static let metric = EvalMetric.interpretability
  static let configuration = CommandConfiguration(
    commandName: "interpretability", abstract: "How well captions of features fit their pictures.",
    discussion: """
      The CLIP similarity of a feature's caption and 10 random pictures of its top 5 %. Captions come from \
      captions.jsonl in the dictionary's folder; on shapes those that are missing there are made by a rule and \
      written beside the results.
      """)
  @OptionGroup var options: EvalOptions
}

struct EvalCausality: EvalCommand {
  static let metric = EvalMetric.causality
  static let configuration = CommandConfiguration(
    commandName: "causality", abstract: "Whether a feature alone makes what its caption says.",
    discussion: "The CLIP similarity of a feature's caption and its picture on the empty prompt.")
  @OptionGroup var options: EvalOptions
}

struct EvalSensitivity: EvalCommand {
  static let metric = EvalMetric.sensitivity
  static let configuration = CommandConfiguration(
    commandName: "sensitivity", abstract: "Whether a feature is active where its caption says.",
    discussion: """
      Of the 100 recorded prompts nearest to the caption, the share on whose pictures the feature is \
      active on more than 0, 10 and 30 % of the area.
      """)
  @OptionGroup var options: EvalOptions
}

struct EvalReconstruction: EvalCommand {
  static let metric = EvalMetric.reconstruction
  static let configuration = CommandConfiguration(
    commandName: "reconstruction", abstract: "How much a picture changes when a block is reconstructed.",
    discussion: """
      Mean and median Manhattan distance of pixels (0 to 765), LPIPS, the share of LPIPS that the \
      reconstruction keeps of what leaving out the block takes, and explained variance. The paper's values \
      are those of k = 10 and 5120 features.
      """)
  @OptionGroup var options: EvalOptions
}

struct EvalPosition: EvalCommand {
  static let metric = EvalMetric.position
  static let configuration = CommandConfiguration(
    commandName: "position", abstract: "Whether a block's input tells where a vector stands.",
    discussion: "The accuracy of linear probes for row and column, on pictures that they did not learn from.")
  @OptionGroup var options: EvalOptions
}

struct EvalMonosemanticity: EvalCommand {
  static let metric = EvalMetric.monosemanticity
  static let configuration = CommandConfiguration(
    commandName: "monosemanticity", abstract: "How alike all pictures of a feature are, by activation.",
    discussion: """
      The mean CLIP similarity of all pairs of up to 100 pictures in which a feature is active, weighted \
      by both activations (Pach et al., 2025).
      """)
  @OptionGroup var options: EvalOptions
}

struct EvalDensity: EvalCommand {
  static let metric = EvalMetric.density
  static let configuration = CommandConfiguration(
    commandName: "density", abstract: "How often features are active, and how many never are.")
  @OptionGroup var options: EvalOptions
}

struct EvalArtefacts: EvalCommand {
  static let metric = EvalMetric.artefacts
  static let configuration = CommandConfiguration(
    commandName: "artefacts", abstract: "Whether edits drive updates out of their natural range.",
    discussion: """
      Of the places where a feature is active, the share whose update, with the feature modulated by -10, \
      -5, 5 and 10, is longer than 99.9 % of natural updates; and the longest of them over that limit.
      """)
  @OptionGroup var options: EvalOptions
}

struct EvalSteps: EvalCommand {
  static let metric = EvalMetric.steps
  static let configuration = CommandConfiguration(
    commandName: "steps", abstract: "How far features stay in place over denoising steps.",
    discussion:
      "The mean cosine between a feature's maps in consecutive steps, over its 16 strongest pictures.")
  @OptionGroup var options: EvalOptions
}
