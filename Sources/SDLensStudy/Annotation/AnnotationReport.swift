import Foundation
import SDLensCore

/// Captions of the features of some blocks and their scores, as they are reported.
public struct AnnotationReport: Encodable {
  let source: String
  @Nullable var model: String?
  @Nullable var judge: String?
  let blocks: [Annotation.BlockReport]
  /// Where every caption stands with its scores.
  let table: String
  @Nullable var requests: Int?
  @Nullable var cost: Double?
  let sources: Provenance

  /// Asks, measures, and writes `scores.csv` and `run.json`.
  ///
  /// - Parameters:
  ///   - judge: who says which pictures a caption fits; nil where nobody does.
  ///   - measuresPaper: whether the paper's scores are measured too.
  ///   - key: what decides the results.
  ///   - command: how it is asked for, to be kept in `run.json`.
  /// - Throws: as `Annotation.run`; `FileError`.
  public init(
    of annotator: any Annotator, judge: (any CaptionJudge)?, measuresPaper: Bool, in session: MetricSession,
    _ results: ResultFolder, _ key: [String: String], command: [String]
  ) throws {
    let progress = session.progress
    let endpoint = (annotator as? EndpointAnnotator)?.endpoint
    func tellCost() {
      guard let account = endpoint?.account else { return }
      let cost = account.spent.map { String(format: ", which cost %.4g", $0) } ?? ""
      progress.note("\(account.asked) requests were sent\(cost)")
    }
    let annotation = Annotation(annotator, judge: judge, in: session)
    annotation.measuresPaper = measuresPaper
    do {
      try annotation.run(in: results)
    } catch {
      tellCost()
      throw error
    }
    try results.write(annotation.csv, to: "scores.csv")
    try results.writeRun(command, session.model, key)
    progress.clear()
    tellCost()
    table = results("scores.csv")
    progress.note("'\(table)' has every caption with its scores")
    (source, blocks, sources) = (annotator.source, annotation.reports, session.sources)
    model = annotator.model
    self.judge = judge?.name
    requests = endpoint?.account.asked
    cost = endpoint?.account.spent
  }

  /// A table for each block.
  public var text: String { "\(blocks.map(\.text).joined(separator: "\n\n"))\n\n\(sources.text)" }
}

extension Annotation.BlockReport {
  /// The scores of a block.
  fileprivate var text: String {
    var table = Table(left: [0], [["", "captions", "at random", "n"]])
    for score in scores {
      table.add(
        score.name, Cells.bracketed(score.own, 2), Cells.bracketed(score.random, 2), Cells.whole(score.own?.n)
      )
    }
    let silent = silent.isEmpty ? "" : ", \(silent.count) without"
    let truth = truthPictures.map { "\nWhat is true was seen on \($0) pictures." } ?? ""
    return "\(block): \(captioned) of \(features) features with a caption\(silent)"
      + (captioned == 0 ? "" : ", in '\(file)'") + (scores.isEmpty ? "" : "\n\(table.text)\(truth)")
  }
}

extension EndpointAnnotator.Estimate {
  /// What is sent, and what it costs.
  public var text: String {
    let cost = cost.map { String(format: "%.4g", $0) } ?? "unknown without --price-in and --price-out"
    return "\(requests) requests of \(Units.bytes(bytes)) in all, about "
      + "\(promptTokens) tokens sent and \(answerTokens) answered; cost: \(cost)"
  }
}

/// Nobody says what features mean.
public struct NobodyAnnotates: UserError {
  let model: String
  let hasCLIP: Bool

  /// Of a model; `hasCLIP` says whether only phrases lack.
  public init(model: String, hasCLIP: Bool) { (self.model, self.hasCLIP) = (model, hasCLIP) }

  /// What lacks, and who else could be asked.
  public var description: String {
    hasCLIP
      ? "CLIP has no phrases to name features of '\(model)' by; give a file of them with --vocabulary, or ask a language "
        + "model with --endpoint"
      : "'\(model)' brings no CLIP that could name features; name one with --clip and phrases with --vocabulary, ask a "
        + "language model with --endpoint, or people with --export"
  }
}
