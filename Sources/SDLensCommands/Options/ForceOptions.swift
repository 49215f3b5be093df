import ArgumentParser
import SDLensStudy

/// Whether what is there may go.
struct ForceOptions: ParsableArguments {
  @Flag(help: "Replace results of another run, instead of refusing or taking another name.")
  var force = false
}

extension OutputPlace {
  /// The words that make the results of this command its own.
  static var request: RunRecord.Request { RunRecord.Request(Array(CommandLine.arguments.dropFirst())) }
}
