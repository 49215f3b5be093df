import Foundation
import SDLensStudy

/// What `eval steering` found for a block.
struct SteeringTable: Encodable {
  let block: String
  let dictionary: String
  let factor: ShapesWorld.Factor
  let beta: Double
  let prompts: Int
  let summary: SteeringSummary

  private typealias Quantity = SteeringSummary.Quantity

  /// As in `6` or `2.5`.
  private var strength: String { String(format: "%g", beta) }

  var text: String {
    let shown: [(title: String, quantity: Quantity)] = [
      ("before", .probability), ("-\(strength)", .loweredProbability), ("+\(strength)", .raisedProbability),
      ("works", .works), ("-\(strength) inside", .loweredInside), ("rest", .loweredOutside),
      ("+\(strength) inside", .raisedInside), ("rest", .raisedOutside),
    ]
    func cell(_ value: Double?) -> String { value.map { String(format: "%.3f", $0) } ?? "–" }
    var lines = [[factor.rawValue.capitalized, "feature", "AUROC", "pictures"] + shown.map(\.title)]
    lines += summary.rows.map { row in
      [row.target.value.value, "\(row.target.feature)", cell(row.target.auroc), "\(row.pictures)"]
        + shown.map { cell(row[$0.quantity]) }
    }
    if !summary.means.isEmpty {
      lines.append(["mean", "", "", ""] + shown.map { cell(summary.means[$0.quantity.rawValue]?.value) })
      lines.append(
        ["  95 %", "", "", ""]
          + shown.map { column in
            summary.means[column.quantity.rawValue]?.interval.map {
              $0.map { String(format: "%.2f", $0) }.joined(separator: "–")
            } ?? ""
          })
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
    + Quantity.allCases.map(\.rawValue)

  var csv: [[String]] {
    func number(_ value: Double?) -> String { value.map { String(format: "%.6f", $0) } ?? "" }
    return summary.rows.map { row in
      [
        block, dictionary, factor.rawValue, row.target.value.value, "\(row.target.feature)",
        number(row.target.auroc), strength, "\(row.pictures)",
      ] + Quantity.allCases.map { number(row[$0]) }
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
