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
      CommandGroup(name: "Run", subcommands: [Generate.self, Prompts.self, Info.self, Doctor.self]),
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
      CommandGroup(name: "Look", subcommands: [Features.self, Visualize.self]),
      CommandGroup(name: "Intervene", subcommands: [Intervene.self]),
      CommandGroup(name: "Measure", subcommands: [Eval.self]),
    ])

  static func main() {
    process_catch_faults()
    Interruption.prepare()
    main(nil)
  }
}
