import ArgumentParser
import SDLensCore
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
    let progress = Progress(quiet: shared.quiet.quiet)
    defer { progress.clear() }
    let job = try FigureJob(shared, name: "feature-\(block)", progress) { folder in
      try sae.dictionaries(of: [block], model: folder, in: shared.workspace, progress)
    }
    let betas = beta?.values ?? [-6, 6]
    var chosen = features
    if features.isEmpty {
      job.trying(EffectiveFeatures.tries(for: 6))
      let strongest = betas.max { abs($0) < abs($1) } ?? 0
      chosen = try EffectiveFeatures.modulated(6, of: block, by: strongest, job.darkroom)
    }
    var figure = FeatureFigure(block, features: chosen, job.settings)
    figure.betas = betas
    figure.gammas = gamma?.values ?? figure.gammas
    figure.examples = examples ?? figure.examples
    figure.cellWidth = shared.figure.cell ?? figure.cellWidth
    try job.draw(try figure.figure(job.darkroom))
  }
}
