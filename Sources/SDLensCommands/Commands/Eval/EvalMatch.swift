import ArgumentParser
import SDLensDiffusion
import SDLensStudy

/// `sdlens eval match`: two dictionaries of one block.
struct EvalMatch: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "match",
    abstract: "How far two dictionaries of a block found the same features.",
    discussion: """
      The matched cosine of a feature is the largest with a feature of the other dictionary: of \
      dictionaries that differ in their seeds it tells how stable they are (Sharkey et al., 2022). With \
      dictionaries of different size and a store, also absorption: of the vectors on which a feature of \
      the smaller one is active, the share on which its nearest of the larger one is silent while a \
      related feature stands in (after Chanin et al., 2024).
      """)

  @Argument(
    help: ArgumentHelp("A dictionary, in any format that convert reads.", valueName: "folder"),
    completion: .directory)
  var first: String

  @Argument(help: ArgumentHelp("Another one of the same block.", valueName: "folder"), completion: .directory)
  var second: String

  @Option(
    help: ArgumentHelp(
      "Store of activations, for absorption: a name in the workspace, or a folder.", valueName: "name"),
    completion: .directory)
  var store: String?

  @Option(help: "The block, if the dictionaries do not tell.")
  var block: BlockName?

  @Option(
    parsing: .unconditional, help: ArgumentHelp("Pictures of the store to look at, at most.", valueName: "n"))
  var pictures = 500

  @OptionGroup var workspace: WorkspaceOptions
  @OptionGroup var threads: ThreadOptions
  @OptionGroup var report: ReportOptions
  @OptionGroup var quiet: QuietOptions

  func validate() throws {
    guard 1...1 << 30 ~= pictures else {
      throw ValidationError("pictures is \(pictures), but it must be at least 1")
    }
  }

  func run() throws {
    let progress = Progress(quiet: quiet.quiet)
    defer { progress.clear() }
    let found = try DictionaryComparison(
      first, second, block, in: store.map(workspace.place.path(ofStore:)), pictures: pictures, progress)
    try report.json ? Output.print(json: found) : Output.print(found.text)
  }
}
