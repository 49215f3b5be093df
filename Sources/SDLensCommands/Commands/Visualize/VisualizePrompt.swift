import ArgumentParser
import SDLensDiffusion
import SDLensStudy

/// `sdlens visualize prompt`.
struct VisualizePrompt: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "prompt",
    abstract: "What the strongest features of a prompt do (Fig. 1 and 5).",
    discussion: """
      A row for each feature: its heat map, the picture with the feature modulated by β (A), the feature alone on \
      the empty prompt by γ (B), and the recorded pictures in which it is strongest, under its heat map (C). Fig. 1 \
      has the top 5 features of each block, Fig. 5 the top 9.
      """)

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "What the picture shows; may be empty. (default: the paper's sloth)", valueName: "text"))
  var prompt: String?

  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp(
      "Transformer blocks. (default: those of the paper's four with dictionaries)", valueName: "block"))
  var block: [BlockName] = []

  @Option(parsing: .unconditional, help: ArgumentHelp("Features of each block.", valueName: "n"))
  var top = 5

  @Option(
    parsing: .unconditional, help: ArgumentHelp("Factors of modulation. (default: -6,6)", valueName: "beta,…")
  )
  var beta: NumberList?

  @Option(
    name: [.long, .customLong("empty-context")], parsing: .unconditional,
    help: ArgumentHelp("Strengths on the empty prompt. (default: 1)", valueName: "gamma,…"))
  var gamma: NumberList?

  @Option(parsing: .unconditional, help: ArgumentHelp("Recorded pictures of each feature.", valueName: "n"))
  var examples = 2

  @OptionGroup var sae: SAEOptions
  @OptionGroup var shared: SharedFigureOptions

  func validate() throws {
    try checkOption("top", top, 1...100)
    try checkOption("examples", examples, 0...16)
    try beta?.check { .modulate(feature: 0, beta: $0) }
    try gamma?.check { .emptyContext(feature: 0, gamma: $0) }
  }

  func run() throws {
    try shared.draw("prompt", sae, at: block, prompt: prompt) { job in
      let scene = job.scenes([try prompt ?? job.prompts().instead(of: [FigurePrompts.sloth])[0]])[0]
      let blocks = job.renderer.dictionaries.keys.sorted()
      var figure = PromptFigure(scene, features: try job.strongest(top, on: scene, of: blocks))
      figure.betas = beta?.values ?? figure.betas
      figure.gammas = gamma?.values ?? figure.gammas
      figure.examples = examples
      return try figure.figure(job.renderer)
    }
  }
}
