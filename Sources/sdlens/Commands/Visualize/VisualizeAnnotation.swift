import ArgumentParser
import SDLensCore
import SDLensDiffusion
import SDLensStudy

/// `sdlens visualize annotation`.
struct VisualizeAnnotation: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "annotation",
    abstract: "What an annotator sees of a feature (Fig. 11).",
    discussion: """
      Rows of recorded pictures: some without the feature; some that activate it by 10 to 90 % of the strongest, and \
      their cold maps, in which all fades to white where the feature is weak or not active; the strongest pictures, \
      their cold maps and their heat maps.
      """)

  @Argument(
    help: ArgumentHelp(
      "Features. (default: one that changes pictures, and that at most half of them have)", valueName: "n"))
  var features: [Int] = []

  @Option(help: ArgumentHelp("The transformer block.", valueName: "block"))
  var block = BlockName.studied[0]

  @Option(parsing: .unconditional, help: ArgumentHelp("Pictures in a row.", valueName: "n"))
  var examples = 9

  @OptionGroup var sae: SAEOptions
  @OptionGroup var shared: SharedFigureOptions

  func validate() throws { try checkOption("examples", examples, 1...50) }

  func run() throws {
    let progress = Progress(quiet: shared.quiet.quiet)
    defer { progress.clear() }
    let job = try FigureJob(shared, name: "annotation-\(block)", progress) { folder in
      try sae.dictionaries(of: [block], model: folder, in: shared.workspace, progress)
    }
    var chosen = features
    if features.isEmpty {
      job.trying(EffectiveFeatures.tries(for: 1))
      // Of a dictionary whose features all are nearly everywhere, one of these.
      for share in [0.5, 1] where chosen.isEmpty {
        chosen = try EffectiveFeatures.modulated(
          1, of: block, by: -6, activeInAtMost: share, job.darkroom)
      }
    }
    var figure = AnnotationFigure(block, features: chosen)
    figure.examples = examples
    figure.cellWidth = shared.figure.cell ?? figure.cellWidth
    try job.draw(try figure.figure(job.darkroom))
  }
}
