import ArgumentParser
import CProcess
import SDLensCore

@main
struct SDLens: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "sdlens",
    abstract: "Looks inside SDXL-Turbo with sparse autoencoders.",
    version: "sdlens \(Version.current)",
    groupedSubcommands: [
      CommandGroup(
        name: "Run", subcommands: [Generate.self, Prompts.self, List.self, Info.self, Doctor.self]),
      CommandGroup(
        name: "Learn",
        subcommands: [
          Collect.self,
          Import.self,
          TrainSAE.self,
          Statistics.self,
          Convert.self,
          Encode.self,
        ]),
      CommandGroup(name: "Look", subcommands: [Features.self, Visualize.self, Explore.self]),
      CommandGroup(name: "Intervene", subcommands: [Intervene.self]),
      CommandGroup(
        name: "Measure",
        subcommands: [Eval.self, Ablate.self, Annotate.self, Probe.self, Reproduce.self]),
    ])

  static func main() {
    process_catch_faults()
    var arguments: Arguments?
    do {
      try TooLittleMemory.checkForThreads()
      Interruption.prepare()
      arguments = try Arguments(of: Self.self)
      try arguments?.checkEmpty()
      var command = try parseAsRoot(arguments?.words)
      arguments = nil
      Interruption.running(command)
      try command.run()
    } catch {
      leave(arguments?.unknownOption() ?? SystemProblem.explained(error), arguments?.command ?? Self.self)
    }
  }

  /// Says why the program ends, and ends it.
  private static func leave(_ error: any Error, _ command: any ParsableCommand.Type) -> Never {
    if let mistake = error as? any UsageError {
      let usage = usageString(for: command)
      // As ArgumentParser ends its own messages.
      let name = usage.split(separator: " ").prefix {
        !$0.hasPrefix("[") && !$0.hasPrefix("<") && !$0.hasPrefix("-")
      }
      Output.printError(
        "Error: \(mistake)\nUsage: \(usage)\n  See '\(name.joined(separator: " ")) --help' for more information."
      )
      exit(withError: ExitCode.validationFailure)
    }
    let text = fullMessage(for: error)
    guard exitCode(for: error).isSuccess else {
      if !text.isEmpty { Output.printError(text) }
      exit(withError: ExitCode(exitCode(for: error).rawValue))
    }
    do {
      try Output.print(text)
    } catch {
      Output.printError("Error: \(error)")
      exit(withError: ExitCode.failure)
    }
    exit()
  }
}
