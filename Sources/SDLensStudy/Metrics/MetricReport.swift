import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensDrawing
import SDLensSparse

/// What some metrics found, as files and plots.
public struct MetricReport: Encodable {
  /// What was found, a column after the other.
  public let measurements: [MeasuredColumn]
  /// What was left out.
  public let omissions: [MetricRun.Omission]
  /// Whether the paper's values are for this model.
  public let isPaperModel: Bool
  /// What the paper says of which is larger, and whether it holds here; empty where that was not measured.
  public let orderings: [PaperClaim.Finding]
  /// What was measured.
  public let sources: Provenance
  /// The metrics that found something, in the order of their tables.
  public let metrics: [any Metric.Type]

  private enum CodingKeys: CodingKey { case measurements, omissions, isPaperModel, orderings, sources }

  /// Of a run that is done.
  public init(_ run: MetricRun) {
    (measurements, omissions, sources) = (run.columns, run.omissions, run.session.sources)
    isPaperModel = run.session.model.title.lowercased().contains("sdxl-turbo")
    orderings = PaperClaim.findings(in: run.columns)
    metrics = run.metrics.filter { metric in run.columns.contains { $0.metric == metric.name } }
  }

  /// Measures, or goes on with what was begun, and writes the files, captions that were made by a rule, and `run.json`.
  ///
  /// - Parameters:
  ///   - name: of the folder of results.
  ///   - command: how it is asked for, to be kept in `run.json`.
  /// - Throws: as `MetricRun`; `FileError`, `PictureError`.
  public init(
    of metrics: [any Metric.Type], as name: String, in session: MetricSession, _ workspace: Workspace,
    command: [String]
  ) throws {
    let results = try ResultFolder(name, settings: session.key, in: workspace.folder)
    let run = try MetricRun(metrics, in: session, keeping: results("done.jsonl"))
    try run.run()
    session.progress.clear()
    self.init(run)
    try write(to: results)
    for (block, captions) in session.madeCaptions.sorted(by: { $0.key < $1.key }) {
      let path = results("captions-\(block).jsonl")
      try FeatureCaptions(captions.map { FeatureCaption(feature: $0, caption: $1) }).write(to: path)
      session.progress.note("'\(path)' has captions of \(captions.count) features, made by a rule")
    }
    try results.writeRun(command, session.model, session.key)
    session.progress.note(
      "\(session.archive.made) pictures made; '\(results.path)' has the values (CSV, JSON) and plots")
  }

  /// What a metric found for a subject in a column.
  public func find(_ metric: any Metric.Type, _ subject: String, _ column: String) -> MeasuredColumn? {
    measurements.first { $0.metric == metric.name && $0.subject == subject && $0.column == column }
  }

  /// The blocks and baselines of a metric, in the order in which they were measured.
  public func subjects(_ metric: any Metric.Type) -> [String] {
    var found: [String] = []
    for item in measurements where item.metric == metric.name && !found.contains(item.subject) {
      found.append(item.subject)
    }
    return found
  }

  /// The columns in which a metric found something.
  public func columns(_ metric: any Metric.Type) -> [String] {
    metric.columns.filter { column in
      measurements.contains { $0.metric == metric.name && $0.column == column }
    }
  }

  /// The paper's values for a subject, by column; empty of another model.
  public func paper(_ metric: any Metric.Type, _ subject: String) -> [String: String] {
    isPaperModel ? metric.paperValues(for: subject) : [:]
  }

  // MARK: Files

  /// Every value: metric, subject, column, feature.
  private var values: [[String]] {
    [["metric", "subject", "column", "feature", "value"]]
      + measurements.flatMap { item in
        item.values.enumerated().map { index, value in
          let feature = index < item.features.count ? "\(item.features[index])" : ""
          return [item.metric, item.subject, item.column, feature, Cells.digits(value)]
        }
      }
  }

  /// A line for each column of a subject.
  private var summary: [[String]] {
    [["metric", "subject", "column", "mean", "deviation", "n", "low", "high", "skipped", "paper"]]
      + measurements.map { item in
        let metric = metrics.first { $0.name == item.metric }
        return [
          item.metric, item.subject, item.column, Cells.digits(item.mean), Cells.digits(item.deviation),
          "\(item.n)",
          Cells.digits(item.interval?.first), Cells.digits(item.interval?.last),
          "\(item.skipped.values.reduce(0, +))",
          metric.flatMap { paper($0, item.subject)[item.column] } ?? "",
        ]
      }
  }

  /// Writes `values.csv`, `summary.csv`, `results.json`, and a plot of each metric.
  public func write(to results: ResultFolder) throws {
    try results.write(values, to: "values.csv")
    try results.write(summary, to: "summary.csv")
    try JSON.write(self, to: results("results.json"))
    for metric in metrics { try plot(metric).write(to: results("\(metric.name).png")) }
  }

  /// Bars of the means, with their 95 % intervals.
  public func plot(_ metric: any Metric.Type) -> Plot {
    let (subjects, columns) = (subjects(metric), columns(metric))
    let series = columns.map { column in
      let found = subjects.map { find(metric, $0, column) }
      return Series.bars(
        columns.count == 1 ? "" : column, y: found.map { $0?.mean ?? .nan },
        errors: found.map { item in item?.interval.map { ($0[1] - $0[0]) / 2 } ?? .nan })
    }
    return Plot(
      title: metric.name, x: Axis(categories: subjects), y: Axis(metric.name), series: series,
      note: "means and 95 % intervals")
  }
}
