import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensSparse

extension CollectionJob {
  /// Prompts that are recorded when nobody says how many.
  public static let usualLimit = 5000

  /// Plans the recording of blocks, together with the paper's four, which takes no longer, into a store of the workspace
  /// that has its name from what it holds.
  ///
  /// - Throws: what is wrong with the model.
  public init(
    of blocks: [BlockName], _ model: ModelFolder, _ prompts: PromptList, _ settings: RunSettings,
    in workspace: Workspace
  ) throws {
    let all = try model.blocks.filter { BlockName.studied.contains($0) || blocks.contains($0) }
    let others = all.filter { !BlockName.studied.contains($0) }.map { "-\($0)" }.joined()
    self.init(
      model: model, prompts: prompts, request: Collector.Request(blocks: all), settings: settings,
      store: "\(workspace.activations)/\(model.folderTitle)-update\(others)-\(prompts.prompts.count)")
  }

  /// The store, recorded where nothing suitable was there, which is said.
  ///
  /// - Throws: as `run`.
  public func newStore(_ progress: any MetricProgress) throws -> ActivationStore {
    if !FileManager.default.fileExists(atPath: store) {
      progress.note("Nothing suitable is collected yet; recording \(prompts.prompts.count) prompts first")
    }
    return try ActivationStore(run(progress).store)
  }

  /// The store that is named, else the best that fits, else the usual number of the model's own prompts, recorded now.
  ///
  /// - Throws: as `StoreLookup.find`, `TooLittleMemory`, and what is wrong with the model.
  public static func store(
    named name: String?, of blocks: [BlockName], _ model: ModelFolder, in workspace: Workspace,
    _ progress: any MetricProgress
  ) throws -> ActivationStore {
    let lookup = StoreLookup(model, in: workspace) { progress.note($0) }
    if let store = try name.map(lookup.named) ?? lookup.best(of: blocks) { return store }
    let size = try model.pictureSize
    let settings = try RunSettings(seed: 42, height: size, width: size)
    try progress.checkMemory(of: model, settings, decodes: false)
    return try CollectionJob(
      of: blocks, model, PromptList(of: model, limit: usualLimit), settings, in: workspace
    ).newStore(progress)
  }
}
