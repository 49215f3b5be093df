import Foundation
import SDLensCore
import SDLensDrawing
import SDLensSparse

/// How a training went: a page of plots of its log.
///
/// Loss, both explained variances, active features per vector, the features that were not active for long, and how
/// often features are active in the end.
public enum TrainingCurves {
  /// Writes the page.
  ///
  /// - Parameters:
  ///   - log: `log.jsonl`.
  ///   - statistics: of each dictionary, where they were measured.
  ///   - names: of the dictionaries, in the order of their numbers in the log.
  ///   - block: what they are of, for the title.
  /// - Throws: `FileError`, `MalformedFile` for a log of other dictionaries or none, and as `PlotPage.write`.
  public static func write(
    log: String, statistics: [FeatureStatistics?], names: [String], of block: String, to path: String
  ) throws {
    precondition(
      statistics.count == names.count, "\(statistics.count) statistics of \(names.count) dictionaries")
    let reports = try TrainingLog.reports(in: log)
    guard !reports.isEmpty else { throw MalformedFile(path: log, reason: "holds no report of a step yet") }
    guard let last = reports.map(\.dictionary).max(), last < names.count,
      reports.allSatisfy({ $0.dictionary >= 0 })
    else {
      throw MalformedFile(path: log, reason: "is of other dictionaries than \(names.joined(separator: ", "))")
    }
    let runs = names.indices.map { index in reports.filter { $0.dictionary == index } }
    try page(runs, statistics, names, block).write(to: path)
  }

  /// What is drawn: a line for each dictionary in each plot.
  private static func page(
    _ runs: [[StepReport]], _ statistics: [FeatureStatistics?], _ names: [String], _ block: String
  ) -> PlotPage {
    func plot(_ title: String, _ y: Axis, _ value: (StepReport) -> Double?) -> Plot {
      let series = zip(names, runs).map { name, run in
        Series.line(
          names.count == 1 ? "" : name, x: run.map { Double($0.vectors) / 1e6 },
          y: run.map { value($0) ?? .nan })
      }
      return Plot(title: title, x: Axis("training vectors", unit: "millions"), y: y, series: series)
    }
    // The log does not tell how many features there are.
    let isShare = statistics.allSatisfy { $0 != nil }
    let idle: [(String, KeyPath<StepReport, Int>)] = [
      ("10⁴", \.idle1e4), ("10⁶", \.idle1e6), ("10⁷", \.idle1e7),
    ]
    let plots =
      [
        plot("Loss", Axis("loss", scale: .logarithmic)) { $0.loss },
        plot("Explained variance, of the total", Axis("share")) { $0.explainedVariance },
        plot("Explained variance, mean over dimensions", Axis("share")) { $0.meanExplainedVariance },
        plot("L0", Axis("active features per vector")) { $0.l0 },
      ]
      + idle.map { count, key in
        plot("Not active for \(count) vectors", Axis(isShare ? "share of features" : "features")) { report in
          Double(report[keyPath: key]) / (isShare ? Double(statistics[report.dictionary]?.features ?? 1) : 1)
        }
      }
    return PlotPage(
      title: "Training of \(block), \(names.joined(separator: ", "))",
      plots: plots + [densities(statistics, names)])
  }

  /// How many features are how often active.
  private static func densities(_ statistics: [FeatureStatistics?], _ names: [String]) -> Plot {
    let measured = zip(names, statistics).compactMap { name, found in found.map { (name, $0) } }
    var plot = Plot(
      title: "How often features are active", x: Axis("share of places", scale: .logarithmic),
      y: Axis("features"))
    let all = measured.flatMap { $0.1.density.filter { $0 > 0 } }
    guard let least = all.min(), let most = all.max() else {
      plot.note = measured.isEmpty ? "not measured" : "no feature was active"
      return plot
    }
    let range = Double(least) * 0.99...Double(most) * 1.01
    plot.series = measured.map { name, found in
      let histogram = Histogram(found.density.map(Double.init), bins: 40, scale: .logarithmic, range: range)
      guard measured.count > 1 else { return .histogram(of: histogram) }
      let middles = zip(histogram.edges, histogram.edges.dropFirst()).map { ($0 * $1).squareRoot() }
      return .line(name, x: middles, y: histogram.counts.map(Double.init))
    }
    plot.note =
      measured.map { name, found in
        (measured.count > 1 ? "\(name): " : "") + "\(found.dead.count) of \(found.features) never active"
      }.joined(separator: "; ")
    return plot
  }
}
