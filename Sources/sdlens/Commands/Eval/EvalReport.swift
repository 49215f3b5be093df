import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensStudy

/// Measurements as tables, files and plots.
struct EvalReport: Encodable {
  let measurements: [Measurement]
  let omissions: [EvalJob.Omission]
  /// Whether the paper's values are for this model.
  let isPaperModel: Bool
  /// The paper's orderings, and whether they hold here; empty where they were not measured.
  let orderings: [Ordering]

  /// Something that the paper found.
  struct Ordering: Encodable {
    let claim: String
    let holds: Bool
    let values: String
  }

  init(_ measurements: [Measurement], _ omissions: [EvalJob.Omission], model: ModelFolder) {
    (self.measurements, self.omissions) = (measurements, omissions)
    isPaperModel = model.title.lowercased().contains("sdxl-turbo")
    orderings = Self.orderings(measurements)
  }

  private var metrics: [EvalMetric] {
    EvalMetric.allCases.filter { metric in measurements.contains { $0.metric == metric } }
  }

  private func find(_ metric: EvalMetric, _ subject: String, _ column: String) -> Measurement? {
    measurements.first { $0.metric == metric && $0.subject == subject && $0.column == column }
  }

  // MARK: Text

  /// The table of every metric.
  var text: String {
    (metrics.map(table) + notes).joined(separator: "\n\n")
  }

  /// Table 1a, 1b and 2 of the paper, and the figures in its sentences.
  var paperText: String {
    var parts: [String] = []
    let first = [EvalMetric.specificity, .texture, .color].filter(metrics.contains)
    if !first.isEmpty { parts.append("Table 1a\n" + joined(first)) }
    if metrics.contains(.locality) {
      parts.append("Table 1b: inside / outside the active area\n" + strengths)
    }
    if metrics.contains(.reconstruction) { parts.append("Table 2\n" + lines(.reconstruction)) }
    let rest = metrics.filter { ![.specificity, .texture, .color, .locality, .reconstruction].contains($0) }
    if !rest.isEmpty {
      parts.append("Sec. 4 and 5\n" + sentences(rest).joined(separator: "\n"))
    }
    return (parts + notes).joined(separator: "\n\n")
  }

  private func table(_ metric: EvalMetric) -> String {
    "\(metric.rawValue.capitalized), M (S)\n" + (metric == .locality ? strengths : lines(metric))
  }

  private func subjects(_ metric: EvalMetric) -> [String] {
    var found: [String] = []
    for measurement in measurements where measurement.metric == metric && !found.contains(measurement.subject)
    {
      found.append(measurement.subject)
    }
    return found
  }

  private func lines(_ metric: EvalMetric) -> String {
    let columns = metric.columns.filter { column in
      measurements.contains { $0.metric == metric && $0.column == column }
    }
    let isSingle = columns.count == 1
    var rows = [["Block"] + columns + (isSingle ? ["95 % of M", "n"] : []) + (isPaperModel ? ["paper"] : [])]
    for subject in subjects(metric) {
      let found = columns.map { find(metric, subject, $0) }
      var row = [subject] + found.map { $0?.text ?? "–" }
      if isSingle, let only = found[0] {
        row.append(
          only.interval.map {
            $0.map { String(format: "%.\(metric.decimals + 1)f", $0) }.joined(separator: "–")
          } ?? "")
        row.append("\(only.values.count)")
      }
      if isPaperModel {
        row.append(
          columns.compactMap { metric.paper(for: subject)?[$0] }.filter { !$0.isEmpty }.joined(
            separator: " / "))
      }
      rows.append(row)
    }
    return Table(left: [0], rows).text
  }

  /// Metrics side by side, a line for each block and baseline.
  private func joined(_ metrics: [EvalMetric]) -> String {
    var names: [String] = []
    for name in metrics.flatMap(subjects) where !names.contains(name) { names.append(name) }
    var rows = [["Block"] + metrics.flatMap { [$0.rawValue] + (isPaperModel ? ["paper"] : []) }]
    for name in names {
      rows.append(
        [name]
          + metrics.flatMap { metric in
            [find(metric, name, metric.rawValue)?.text ?? "–"]
              + (isPaperModel ? [metric.paper(for: name)?[metric.rawValue] ?? "–"] : [])
          })
    }
    return Table(left: [0], rows).text
  }

  /// Locality: a line for each block, a column for each strength.
  private var strengths: String {
    let names = ["-10", "-5", "5", "10"]
    func mean(_ subject: String, _ column: String) -> String {
      find(.locality, subject, column)?.mean.map { String(format: "%.1f", $0) } ?? "–"
    }
    var rows = [["Block"] + names]
    for subject in subjects(.locality) {
      rows.append(
        [subject] + names.map { "\(mean(subject, "\($0) inside")) / \(mean(subject, "\($0) outside"))" })
      guard isPaperModel, let paper = EvalMetric.locality.paper[subject] else { continue }
      rows.append(
        ["  paper"] + names.map { "\(paper["\($0) inside"] ?? "") / \(paper["\($0) outside"] ?? "")" })
    }
    return Table(left: [0], rows).text
  }

  private func sentences(_ metrics: [EvalMetric]) -> [String] {
    metrics.flatMap { metric in
      subjects(metric).map { subject in
        let cells = metric.columns.compactMap { column in
          find(metric, subject, column).map { metric.columns.count == 1 ? $0.text : "\(column) \($0.text)" }
        }
        let paper = metric.columns.compactMap { metric.paper(for: subject)?[$0] }.filter { !$0.isEmpty }
        return "\(metric.rawValue) of \(subject): \(cells.joined(separator: ", "))"
          + (isPaperModel && !paper.isEmpty ? "; paper: \(paper.joined(separator: ", "))" : "")
      }
    }
  }

  /// What was left out, and which orderings hold.
  private var notes: [String] {
    var parts: [String] = []
    var skipped: [String] = []
    for measurement in measurements where measurement.column == measurement.metric.columns[0] {
      for (reason, count) in measurement.skipped.sorted(by: { $0.key < $1.key }) {
        let phrase = FeatureValues.Skip(rawValue: reason)?.phrase ?? reason
        skipped.append(
          "\(measurement.metric.rawValue) at \(measurement.subject): \(count) of \(count + measurement.values.count) "
            + "features left out, \(phrase)")
      }
    }
    if !skipped.isEmpty { parts.append(skipped.joined(separator: "\n")) }
    var reasons: [String: [String]] = [:]
    for omission in omissions {
      reasons["\(omission.metric.rawValue): \(omission.reason)", default: []].append(omission.subject)
    }
    let left = reasons.sorted { $0.key < $1.key }.map { "Left out at \($1.joined(separator: ", ")): \($0)" }
    if !left.isEmpty { parts.append(left.joined(separator: "\n")) }
    if !orderings.isEmpty {
      parts.append(
        "What the paper found\n"
          + orderings.map { "\($0.holds ? "holds" : "fails")  \($0.claim): \($0.values)" }.joined(
            separator: "\n"))
    }
    return parts
  }

  private static func orderings(_ measurements: [Measurement]) -> [Ordering] {
    func mean(_ metric: EvalMetric, _ subject: String, _ column: String) -> Double? {
      measurements.first { $0.metric == metric && $0.subject == subject && $0.column == column }?.mean
    }
    func text(_ value: Double) -> String { String(format: "%.3g", value) }
    let blocks = BlockName.studied.map(\.description)
    var found: [Ordering] = []
    if let chance = mean(.specificity, "random", "specificity") {
      let own = blocks.compactMap { block in mean(.specificity, block, "specificity").map { (block, $0) } }
      if !own.isEmpty {
        found.append(
          Ordering(
            claim: "specific beyond chance", holds: own.allSatisfy { $0.1 > chance },
            values: own.map { "\($0.0) \(text($0.1))" }.joined(separator: ", ") + ", random \(text(chance))"))
      }
    }
    let colours = blocks.compactMap { block in mean(.color, block, "color").map { (block, $0) } }
    if colours.count == blocks.count, let lowest = colours.min(by: { $0.1 < $1.1 }) {
      found.append(
        Ordering(
          claim: "up.0.1 lowest in colour spread", holds: lowest.0 == "up.0.1",
          values: colours.map { "\($0.0) \(text($0.1))" }.joined(separator: ", ")))
    }
    for block in ["up.0.0", "up.0.1"] {
      let ratios = ["-10", "-5", "5", "10"].compactMap { strength -> Double? in
        guard let inside = mean(.locality, block, "\(strength) inside"),
          let outside = mean(.locality, block, "\(strength) outside"), outside > 0
        else { return nil }
        return inside / outside
      }
      guard !ratios.isEmpty else { continue }
      found.append(
        Ordering(
          claim: "\(block) acts locally", holds: ratios.allSatisfy { $0 > 1 },
          values: "inside / outside " + ratios.map(text).joined(separator: ", ")))
    }
    return found
  }

  // MARK: Files

  /// Writes table, JSON and plots.
  func write(to results: ResultFolder) throws {
    var rows = [["metric", "subject", "column", "feature", "value"]]
    for measurement in measurements {
      for (index, value) in measurement.values.enumerated() {
        let feature = index < measurement.features.count ? "\(measurement.features[index])" : ""
        rows.append(
          [
            measurement.metric.rawValue, measurement.subject, measurement.column, feature,
            String(format: "%.7g", value),
          ])
      }
    }
    try results.write(rows, to: "values.csv")
    var summary = [
      ["metric", "subject", "column", "mean", "deviation", "n", "low", "high", "skipped", "paper"]
    ]
    func number(_ value: Double?) -> String { value.map { String(format: "%.7g", $0) } ?? "" }
    for item in measurements {
      summary.append([
        item.metric.rawValue, item.subject, item.column, number(item.mean), number(item.deviation),
        "\(item.values.count)", number(item.interval?.first), number(item.interval?.last),
        "\(item.skipped.values.reduce(0, +))",
        isPaperModel ? item.metric.paper(for: item.subject)?[item.column] ?? "" : "",
      ])
    }
    try results.write(summary, to: "summary.csv")
    try JSON.write(self, to: results("results.json"))
    for metric in metrics { try plot(metric).write(to: results("\(metric.rawValue).png")) }
  }

  /// Bars of the means, with their 95 % intervals.
  private func plot(_ metric: EvalMetric) -> Plot {
    let subjects = subjects(metric)
    let columns = metric.columns.filter { column in
      measurements.contains { $0.metric == metric && $0.column == column }
    }
    let series = columns.map { column in
      let found = subjects.map { find(metric, $0, column) }
      return Series.bars(
        columns.count == 1 ? "" : column, y: found.map { $0?.mean ?? .nan },
        errors: found.map { item in item?.interval.map { ($0[1] - $0[0]) / 2 } ?? .nan })
    }
    return Plot(
      title: metric.rawValue, x: Axis(categories: subjects), y: Axis(metric.rawValue), series: series,
      note: "means and 95 % intervals")
  }
}
