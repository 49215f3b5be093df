import ArgumentParser

/// `sdlens ablate`.
struct Ablate: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Compare ways to make dictionaries, each trained several times.",
    discussion: """
      Every variant is trained once for each seed and measured on pictures that it has not learned from. Tables \
      have means over the seeds; the 95 % intervals, by Student's t, are of other seeds with the same pictures.
      """,
    subcommands: [AblateRepresentation.self, AblateArchitecture.self])
}
