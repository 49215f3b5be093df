import ArgumentParser
import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensStudy

/// Where stores, dictionaries and results lie.
public struct WorkspaceOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Where activations, dictionaries and results lie. (default: $SDLENS_WORKSPACE, else sdlens-workspace)",
      valueName: "folder"), completion: .directory)
  var workspace: String?

  /// A form to be filled in.
  public init() {}

  /// The folder.
  var folder: String {
    let chosen = ProcessInfo.processInfo.environment["SDLENS_WORKSPACE"].flatMap { $0.isEmpty ? nil : $0 }
    return workspace ?? chosen ?? "sdlens-workspace"
  }

  /// The workspace.
  public var place: Workspace { Workspace(folder) }
}
