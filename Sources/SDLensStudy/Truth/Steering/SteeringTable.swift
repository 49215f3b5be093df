import SDLensCore
import SDLensDiffusion
import SDLensDrawing
import SDLensShapes

/// What `eval steering` found for a factor at a block.
public struct SteeringTable: Encodable {
  let block: String
  let factor: ShapesWorld.Factor
  let largest: Int
  let summary: SteeringSummary
  let sources: Provenance

  private typealias Side = SteeringMethod.Side

  // MARK: Text

  /// A line for each factor, then their tables.
  public static func text(_ tables: [SteeringTable], values: Bool, _ sources: Provenance) -> String {
    let head =
      ["Factor", "block"] + Side.allCases.flatMap { ["\($0.rawValue): values", "features", "else"] }
    let lines = tables.map { table in
      [table.factor.rawValue, table.block]
        + Side.allCases.flatMap { side -> [String] in
          let steered = table.summary.count(side, .steered)
          let sizes = table.summary.rows.compactMap { $0.smallest[side.rawValue]?.size }.sorted()
          let rest = SteeringSummary.Answer.allCases.dropFirst().compactMap { answer in
            let count = table.summary.count(side, answer)
            return count == 0 ? nil : "\(count) \(answer.rawValue)"
          }
          return [
            "\(steered) of \(table.summary.rows.count)",
            sizes.first.map { $0 == sizes.last ? "\($0)" : "\($0)–\(sizes[sizes.count - 1])" } ?? "–",
            rest.isEmpty ? "–" : rest.joined(separator: ", "),
          ]
        }
    }
    let first =
      "Values that a group of features makes (on: the judge's mean probability from at most .1 to at least .8) and "
      + "unmakes (off: from at least .9 to at most .1)\n" + Table(left: [0, 1, 4, 7], [head] + lines).text
    return ([first] + tables.map { $0.text(values: values) } + [sources.text]).joined(separator: "\n\n")
  }

  private func cell(_ method: SteeringMethod, _ side: Side) -> SteeringSummary.Cell? {
    summary.cells.first { $0.method == method && $0.side == side }
  }

  private func text(values: Bool) -> String {
    let count = summary.rows.count
    var lines = [
      ["What is put there", "as"]
        + Side.allCases.flatMap {
          ["\($0.rawValue): values", "before", "after", "95 %", "elsewhere", "kept"]
        }
    ]
    lines += SteeringMethod.all.map { method in
      [method.source.rawValue, method.form.rawValue]
        + Side.allCases.flatMap { side -> [String] in
          guard let cell = cell(method, side) else { return ["–", "–", "–", "", "–", "–"] }
          return [
            "\(cell.reached) of \(count)", Cells.number(cell.before.value, 2),
            Cells.number(cell.after.value, 2),
            Cells.ends(cell.after.interval, 2), Cells.number(cell.elsewhere.value),
            Cells.number(cell.kept.value, 2),
          ]
        }
    }
    let pictures = summary.rows.reduce(0) { $0 + $1.measured }
    let kept = Cells.number(summary.cells.first?.keptBefore.value, 2)
    let head =
      "\(factor.rawValue.capitalized) at \(block): probability of the value, \(Units.grouped(pictures)) pairs of "
      + "prompts, chosen on \(Units.grouped(summary.rows.reduce(0) { $0 + $1.chosen })) others; kept without an edit: \(kept)"
    return ([head, Table(left: [0, 1], lines).text] + (values ? [valuesText] : [])).joined(separator: "\n")
  }

  /// A line for each value: the smallest group.
  private var valuesText: String {
    let head = ["Value"] + Side.allCases.flatMap { ["\($0.rawValue)", "features", "as", "after", "95 %"] }
    let lines = summary.rows.map { row in
      [row.value.value]
        + Side.allCases.flatMap { side -> [String] in
          let cell = row.smallest[side.rawValue]
          return [
            row.answer(side).rawValue, Cells.whole(cell?.size), cell?.method.form.rawValue ?? "",
            cell.map { Cells.number($0.after.value, 2) } ?? "", Cells.ends(cell?.after.interval, 2),
          ]
        }
    }
    return Table(left: [0, 1, 3, 6, 8], [head] + lines).text
  }

  // MARK: CSV

  static let columns = [
    "block", "dictionary", "factor", "value", "source", "form", "side", "size", "strength", "reached", "n",
    "before", "after", "after_low", "after_high", "elsewhere", "kept_before", "kept", "answer",
  ]

  /// A line for each method, side and value, and with an empty value for each over all.
  var csv: [[String]] {
    func line(_ cell: SteeringSummary.Cell, _ row: SteeringSummary.Row?) -> [String] {
      [
        block, sources.dictionaries.first?.name ?? "", factor.rawValue, row?.value.value ?? "",
        cell.method.source.rawValue, cell.method.form.rawValue, cell.side.rawValue,
        Cells.whole(cell.size), cell.strength.map { String(format: "%g", $0) } ?? "",
        "\(cell.reached)", "\(cell.after.n)", Cells.exact(cell.before.value), Cells.exact(cell.after.value),
        Cells.exact(cell.after.interval?[0]), Cells.exact(cell.after.interval?[1]),
        Cells.exact(cell.elsewhere.value),
        Cells.exact(cell.keptBefore.value), Cells.exact(cell.kept.value),
        row?.answer(cell.side).rawValue ?? "",
      ]
    }
    return summary.rows.flatMap { row in row.cells.map { line($0, row) } }
      + summary.cells.map { line($0, nil) }
  }

  // MARK: Plot

  /// Bars: the probability after each method, on both sides; nil where nothing was measured.
  var plot: Plot? {
    let methods = SteeringMethod.all.filter { method in summary.cells.contains { $0.method == method } }
    guard !methods.isEmpty else { return nil }
    return Plot(
      title: "\(block): probability of the \(factor.rawValue)",
      x: Axis(categories: methods.map { "\($0.source.rawValue) \($0.form.rawValue)" }),
      y: Axis("probability", range: 0...1),
      series: Side.allCases.map { side in
        let found = methods.map { cell($0, side)?.after }
        return .bars(
          side.rawValue, y: found.map { $0?.value ?? .nan },
          errors: found.map { $0?.interval.map { ($0[1] - $0[0]) / 2 } ?? .nan })
      })
  }
}
