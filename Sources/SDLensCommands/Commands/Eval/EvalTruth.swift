import ArgumentParser
import SDLensCore
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
    var job = try TruthJob(
      of: model.folder(), at: measured.block, dictionaries: measured.sae.sae, store: store,
      in: workspace.place, progress)
    (job.pictures, job.pooling, job.seed) = (pictures, pooling, seed)
    let tables = try job.run(command: CommandLine.arguments)
    guard !report.json else { return try Output.print(json: tables) }
    try Output.print(tables.map { $0.text(values: values) }.joined(separator: "\n\n"))
  }
}

extension FactorScorer.Pooling: ExpressibleByArgument {}
