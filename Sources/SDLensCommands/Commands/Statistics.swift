import ArgumentParser
import SDLensDiffusion
import SDLensStudy

/// `sdlens statistics`: how the features of a dictionary behave on recorded activations.
struct Statistics: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Measure the features of a dictionary on a store.",
    discussion: """
      Writes statistics and examples of every feature beside the dictionary, as train-sae does: for a dictionary \
      that comes from elsewhere, or that was trained on a stream.
      """)

  @Option(
    help: ArgumentHelp(
      """
      The dictionary, in any format that convert reads: a name in the workspace, a folder, or a Hugging Face id in the \
      local cache; --block says which of several.
      """, valueName: "name|folder|id"), completion: .directory)
  var sae: String

  @Option(
    help: ArgumentHelp("Store of activations: a name in the workspace, or a folder.", valueName: "name"),
    completion: .directory)
  var store: String

  @Option(help: "The block, if the dictionary does not tell.")
  var block: BlockName?

  @Flag(
    help:
      "Keep of each feature the pictures of its top 5 % only, at least ten, and no maps: a hundredth of the size."
  )
  var compact = false

  @OptionGroup var workspace: WorkspaceOptions
  @OptionGroup var threads: ThreadOptions
  @OptionGroup var report: ReportOptions
  @OptionGroup var quiet: QuietOptions

  func run() throws {
    let progress = Progress(quiet: quiet.quiet)
    defer { progress.clear() }
    let found = try StatisticsReport(
      measuring: sae, block, on: store, in: workspace.place, isCompact: compact, progress)
    try report.json ? Output.print(json: found) : Output.print(found.text)
  }
}
