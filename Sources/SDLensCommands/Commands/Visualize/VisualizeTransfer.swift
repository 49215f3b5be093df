import ArgumentParser
import SDLensDiffusion
import SDLensStudy

/// `sdlens visualize transfer`.
struct VisualizeTransfer: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "transfer",
    abstract: "What features do on unrelated prompts (Fig. 9).",
    discussion: """
      A row for each feature, which is added at all places of other prompts' pictures. The first column shows where \
      the feature comes from, under its heat map: the prompt of --from, or for given features the recorded picture \
      in which each is strongest.
      """)

  @Argument(
    help: ArgumentHelp("Features. (default: of the strongest of --from those that do most)", valueName: "n"))
  var features: [Int] = []

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Prompt that the features come from. (default: the paper's sloth)", valueName: "text"))
  var from: String?

  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp("Prompts that they are added to. (default: the paper's three)", valueName: "text"))
  var prompt: [String] = []

  @Option(help: ArgumentHelp("The transformer block.", valueName: "block"))
  var block = BlockName.studied[0]

  @Option(parsing: .unconditional, help: ArgumentHelp("Features of --from.", valueName: "n"))
  var top = 6

  @Option(
    name: [.long, .customLong("add")], parsing: .unconditional,
    help: ArgumentHelp(
      "How strongly, in units of the mean activation. (default: the k of the dictionary, as in eq. 11)",
      valueName: "strength"))
  var strength: Double?

  @OptionGroup var sae: SAEOptions
  @OptionGroup var shared: SharedFigureOptions

  func validate() throws {
    try checkOption("top", top, 1...100)
    if let strength {
      try NumberList([strength]).check { .add(feature: 0, strength: $0, mask: .everywhere) }
    }
    if from != nil, !features.isEmpty {
      throw ValidationError("--from chooses the features; leave it out, or the features")
    }
  }

  func run() throws {
    try shared.draw("transfer-\(block)", sae, at: [block]) { job in
      // Taken together, so that a model with prompts of its own has four different ones.
      let defaults = try job.prompts().instead(of: [FigurePrompts.sloth] + FigurePrompts.unrelated)
      let source = features.isEmpty ? job.scenes([from ?? defaults[0]])[0] : nil
      let scenes = job.scenes(prompt.isEmpty ? Array(defaults.dropFirst()) : prompt)
      let strength = try strength ?? job.strength(at: block)
      let chosen =
        try source.map { try job.added(top, from: $0, to: scenes, of: block, strength: strength) } ?? features
      return try TransferFigure(chosen, of: block, from: source, on: scenes, strength: strength)
        .figure(job.renderer)
    }
  }
}
