import Foundation
import SDLensDiffusion
import SDLensStudy

/// What `eval steering` found for a factor at a block.
struct SteeringTable: Encodable {
  let block: String
  let factor: ShapesWorld.Factor
  let beta: Double
  let prompts: Int
  let summary: SteeringSummary
  let sources: Provenance

  private var dictionary: String { sources.dictionaries.first?.name ?? "" }

  private typealias Quantity = SteeringSummary.Quantity

  /// As in `6` or `2.5`.
  private var strength: String { String(format: "%g", beta) }

  /// A line for each factor, then their tables.
  static func text(_ tables: [SteeringTable], _ sources: Provenance) -> String {
    guard let first = tables.first else { return sources.text }
    let shown: [(String, Quantity)] = [
      ("before", .probability), ("-\(first.strength)", .loweredProbability),
      ("+\(first.strength)", .raisedProbability),
    ]
    let lines = tables.map { table in
      let (summary, means) = (table.summary, table.summary.means)
      let works = means[Quantity.works.rawValue]
      return [table.factor.rawValue, table.block, cell(works?.value), ends(works), "\(works?.n ?? 0)"]
        + ["\(summary.pictures)"] + shown.map { cell(means[$0.1.rawValue]?.value) }
    }
    let head = ["Factor", "block", "works", "95 %", "features", "pictures"] + shown.map(\.0)
    let all =
      "Share of pictures on which the features that tell a factor best steer it, \(Units.grouped(first.prompts)) prompts\n"
      + Table(left: [0, 1], [head] + lines).text
    return ([all] + tables.map(\.text) + [sources.text]).joined(separator: "\n\n")
  }

  private static func cell(_ value: Double?) -> String { value.map { String(format: "%.3f", $0) } ?? "–" }

  private static func ends(_ estimate: Estimate?) -> String {
    estimate?.interval.map { $0.map { cell($0) }.joined(separator: "–") } ?? ""
  }

  private var text: String {
    let shown: [(title: String, quantity: Quantity)] = [
      ("before", .probability), ("-\(strength)", .loweredProbability), ("+\(strength)", .raisedProbability),
      ("works", .works), ("-\(strength) inside", .loweredInside), ("rest", .loweredOutside),
      ("+\(strength) inside", .raisedInside), ("rest", .raisedOutside),
    ]
    var lines = [[factor.rawValue.capitalized, "feature", "AUROC", "pictures"] + shown.map(\.title)]
    lines += summary.rows.map { row in
      [row.target.value.value, "\(row.target.feature)", Self.cell(row.target.auroc), "\(row.pictures)"]
        + shown.map { Self.cell(row[$0.quantity]) }
    }
    if !summary.means.isEmpty {
      let means = shown.map { summary.means[$0.quantity.rawValue] }
      lines.append(["mean", "", "", "\(summary.pictures)"] + means.map { Self.cell($0?.value) })
      lines.append(["  95 %", "", "", ""] + means.map(Self.ends))
    }
    return """
      \(block), \(dictionary): probability of the \(factor.rawValue) and change of the picture, features modulated by \
      -\(strength) and \(strength), \(Units.grouped(prompts)) prompts
      \(Table(left: [0], lines).text)\(note)
      """
  }

  private var note: String {
    if summary.rows.isEmpty { return "\nNo feature tells any \(factor.rawValue) better than chance." }
    let skipped = summary.skipped
    guard skipped > 0 else { return "" }
    return
      "\n\(skipped) of \(summary.rows.count) features \(skipped == 1 ? "is" : "are") left out: active on fewer "
      + "than \(SteeringSummary.fewest) pictures with the value."
  }

  static let columns =
    ["block", "dictionary", "factor", "value", "feature", "auroc", "beta", "pictures"]
    + Quantity.allCases.map(\.rawValue) + ["works_low", "works_high"]

  var csv: [[String]] {
    func number(_ value: Double?) -> String { value.map { String(format: "%.6f", $0) } ?? "" }
    return summary.rows.map { row in
      [
        block, dictionary, factor.rawValue, row.target.value.value, "\(row.target.feature)",
        number(row.target.auroc), strength, "\(row.pictures)",
      ] + Quantity.allCases.map { number(row[$0]) }
        + [0, 1].map { number(row.means[Quantity.works.rawValue]?.interval?[$0]) }
    }
  }

  static let summaryColumns = [
    "block", "dictionary", "factor", "beta", "quantity", "mean", "n", "low", "high",
  ]

  /// A line for each mean over features.
  var summaryCSV: [[String]] {
    Quantity.allCases.compactMap { quantity in
      summary.means[quantity.rawValue].map { mean in
        let ends = mean.interval?.map { String(format: "%.6f", $0) } ?? ["", ""]
        return [
          block, dictionary, factor.rawValue, strength, quantity.rawValue, String(format: "%.6f", mean.value),
          "\(mean.n)",
        ] + ends
      }
    }
  }

  /// Bars: for each feature the probability before and after; nil where nothing was measured.
  var plot: Plot? {
    let rows = summary.rows.filter { !$0.means.isEmpty }
    guard !rows.isEmpty else { return nil }
    func bars(_ title: String, _ quantity: Quantity) -> Series {
      .bars(title, y: rows.map { $0[quantity] ?? .nan })
    }
    return Plot(
      title: "\(block): probability of the \(factor.rawValue)",
      x: Axis(categories: rows.map { "\($0.target.value.value) \($0.target.feature)" }),
      y: Axis("probability", range: 0...1),
      series: [
        bars("before", .probability), bars("-\(strength)", .loweredProbability),
        bars("+\(strength)", .raisedProbability),
      ])
  }
}
