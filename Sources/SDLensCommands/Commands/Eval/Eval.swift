import ArgumentParser
import SDLensStudy

/// `sdlens eval`: every number of the paper.
struct Eval: ParsableCommand {
  static var configuration: CommandConfiguration {
    CommandConfiguration(
      abstract: "Measure dictionaries and their features.",
      discussion: """
        Results go to the workspace, results/<metric>-<number>, as table (CSV), JSON and plot; the number \
        stands for model, dictionaries and settings. What is there already is not computed again, so that a \
        measurement that was stopped goes on.
        """,
      groupedSubcommands: [
        CommandGroup(name: "Paper", subcommands: [EvalAll.self] + Metrics.paper.map { metricCommand($0) }),
        CommandGroup(
          name: "Newer", subcommands: Metrics.newer.map { metricCommand($0) } + [EvalMatch.self]),
        CommandGroup(
          name: "Truth", subcommands: [EvalTruth.self, EvalAblation.self, EvalSteering.self, EvalWords.self]),
      ] + SDLens.Additions.group(\.metrics))
  }
}
