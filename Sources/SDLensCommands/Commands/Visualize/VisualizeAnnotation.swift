import ArgumentParser
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
    try shared.draw("annotation-\(block)", sae, at: [block]) { job in
      var figure = AnnotationFigure(
        block, features: try features.isEmpty ? job.telling(1, of: block) : features)
      figure.examples = examples
      return try figure.figure(job.renderer)
    }
  }
}
