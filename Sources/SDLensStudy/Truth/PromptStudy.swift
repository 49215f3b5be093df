import SDLensCore
import SDLensDiffusion
import SDLensDrawing

/// Something that is measured on each prompt that `shapes` never learned from, at some blocks, and summed up.
public protocol PromptStudy {
  /// What came of one prompt.
  associatedtype PromptResult: Codable
  /// What came of all.
  associatedtype Table: PromptTable
  /// The name of its results.
  static var name: String { get }
  /// What is going on, for people.
  static var doing: String { get }
  /// Runs a prompt and measures it.
  static func measure(_ index: Int, of prompts: JudgedPrompts, at blocks: [BlockName]) throws -> PromptResult
  /// Sums up all prompts.
  static func table(of results: [PromptResult], blocks: [BlockName], _ sources: Provenance) -> Table
}

/// What a study of prompts found.
public protocol PromptTable: Encodable {
  /// The table, for people.
  var text: String { get }
  /// A line for each number with its interval; the first has the names of the columns.
  var csv: [[String]] { get }
  /// Bars.
  var plot: Plot { get }
}

extension PromptStudy {
  /// Measures every prompt, kept prompt by prompt, and writes table, JSON, plot and `run.json` into the workspace.
  ///
  /// - Parameters:
  ///   - blocks: which; nil for all of the model.
  ///   - limit: prompts to take, from the first on.
  ///   - seed: that of the first prompt.
  ///   - command: how it is asked for, to be kept in `run.json`.
  /// - Throws: as `JudgedPrompts` and `measure`; `FileError`.
  public static func run(
    of model: ModelFolder, at blocks: [BlockName]?, limit: Int, seed: Seed, steps: Int,
    in workspace: Workspace, command: [String], _ progress: any MetricProgress
  ) throws -> Table {
    progress.stage("reading the model")
    let prompts = try JudgedPrompts(of: model, limit: limit, seed: seed, steps: steps)
    try model.check(blocks ?? [])
    let blocks = try blocks ?? model.blocks
    var settings = try prompts.key(of: model)
    settings["steps"] = "\(steps)"
    settings["blocks"] = blocks.map(\.description).joined(separator: ", ")
    let results = try ResultFolder(name, settings: settings, in: workspace.folder)
    let done = try ResultCache<PromptResult>(results("done.jsonl"))
    progress.count(to: (0..<prompts.count).count { !done.has("\($0)") }, unit: "prompts")
    let found = try (0..<prompts.count).map { index in
      try done.value("\(index)") {
        defer { progress.advance(doing, by: 1) }
        return try measure(index, of: prompts, at: blocks)
      }
    }
    progress.clear()
    let table = try table(of: found, blocks: blocks, Provenance(model))
    try results.write(table.csv, to: "\(name).csv")
    try JSON.write(table, to: results("\(name).json"))
    try table.plot.write(to: results("\(name).png"))
    try results.writeRun(command, model, settings)
    progress.note("'\(results.path)' has the table (CSV, JSON) and a plot")
    return table
  }
}
