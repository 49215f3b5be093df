import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensStudy

/// Measurements as tables, files and plots.
struct EvalReport: Encodable {
  let measurements: [MeasuredColumn]
  let omissions: [EvalJob.Omission]
  /// Whether the paper's values are for this model.
  let isPaperModel: Bool
  /// What the paper says of which is larger, and whether it holds here; empty where that was not measured.
  let orderings: [PaperClaim.Finding]
  /// What was measured.
  let sources: Provenance

  init(
    _ measurements: [MeasuredColumn], _ omissions: [EvalJob.Omission], model: ModelFolder, sources: Provenance
  ) {
    (self.measurements, self.omissions, self.sources) = (measurements, omissions, sources)
    isPaperModel = model.title.lowercased().contains("sdxl-turbo")
    orderings = PaperClaim.findings(in: measurements)
  }

  private var metrics: [EvalMetric] {
    EvalMetric.allCases.filter { metric in measurements.contains { $0.metric == metric.rawValue } }
  }

  private func find(_ metric: EvalMetric, _ subject: String, _ column: String) -> MeasuredColumn? {
    measurements.first { $0.metric == metric.rawValue && $0.subject == subject && $0.column == column }
  }

  private func cell(_ measurement: MeasuredColumn?, _ metric: EvalMetric) -> String {
    measurement?.text(decimals: metric.decimals) ?? "–"
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
    for item in measurements where item.metric == metric.rawValue && !found.contains(item.subject) {
      found.append(item.subject)
    }
    return found
  }

  private func lines(_ metric: EvalMetric) -> String {
    let columns = metric.columns.filter { column in
      measurements.contains { $0.metric == metric.rawValue && $0.column == column }
    }
    let isSingle = columns.count == 1
    var rows = [
      ["Block"] + columns + (isSingle ? ["95 % of M"] : []) + ["n"] + (isPaperModel ? ["paper"] : [])
    ]
    for subject in subjects(metric) {
      let found = columns.map { find(metric, subject, $0) }
      var row = [subject] + found.map { cell($0, metric) }
      if isSingle { row.append(interval(found[0], metric)) }
      row.append(count(found))
      if isPaperModel {
        row.append(
          columns.compactMap { metric.paper(for: subject)?[$0] }.filter { !$0.isEmpty }.joined(
            separator: " / "))
      }
      rows.append(row)
    }
    return Table(left: [0], rows).text
  }

  /// The 95 % interval, as in `.251–.268`.
  private func interval(_ measurement: MeasuredColumn?, _ metric: EvalMetric) -> String {
    measurement?.interval.map {
      $0.map { String(format: "%.\(metric.decimals + 1)f", $0) }.joined(separator: "–")
    } ?? ""
  }

  /// Of how many the figures are: one number, or that of each column.
  private func count(_ found: [MeasuredColumn?]) -> String {
    let counts = found.map { "\($0?.n ?? 0)" }
    return Set(counts).count == 1 ? counts[0] : counts.joined(separator: ", ")
  }

  /// Metrics side by side, a line for each block and baseline.
  private func joined(_ metrics: [EvalMetric]) -> String {
    var names: [String] = []
    for name in metrics.flatMap(subjects) where !names.contains(name) { names.append(name) }
    var rows = [
      ["Block"] + metrics.flatMap { [$0.rawValue, "95 % of M", "n"] + (isPaperModel ? ["paper"] : []) }
    ]
    for name in names {
      let cells = metrics.flatMap { metric -> [String] in
        let found = find(metric, name, metric.rawValue)
        let own = [cell(found, metric), interval(found, metric), found.map { "\($0.n)" } ?? ""]
        return own + (isPaperModel ? [metric.paper(for: name)?[metric.rawValue] ?? "–"] : [])
      }
      rows.append([name] + cells)
    }
    return Table(left: [0], rows).text
  }

  /// Locality: a line for each block, a column for each strength.
  private var strengths: String {
    let names = ["-10", "-5", "5", "10"]
    func mean(_ subject: String, _ column: String) -> String {
      find(.locality, subject, column)?.mean.map { String(format: "%.1f", $0) } ?? "–"
    }
    var rows = [["Block"] + names + ["n"]]
    for subject in subjects(.locality) {
      rows.append(
        [subject] + names.map { "\(mean(subject, "\($0) inside")) / \(mean(subject, "\($0) outside"))" }
          + [count([find(.locality, subject, "-10 inside")])])
      guard isPaperModel, let paper = EvalMetric.locality.paper[subject] else { continue }
      rows.append(
        ["  paper"] + names.map { "\(paper["\($0) inside"] ?? "") / \(paper["\($0) outside"] ?? "")" })
    }
    return Table(left: [0], rows).text
  }

  private func sentences(_ metrics: [EvalMetric]) -> [String] {
    metrics.flatMap { metric in
      subjects(metric).map { subject in
        let cells = metric.columns.compactMap { column -> String? in
          guard let found = find(metric, subject, column) else { return nil }
          let name = metric.columns.count == 1 ? "" : "\(column) "
          return "\(name)\(cell(found, metric)) [\(interval(found, metric)), n \(found.n)]"
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
    for metric in metrics {
      for subject in subjects(metric) {
        guard let found = find(metric, subject, metric.columns[0]) else { continue }
        let all = found.values.count + found.skipped.values.reduce(0, +)
        for (reason, count) in found.skipped.sorted(by: { $0.key < $1.key }) {
          let phrase = FeatureValues.Skip(rawValue: reason)?.phrase ?? reason
          skipped.append("\(metric.rawValue) at \(subject): \(count) of \(all) features left out, \(phrase)")
        }
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
      let count = orderings.count { $0.holds }
      parts.append(
        "What the paper found: \(count) of \(orderings.count) orderings hold\n"
          + orderings.map(\.text).joined(separator: "\n"))
    }
    return parts + [sources.text]
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
            measurement.metric, measurement.subject, measurement.column, feature,
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
        item.metric, item.subject, item.column, number(item.mean), number(item.deviation), "\(item.n)",
        number(item.interval?.first), number(item.interval?.last), "\(item.skipped.values.reduce(0, +))",
        isPaperModel ? EvalMetric(rawValue: item.metric)?.paper(for: item.subject)?[item.column] ?? "" : "",
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
      measurements.contains { $0.metric == metric.rawValue && $0.column == column }
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
