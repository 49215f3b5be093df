import ArgumentParser
import SDLensStudy

/// `sdlens list`: what there is to work with.
struct List: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "List the stores, dictionaries and results of a workspace.",
    discussion: """
      A star marks the dictionary of a block that commands take when none is named. Those that come with the embedded \
      model are taken where the workspace has none of its own.
      """)

  @OptionGroup var workspace: WorkspaceOptions
  @OptionGroup var report: ReportOptions

  func run() throws {
    let contents = try WorkspaceContents(workspace.place)
    try report.json ? Output.print(json: contents) : Output.print(contents.text)
    if !contents.problems.isEmpty { throw ExitCode.failure }
  }
}
