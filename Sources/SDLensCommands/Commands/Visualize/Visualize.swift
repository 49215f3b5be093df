import ArgumentParser

/// `sdlens visualize`: the figures of the paper.
struct Visualize: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Draw the figures of the paper, for any prompts, features and blocks.",
    discussion: """
      Each figure has the paper's settings unless told otherwise, and its prompts in a text file beside it. Without \
      prompts it shows those of the paper; a model that brings prompts of its own shows some of these.
      """,
    subcommands: [
      VisualizePrompt.self, VisualizeFeature.self, VisualizeBlocks.self, VisualizeReconstruction.self,
      VisualizeTransfer.self, VisualizePaint.self, VisualizeAnnotation.self, VisualizeTraining.self,
      VisualizeGallery.self, VisualizeWords.self,
    ])
}
