import ArgumentParser
import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensSparse

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

  /// The folder of the stores of activations.
  var activations: String { folder + "/activations" }
  /// A store: the name of one in the workspace, or a folder.
  func path(ofStore store: String) -> String {
    let path = "\(activations)/\(store)"
    return !store.contains("/") && FileManager.default.fileExists(atPath: path) ? path : store
  }

  /// The folder of the dictionaries of a block.
  func dictionaries(of block: BlockName) -> String { "\(folder)/saes/\(block)" }
}
