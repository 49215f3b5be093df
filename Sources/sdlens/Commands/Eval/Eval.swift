import ArgumentParser

/// `sdlens eval`: every number of the paper.
struct Eval: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Measure dictionaries and their features.",
    discussion: """
      Results go to the workspace, results/<metric>-<number>, as table (CSV), JSON and plot; the number stands for \
      model, dictionaries and settings. What is there already is not computed again, so that a measurement that was \
      stopped goes on.
      """,
    groupedSubcommands: [CommandGroup(name: "Against known truth", subcommands: [EvalTruth.self])])
}
