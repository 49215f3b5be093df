/// Measurements as tables.
extension MetricReport {
  /// The table of every metric.
  public var text: String {
    let tables = metrics.map { metric in
      "\(metric.name.capitalized), M (S)\n" + (metric.columnGroups.isEmpty ? lines(metric) : groups(metric))
    }
    return (tables + notes).joined(separator: "\n\n")
  }

  /// The tables of the paper, and the figures in its sentences.
  public var paperText: String {
    var titles: [String] = []
    for title in metrics.compactMap({ $0.paperTable }) where !titles.contains(title) { titles.append(title) }
    var parts = titles.map { title in
      let own = metrics.filter { $0.paperTable == title }
      let first = own[0]
      return "\(title)\n"
        + (own.count > 1 ? joined(own) : first.columnGroups.isEmpty ? lines(first) : groups(first))
    }
    let rest = metrics.filter { $0.paperTable == nil }
    if !rest.isEmpty { parts.append("Sec. 4 and 5\n" + rest.flatMap(sentences).joined(separator: "\n")) }
    return (parts + notes).joined(separator: "\n\n")
  }

  // MARK: Cells

  private func cell(_ measured: MeasuredColumn?, _ metric: any Metric.Type) -> String {
    measured?.text(decimals: metric.decimals) ?? Cells.none
  }

  /// The 95 % interval, as in `0.251–0.268`.
  private func interval(_ measured: MeasuredColumn?, _ metric: any Metric.Type) -> String {
    Cells.ends(measured?.interval, metric.decimals + 1)
  }

  /// Of how many the figures are: one number, or that of each column.
  private func count(_ found: [MeasuredColumn?]) -> String {
    let counts = found.map { "\($0?.n ?? 0)" }
    return Set(counts).count == 1 ? counts[0] : counts.joined(separator: ", ")
  }

  // MARK: Tables

  /// A line for each block and baseline.
  private func lines(_ metric: any Metric.Type) -> String {
    let columns = columns(metric)
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
        let paper = paper(metric, subject)
        row.append(columns.compactMap { paper[$0] }.joined(separator: " / "))
      }
      rows.append(row)
    }
    return Table(left: [0], rows).text
  }

  /// Metrics side by side, a line for each block and baseline.
  private func joined(_ metrics: [any Metric.Type]) -> String {
    var names: [String] = []
    for name in metrics.flatMap(subjects) where !names.contains(name) { names.append(name) }
    var rows = [
      ["Block"] + metrics.flatMap { [$0.name, "95 % of M", "n"] + (isPaperModel ? ["paper"] : []) }
    ]
    for name in names {
      let cells = metrics.flatMap { metric -> [String] in
        let found = find(metric, name, metric.columns[0])
        let own = [cell(found, metric), interval(found, metric), found.map { "\($0.n)" } ?? ""]
        return own + (isPaperModel ? [paper(metric, name)[metric.columns[0]] ?? "–"] : [])
      }
      rows.append([name] + cells)
    }
    return Table(left: [0], rows).text
  }

  /// A line for each block, the means of a group of columns in a cell.
  private func groups(_ metric: any Metric.Type) -> String {
    var rows = [["Block"] + metric.columnGroups.map(\.title) + ["n"]]
    for subject in subjects(metric) {
      let means = metric.columnGroups.map { group in
        group.columns.map { column in
          Cells.number(find(metric, subject, column)?.mean, metric.decimals)
        }.joined(separator: " / ")
      }
      rows.append([subject] + means + [count([find(metric, subject, metric.columns[0])])])
      guard isPaperModel, metric.paper[subject] != nil else { continue }
      let paper = paper(metric, subject)
      rows.append(
        ["  paper"]
          + metric.columnGroups.map { group in
            group.columns.map { paper[$0] ?? "" }.joined(separator: " / ")
          })
    }
    return Table(left: [0], rows).text
  }

  /// A sentence for each block and baseline.
  private func sentences(_ metric: any Metric.Type) -> [String] {
    subjects(metric).map { subject in
      let cells = metric.columns.compactMap { column -> String? in
        guard let found = find(metric, subject, column) else { return nil }
        let name = metric.columns.count == 1 ? "" : "\(column) "
        return "\(name)\(cell(found, metric)) [\(interval(found, metric)), n \(found.n)]"
      }
      let all = paper(metric, subject)
      let paper = metric.columns.compactMap { all[$0] }
      return "\(metric.name) of \(subject): \(cells.joined(separator: ", "))"
        + (paper.isEmpty ? "" : "; paper: \(paper.joined(separator: ", "))")
    }
  }

  /// What was left out, which orderings hold, and what was measured.
  private var notes: [String] {
    var parts: [String] = []
    var skipped: [String] = []
    for metric in metrics {
      for subject in subjects(metric) {
        guard let found = find(metric, subject, metric.columns[0]) else { continue }
        let all = found.values.count + found.skipped.values.reduce(0, +)
        for (reason, count) in found.skipped.sorted(by: { $0.key < $1.key }) {
          let phrase = MetricOutcome.Skip(rawValue: reason)?.phrase ?? reason
          skipped.append("\(metric.name) at \(subject): \(count) of \(all) features left out, \(phrase)")
        }
      }
    }
    if !skipped.isEmpty { parts.append(skipped.joined(separator: "\n")) }
    var reasons: [String: [String]] = [:]
    for omission in omissions {
      reasons["\(omission.metric): \(omission.reason)", default: []].append(omission.subject)
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
}
