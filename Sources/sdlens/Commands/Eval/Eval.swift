import ArgumentParser

/// `sdlens eval`: every number of the paper.
struct Eval: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Measure dictionaries and their features.",
    discussion: """
      Results go to the workspace, results/<metric>-<number>, as table (CSV), JSON and plot; the number \
      stands for model, dictionaries and settings. What is there already is not computed again, so that a \
      measurement that was stopped goes on.
      """,
    groupedSubcommands: [
      CommandGroup(
        name: "Paper",
        subcommands: [
          EvalAll.self, EvalSpecificity.self, EvalTexture.self, EvalColor.self, EvalLocality.self,
          EvalInterpretability.self, EvalCausality.self, EvalSensitivity.self, EvalReconstruction.self,
          EvalPosition.self,
        ]),
      CommandGroup(
        name: "Newer",
        subcommands: [
          EvalMonosemanticity.self, EvalDensity.self, EvalArtefacts.self, EvalSteps.self, EvalMatch.self,
        ]),
      CommandGroup(
        name: "Truth", subcommands: [EvalTruth.self, EvalAblation.self, EvalSteering.self]),
    ])
}
