import ArgumentParser
import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensDrawing
import SDLensStudy

/// `sdlens eval words`: whether words act where their objects are, on `shapes`.
struct EvalWords: ResumableCommand {
  static let configuration = CommandConfiguration(
    commandName: "words",
    abstract: "Whether words of shapes act where their objects are.",
    discussion: """
      Prompts that the model never saw are run, and the cross-attention maps of the words for shape, colour and place \
      are compared with the area of the object that they are said of: the area under the ROC curve over the places of \
      a map, per word, 0.5 being chance. Beside it stands what the same maps reach against an object of another prompt's \
      picture, and against the other object of their own. 'all' is the mean of the maps of all eleven blocks.
      """)

  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp("Transformer blocks. (default: the paper's four)", valueName: "block"))
  var block: [BlockName] = []

  @OptionGroup var judged: JudgedOptions

  @Option(parsing: .unconditional, help: ArgumentHelp("Denoising steps.", valueName: "n"))
  var steps = 1

  @OptionGroup var workspace: WorkspaceOptions
  @OptionGroup var model: ModelOptions
  @OptionGroup var threads: ThreadOptions
  @OptionGroup var report: ReportOptions
  @OptionGroup var quiet: QuietOptions

  func run() throws {
    let progress = Progress(quiet: quiet.quiet)
    defer { progress.clear() }
    let folder = try model.folder()
    progress.stage("reading the model")
    let prompts = try JudgedPrompts(of: folder, limit: judged.limit, seed: judged.seed, steps: steps)
    let blocks = block.isEmpty ? BlockName.studied : Set(block).sorted()
    var settings = try judged.settings(prompts, folder)
    settings["steps"] = "\(steps)"
    settings["blocks"] = blocks.map(\.description).joined(separator: ", ")
    let results = try ResultFolder("words", settings: settings, in: workspace.folder)
    let done = try ResultCache<WordTruth.PromptResult>(results("done.jsonl"))
    progress.count(to: (0..<prompts.count).count { !done.has("\($0)") }, unit: "prompts")
    let found = try (0..<prompts.count).map { index in
      try done.value("\(index)") {
        defer { progress.advance("looking at words") }
        return try WordTruth.measure(index, of: prompts, at: blocks)
      }
    }
    progress.clear()
    let table = WordTable(
      prompts: prompts.count, rows: WordTruth.summary(found, blocks: blocks), sources: try Provenance(folder))
    try results.write(table.csv, to: "words.csv")
    try JSON.write(table, to: results("words.json"))
    try table.plot.write(to: results("words.png"))
    try results.writeRun(CommandLine.arguments, folder, settings)
    progress.note("'\(results.path)' has the table (CSV, JSON) and a plot")
    guard !report.json else { return try Output.print(json: table) }
    try Output.print(table.text)
  }
}

/// What `eval words` found.
struct WordTable: Encodable {
  let prompts: Int
  let rows: [WordTruth.Row]
  let sources: Provenance

  /// The names of the three columns, and what stands in them.
  private static let columns: [(name: String, estimate: @Sendable (WordTruth.Row) -> Estimate?)] = [
    ("own object", { $0.own }), ("another prompt's", { $0.elsewhere }), ("the other object", { $0.other }),
  ]

  var text: String {
    func cell(_ estimate: Estimate?) -> String {
      guard let estimate else { return "–" }
      let interval = estimate.interval.map { " [\(String(format: "%.3f, %.3f", $0[0], $0[1]))]" } ?? ""
      return String(format: "%.3f", estimate.value) + interval
    }
    let lines = rows.map { row in
      [row.block, row.factor, "\(row.own?.n ?? 0)"] + Self.columns.map { cell($0.estimate(row)) }
    }
    return """
      AUROC of the maps of words against the area of an object, \(Units.grouped(prompts)) prompts (95 % intervals)
      \(Table(left: [0, 1], [["Block", "Word", "n"] + Self.columns.map(\.name)] + lines).text)
      """
  }

  /// A line for each number, with its interval.
  var csv: [[String]] {
    [["block", "word", "object", "auroc", "n", "low", "high"]]
      + rows.flatMap { row in
        Self.columns.compactMap { name, estimate in
          estimate(row).map { estimate in
            [row.block, row.factor, name, String(format: "%.6f", estimate.value), "\(estimate.n)"]
              + (estimate.interval?.map { String(format: "%.6f", $0) } ?? ["", ""])
          }
        }
      }
  }

  var plot: Plot {
    let blocks = rows.map(\.block).reduce(into: [String]()) { if $0.last != $1 { $0.append($1) } }
    return Plot(
      title: "Words against the area of their object",
      x: Axis(categories: blocks), y: Axis("AUROC", range: 0...1),
      series: WordTruth.factors.map { factor in
        .bars(
          factor.rawValue,
          y: rows.filter { $0.factor == factor.rawValue }.map { $0.own?.value ?? .nan })
      })
  }
}
