import SDLensCore
import SDLensDiffusion
import SDLensDrawing

extension BlockAblation: PromptStudy {
  /// Its results are `ablation`.
  public static let name = "ablation"
  /// While it runs.
  public static let doing = "removing blocks"

  /// Right answers and changes, without each block.
  public static func table(
    of results: [PromptResult], blocks: [BlockName], _ sources: Provenance
  ) -> BlockAblationTable {
    let changes = results.map(\.emptyChange)
    return BlockAblationTable(
      prompts: results.count, rows: summary(results, blocks: blocks), emptyChange: Bootstrap.mean(changes),
      emptyChangeInterval: Estimate(meanOf: changes)?.interval, sources: sources)
  }
}

/// What pictures lose without a block.
public struct BlockAblationTable: PromptTable {
  let prompts: Int
  let rows: [BlockAblation.Row]
  /// The mean absolute difference of samples (0…1) between the pictures of prompt and empty prompt.
  let emptyChange: Double
  let emptyChangeInterval: [Double]?
  let sources: Provenance

  private static let unedited = "none"

  /// Two lines for each block: figures, and their intervals.
  public var text: String {
    func line(_ title: String, _ row: BlockAblation.Row, _ cell: (Estimate?) -> String) -> [String] {
      let cells = BlockAblation.factors.map { cell(row.accuracy[$0.rawValue]) }
      return [title] + cells + [row.block == nil ? "" : cell(row.change)]
    }
    let lines = rows.flatMap { row in
      [
        line(row.block ?? Self.unedited, row) { Cells.number($0?.value) },
        line("  95 %", row) { Cells.ends($0?.interval, 2) },
      ]
    }
    return """
      Right answers of the judge without a block, and change of the picture, \(Units.grouped(prompts)) prompts
      \(Table(left: [0], [["Removed"] + BlockAblation.factors.map(\.rawValue) + ["change"]] + lines).text)
      1 is the change between prompt and empty prompt, \(Cells.number(emptyChange)) of the range of samples.
      """
  }

  /// A line for each number, with its interval.
  public var csv: [[String]] {
    [["removed", "measure", "value", "n", "low", "high"]]
      + rows.flatMap { row in
        (BlockAblation.factors.map { ($0.rawValue, row.accuracy[$0.rawValue]) } + [("change", row.change)])
          .compactMap { measure, estimate in
            estimate.map { [row.block ?? Self.unedited, measure] + Cells.exact($0) }
          }
      }
  }

  /// Bars of the right answers.
  public var plot: Plot {
    Plot(
      title: "Right answers without a block",
      x: Axis(categories: rows.map { $0.block ?? Self.unedited }), y: Axis("share", range: 0...1),
      series: BlockAblation.factors.map { factor in
        .bars(factor.rawValue, y: rows.map { $0.accuracy[factor.rawValue]?.value ?? .nan })
      })
  }
}
