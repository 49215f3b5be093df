import SDLensCore
import SDLensDiffusion

extension Ablation {
  /// Trains and measures what is not done yet, and writes table, JSON, plots and `run.json` into the workspace.
  ///
  /// - Parameters:
  ///   - clip: a folder or id of CLIP; nil for the model's own.
  ///   - command: how it is asked for, to be kept in `run.json`.
  /// - Throws: as `AblationRun`; `FileError`, `PictureError`.
  public func run(
    of model: ModelFolder, prompts: PromptList, in workspace: Workspace, clip: String?, command: [String],
    _ progress: any MetricProgress
  ) throws -> AblationReport {
    progress.stage("reading the model")
    let run = try AblationRun(
      self, of: model, prompts: prompts, in: workspace, clip: clip, progress: progress)
    let left = try run.expectation()
    progress.note(
      "\(left.dictionaries) dictionaries: \(left.trainings) to train and \(left.measurements) to measure, "
        + "\(Units.grouped(left.pictures)) pictures to record: about \(Units.time(left.time))")
    let found = try run.report()
    progress.clear()
    var settings = run.settings
    settings["blocks"] = blocks.map(\.description).joined(separator: ", ")
    settings["variants"] = variants.map { "\($0.name) \($0.site)" }.joined(separator: ", ")
    settings["seeds"] = "\(seeds.count) from \(seeds[0])"
    settings["measures"] = measures.map(\.rawValue).joined(separator: ", ")
    let results = try ResultFolder("ablate-\(name)", settings: settings, in: workspace.folder)
    try found.write(to: results)
    try results.writeRun(command, model, settings)
    progress.note(
      "'\(results.path)' has the table (CSV, JSON) and plots; the dictionaries are in '\(run.kept.path)'")
    return found
  }
}
