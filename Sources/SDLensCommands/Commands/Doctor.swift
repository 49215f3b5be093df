import ArgumentParser
import Foundation
import SDLensCore
import SDLensStudy

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
    let diagnosis = Diagnosis(measured: Self.measured)
    try report.json ? Output.print(json: diagnosis) : Output.print(diagnosis.text)
    if !diagnosis.isUsable { throw ExitCode.failure }
  }

  /// Asks a second copy of this program.
  private static func measured(coreType: String?) -> Diagnosis.Rate? {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
    process.arguments = ["doctor", "--rate-only", "--threads", "\(Parallel.threads)"]
    process.environment = ProcessInfo.processInfo.environment.filter { $0.key != "OPENBLAS_CORETYPE" }
    process.environment?["OPENBLAS_CORETYPE"] = coreType
    let answer = Pipe()
    process.standardOutput = answer
    guard (try? process.run()) != nil else { return nil }
    let data = answer.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return try? JSONDecoder().decode(Diagnosis.Rate.self, from: data)
  }
}
