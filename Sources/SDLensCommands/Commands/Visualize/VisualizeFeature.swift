import ArgumentParser
import SDLensDiffusion
import SDLensStudy

/// `sdlens visualize feature`.
struct VisualizeFeature: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "feature",
    abstract: "What single features do to pictures that have them (Fig. 6, 7 and 8).",
    discussion: """
      For each feature some random pictures of its top 5 %, a row each: modulated by β, as it is, and its heat map; \
      then a row of the feature alone on the empty prompt, by γ. For mid.0 and up.0.0, which hardly act there, the \
      paper has a third picture instead.
      """)

  @Argument(
    help: ArgumentHelp(
      "Features. (default: six of the strongest, which change pictures most)", valueName: "n"))
  var features: [Int] = []

  @Option(help: ArgumentHelp("The transformer block.", valueName: "block"))
  var block = BlockName.studied[0]

  @Option(
    parsing: .unconditional, help: ArgumentHelp("Factors of modulation. (default: -6,6)", valueName: "beta,…")
  )
  var beta: NumberList?

  @Option(
    name: [.long, .customLong("empty-context")], parsing: .unconditional,
    help: ArgumentHelp("Strengths on the empty prompt. (default: 0.5,1,2)", valueName: "gamma,…"))
  var gamma: NumberList?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Pictures of each feature. (default: 2; 3 for mid.0 and up.0.0)", valueName: "n"))
  var examples: Int?

  @OptionGroup var sae: SAEOptions
  @OptionGroup var shared: SharedFigureOptions

  func validate() throws {
    try checkOption("examples", examples, 1...100)
    try beta?.check { .modulate(feature: 0, beta: $0) }
    try gamma?.check { .emptyContext(feature: 0, gamma: $0) }
  }

  func run() throws {
    let betas = beta?.values ?? [-6, 6]
    try shared.draw("feature-\(block)", sae, at: [block]) { job in
      let strongest = betas.max { abs($0) < abs($1) } ?? 0
      let chosen = try features.isEmpty ? job.modulated(6, of: block, by: strongest) : features
      var figure = FeatureFigure(block, features: chosen, job.settings)
      figure.betas = betas
      figure.gammas = gamma?.values ?? figure.gammas
      figure.examples = examples ?? figure.examples
      return try figure.figure(job.renderer)
    }
  }
}
