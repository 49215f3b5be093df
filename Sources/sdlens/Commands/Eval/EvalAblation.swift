import ArgumentParser
import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensDrawing
import SDLensStudy

/// `sdlens eval ablation`: what each block carries, on `shapes`.
struct EvalAblation: ResumableCommand {
  static let configuration = CommandConfiguration(
    commandName: "ablation",
    abstract: "What pictures of shapes lose without a block.",
    discussion: """
      Prompts that the model never saw are run as they are, then without the update of each block. A small \
      network trained on renders only, the judge, reads the pictures: the table has the share of its answers \
      that are right, for every object (shape, colour, size, texture) or picture (places, background), and \
      how far pictures change relative to the change between prompt and empty prompt.
      """)

  @Option(
    parsing: .upToNextOption, help: ArgumentHelp("Transformer blocks. (default: all)", valueName: "block"))
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
    try folder.check(block)
    let blocks = try block.isEmpty ? folder.blocks : Set(block).sorted()
    var settings = try judged.settings(prompts, folder)
    settings["steps"] = "\(steps)"
    settings["blocks"] = blocks.map(\.description).joined(separator: ", ")
    let results = try ResultFolder("ablation", settings: settings, in: workspace.folder)
    let done = try ResultCache<BlockAblation.PromptResult>(results("done.jsonl"))
    progress.count(to: (0..<prompts.count).count { !done.has("\($0)") }, unit: "prompts")
    let found = try (0..<prompts.count).map { index in
      try done.value("\(index)") {
        defer { progress.advance("removing blocks") }
        return try BlockAblation.measure(index, of: prompts, without: blocks)
      }
    }
    progress.clear()
    let table = AblationTable(
      prompts: prompts.count, rows: BlockAblation.summary(found, blocks: blocks),
      emptyChange: Bootstrap.mean(found.map(\.emptyChange)),
      emptyChangeInterval: Estimate(meanOf: found.map(\.emptyChange))?.interval,
      sources: try Provenance(folder))
    try results.write(table.csv, to: "ablation.csv")
    try JSON.write(table, to: results("ablation.json"))
    try table.plot.write(to: results("ablation.png"))
    try results.writeRun(CommandLine.arguments, folder, settings)
    progress.note("'\(results.path)' has the table (CSV, JSON) and a plot")
    guard !report.json else { return try Output.print(json: table) }
    try Output.print(table.text)
  }
}

/// What `eval ablation` found.
struct AblationTable: Encodable {
  let prompts: Int
  let rows: [BlockAblation.Row]
  /// The mean absolute difference of samples (0…1) between the pictures of prompt and empty prompt.
  let emptyChange: Double
  let emptyChangeInterval: [Double]?
  let sources: Provenance

  private static let unedited = "none"

  var text: String {
    func line(_ title: String, _ row: BlockAblation.Row, _ cell: (Estimate?) -> String) -> [String] {
      let cells = BlockAblation.factors.map { cell(row.accuracy[$0.rawValue]) }
      return [title] + cells + [row.block == nil ? "" : cell(row.change)]
    }
    let lines = rows.flatMap { row in
      [
        line(row.block ?? Self.unedited, row) { $0.map { String(format: "%.3f", $0.value) } ?? "–" },
        line("  95 %", row) { estimate in
          estimate?.interval.map { $0.map { String(format: "%.2f", $0) }.joined(separator: "–") } ?? ""
        },
      ]
    }
    return """
      Right answers of the judge without a block, and change of the picture, \(Units.grouped(prompts)) prompts
      \(Table(left: [0], [["Removed"] + BlockAblation.factors.map(\.rawValue) + ["change"]] + lines).text)
      1 is the change between prompt and empty prompt, \(String(format: "%.3f", emptyChange)) of the range of samples.
      """
  }

  /// A line for each number, with its interval.
  var csv: [[String]] {
    func line(_ row: BlockAblation.Row, _ measure: String, _ estimate: Estimate?) -> [String]? {
      estimate.map { estimate in
        [row.block ?? Self.unedited, measure, String(format: "%.6f", estimate.value), "\(estimate.n)"]
          + (estimate.interval?.map { String(format: "%.6f", $0) } ?? ["", ""])
      }
    }
    return [["removed", "measure", "value", "n", "low", "high"]]
      + rows.flatMap { row in
        BlockAblation.factors.compactMap { line(row, $0.rawValue, row.accuracy[$0.rawValue]) }
          + [line(row, "change", row.change)].compactMap(\.self)
      }
  }

  var plot: Plot {
    Plot(
      title: "Right answers without a block",
      x: Axis(categories: rows.map { $0.block ?? Self.unedited }), y: Axis("share", range: 0...1),
      series: BlockAblation.factors.map { factor in
        .bars(factor.rawValue, y: rows.map { $0.accuracy[factor.rawValue]?.value ?? .nan })
      })
  }
}

/// Which prompts are judged.
struct JudgedOptions: ParsableArguments {
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Prompts to take from the model's held-out.txt, at most.", valueName: "n"))
  var limit = 200

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Seed of the noise of the first prompt; the next has the next. (default: 42)", valueName: "n"),
    transform: Seed.init(argument:))
  var seed: Seed = 42

  func validate() throws { try checkOption("limit", limit, 1...1 << 20) }

  /// What decides the results.
  func settings(_ prompts: JudgedPrompts, _ model: ModelFolder) throws -> [String: String] {
    [
      "model": try model.fingerprint().description, "judge": prompts.judge.fingerprint.description,
      "prompts": prompts.fingerprint, "seed": "\(seed)",
    ]
  }
}
