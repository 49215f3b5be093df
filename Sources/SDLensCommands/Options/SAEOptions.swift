import ArgumentParser
import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensSparse
import SDLensStudy

/// Which dictionaries.
public struct SAEOptions: ParsableArguments {
  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp(
      "Dictionaries, in any format that convert reads: names in the workspace, folders, or Hugging Face ids in the "
        + "local cache, as surokpro2/sdxl-saes, the paper's own. (default: of the block the one trained last, else the one "
        + "that comes with the model)",
      valueName: "name|folder|id"), completion: .directory)
  var sae: [String] = []

  /// A form to be filled in.
  public init() {}

  /// Where they are looked for; every choice among several is said.
  ///
  /// A run with another sampler has updates of the same kind.
  func lookup(
    _ model: ModelFolder, in workspace: WorkspaceOptions, site: String = "update",
    acrossSamplers: Bool = false, _ progress: Progress
  ) -> DictionaryLookup {
    DictionaryLookup(model, in: workspace.place, site: site, acrossSamplers: acrossSamplers) {
      progress.note($0)
    }
  }

  /// The dictionary of each block, as `DictionaryLookup` finds it.
  public func dictionaries(
    of blocks: [BlockName], model: ModelFolder, in workspace: WorkspaceOptions, site: String = "update",
    acrossSamplers: Bool = false, _ progress: Progress
  ) throws -> [BlockName: DictionaryFolder] {
    try lookup(model, in: workspace, site: site, acrossSamplers: acrossSamplers, progress).dictionaries(
      of: blocks, named: sae)
  }

  /// Those of the named blocks; without names, of those of the paper's four that have one.
  public func dictionaries(
    named blocks: [BlockName], model: ModelFolder, in workspace: WorkspaceOptions, site: String = "update",
    acrossSamplers: Bool = false, _ progress: Progress
  ) throws -> [BlockName: DictionaryFolder] {
    try lookup(model, in: workspace, site: site, acrossSamplers: acrossSamplers, progress).dictionaries(
      ofSome: blocks, named: sae)
  }
}
