import ArgumentParser
import SDLensCore

/// `sdlens doctor`: whether this machine is ready, and what slows it.
struct Doctor: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Check processor, libraries, memory and models, and say what slows the program.",
    discussion: "The exit code is 0 when pictures can be made.")

  @OptionGroup var threads: ThreadOptions
  @OptionGroup var report: ReportOptions

  /// How the program measures itself in another environment.
  @Flag(help: .hidden) var rateOnly = false

  func run() throws {
    if rateOnly { return try Output.print(json: Diagnosis.Rate()) }
    let diagnosis = Diagnosis()
    try report.json ? Output.print(json: diagnosis) : Output.print(diagnosis.text)
    if !diagnosis.isUsable { throw ExitCode.failure }
  }
}
