import SDLensCore
import SDLensDiffusion
import SDLensDrawing

extension WordTruth: PromptStudy {
  /// Its results are `words`.
  public static let name = "words"
  /// While it runs.
  public static let doing = "looking at words"

  /// The areas under the ROC curve, by block and factor.
  public static func table(
    of results: [PromptResult], blocks: [BlockName], _ sources: Provenance
  ) -> WordTable {
    WordTable(prompts: results.count, rows: summary(results, blocks: blocks), sources: sources)
  }
}

/// Whether words act where their objects are.
public struct WordTable: PromptTable {
  let prompts: Int
  let rows: [WordTruth.Row]
  let sources: Provenance

  /// The names of the three columns, and what stands in them.
  private static let columns: [(name: String, estimate: @Sendable (WordTruth.Row) -> Estimate?)] = [
    ("own object", { $0.own }), ("another prompt's", { $0.elsewhere }), ("the other object", { $0.other }),
  ]

  /// A line for each block and factor.
  public var text: String {
    let lines = rows.map { row in
      [row.block, row.factor, "\(row.own?.n ?? 0)"]
        + Self.columns.map { Cells.bracketed($0.estimate(row), 3) }
    }
    return """
      AUROC of the maps of words against the area of an object, \(Units.grouped(prompts)) prompts (95 % intervals)
      \(Table(left: [0, 1], [["Block", "Word", "n"] + Self.columns.map(\.name)] + lines).text)
      """
  }

  /// A line for each number, with its interval.
  public var csv: [[String]] {
    [["block", "word", "object", "auroc", "n", "low", "high"]]
      + rows.flatMap { row in
        Self.columns.compactMap { name, estimate in
          estimate(row).map { [row.block, row.factor, name] + Cells.exact($0) }
        }
      }
  }

  /// Bars against the own objects.
  public var plot: Plot {
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
