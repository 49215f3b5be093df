import ArgumentParser
import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensStudy

/// Where stores, dictionaries and results lie.
struct WorkspaceOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Where activations, dictionaries and results lie. (default: $SDLENS_WORKSPACE, else sdlens-workspace)",
      valueName: "folder"), completion: .directory)
  var workspace: String?

  /// The folder.
  var folder: String {
    let chosen = ProcessInfo.processInfo.environment["SDLENS_WORKSPACE"].flatMap { $0.isEmpty ? nil : $0 }
    return workspace ?? chosen ?? "sdlens-workspace"
  }

  /// The workspace.
  var place: Workspace { Workspace(folder) }
}
