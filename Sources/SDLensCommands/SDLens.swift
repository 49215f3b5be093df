import ArgumentParser
import CProcess
import SDLensCore
import SDLensStudy
import Synchronization

/// The program: its commands, and what a package of its own adds to them.
public struct SDLens: ParsableCommand {
  /// The commands, in groups.
  public static var configuration: CommandConfiguration {
    CommandConfiguration(
      commandName: "sdlens",
      abstract: "Looks inside SDXL-Turbo with sparse autoencoders.",
      version: "sdlens \(Version.current)",
      groupedSubcommands: groups + Additions.group(\.commands))
  }

  private static let groups = [
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
  ]

  /// A form to be filled in.
  public init() {}

  /// Does what this process's command line says, and ends the process if that fails.
  public static func main() { main(adding: Additions()) }

  /// The same, with commands of one's own.
  public static func main(adding additions: Additions) {
    Additions.current.withLock { $0 = additions }
    process_catch_faults()
    var arguments: Arguments?
    do {
      try ProcessLimits.check()
      Interruption.prepare()
      arguments = try Arguments(of: Self.self)
      try arguments?.checkEmpty()
      var command = try parseAsRoot(arguments?.words)
      arguments = nil
      Interruption.running(command)
      try command.run()
    } catch {
      let command = arguments?.command ?? (error as? UnknownCommand)?.parents.last
      leave(arguments?.unknownOption() ?? SystemProblem.explained(error), command ?? Self.self)
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

extension SDLens {
  /// What a program of one's own adds to the commands.
  public struct Additions: Sendable {
    /// Commands beside `generate` and the others.
    let commands: [any ParsableCommand.Type]
    /// Subcommands of `eval`.
    let metrics: [any ParsableCommand.Type]

    /// - Parameters:
    ///   - metrics: each a subcommand of `eval`, with its table, plot and results.
    ///   - commands: each a word beside `generate` and the others.
    public init(metrics: [any Metric.Type] = [], commands: [any ParsableCommand.Type] = []) {
      self.commands = commands
      self.metrics = metrics.map { metricCommand($0) }
    }

    fileprivate static let current = Mutex(Additions())

    /// A group of what was added; none where nothing was.
    static func group(_ commands: KeyPath<Additions, [any ParsableCommand.Type]>) -> [CommandGroup] {
      let added = current.withLock { $0 }[keyPath: commands]
      return added.isEmpty ? [] : [CommandGroup(name: "Added", subcommands: added)]
    }
  }
}
