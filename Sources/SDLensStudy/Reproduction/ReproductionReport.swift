import SDLensCore

/// What a reproduction found, claim by claim: everything that its page shows.
public struct ReproductionReport: Codable, Sendable, Equatable {
  /// Its file.
  public static let fileName = "report.json"

  /// Whether a claim holds.
  public enum Verdict: String, Codable, Sendable {
    case holds
    case fails = "does not hold"
    case notMeasurable = "not measurable"
  }

  /// A claim and what became of it.
  public struct Judged: Codable, Sendable, Equatable {
    /// Its number in the report, from 1.
    public let number: Int
    /// Where the paper says it.
    public let source: String
    /// What it says.
    public let claim: String
    /// Whether it holds.
    public let verdict: Verdict
    /// Whether the intervals of what is compared lie apart; nil where it was not measured.
    public let isClear: Bool?
    /// The figures, in groups: each is said to be larger than the next.
    public let figures: [[PaperClaim.Finding.Figure]]
    /// Why it was not measured.
    public let reason: String?
    /// On `shapes`: what in its making decides this; nil where it is a finding, and for other models.
    public let design: String?
  }

  /// A table: what a metric measured.
  public struct Table: Codable, Sendable, Equatable {
    /// Its title.
    public let title: String
    /// The columns.
    public let columns: [String]
    /// For each block or baseline its cells, in the order of the columns.
    public let rows: [Row]
    /// Digits behind the point.
    public let decimals: Int
  }

  /// A block or baseline.
  public struct Row: Codable, Sendable, Equatable {
    /// Its name.
    public let subject: String
    /// In the order of the columns.
    public let cells: [Cell]
  }

  /// A figure of a table.
  public struct Cell: Codable, Sendable, Equatable {
    /// The mean, and the deviation over features or pictures where there are several; nil where nothing was measured.
    public let mean, deviation: Double?
    /// The 95 % interval of the mean.
    public let interval: [Double]?
    /// Of how many.
    public let n: Int
    /// What the paper has.
    public let paper: String?
  }

  /// A chapter.
  public struct Section: Codable, Sendable, Equatable {
    /// Which.
    public let chapter: Chapter
    /// Its pictures.
    public let exhibits: [Exhibit]
    /// Its tables.
    public let tables: [Table]
    /// Its claims.
    public let claims: [Judged]
    /// Its heading.
    public var title: String { chapter.title }
  }

  /// The version of the program.
  public let version: String
  /// The model.
  public let model, modelFingerprint: String
  /// Whether the model's own making decides some of the claims.
  public let isShapes: Bool
  /// What decided the report.
  public let settings: [Fact]
  /// How verdicts were found.
  public let rule: String
  /// Chapter by chapter.
  public let sections: [Section]
  /// The parts, and what they say.
  public let parts: [Reproduction.PartState]

  /// All claims, in their order.
  public var claims: [Judged] { sections.flatMap(\.claims) }

  /// Judges all claims by what parts found.
  public init(
    model: String, modelFingerprint: String, isShapes: Bool, settings: [Fact],
    parts: [Reproduction.PartState],
    findings: [PartFindings]
  ) {
    version = Version.current
    (self.model, self.modelFingerprint, self.isShapes) = (model, modelFingerprint, isShapes)
    (self.settings, self.parts, rule) = (settings, parts, Claim.rule)
    let measured = findings.flatMap(\.measurements)
    let lacking = Lacking(measured: measured, omissions: findings.flatMap(\.omissions), parts: parts)
    var number = 0
    sections = Chapter.allCases.map { chapter in
      Section(
        chapter: chapter, exhibits: findings.flatMap(\.exhibits).filter { $0.chapter == chapter },
        tables: Self.tables(of: chapter, measured),
        claims: Claim.all.filter { $0.chapter == chapter }.map { claim in
          number += 1
          return Judged(number, claim, measured, lacking, isShapes: isShapes)
        })
    }
  }

  // MARK: Tables

  /// The metrics whose tables stand in a chapter, by name.
  private static let metrics: [Chapter: [String]] = [
    .blocks: [ImpactPart.metric, JudgePart.metric],
    .training: [TrainingPart.variance, TrainingPart.dead, "reconstruction"],
    .cases: [AloneMetric.name, "position"], .roles: [TruthPart.dictionary, TruthPart.random],
    .locality: ["locality"], .features: ["specificity", "texture", "color"],
    .captions: [AnnotationPart.metric, "interpretability", "causality", "sensitivity"],
    .ablations: AblationPart.all.map(\.name),
  ]

  private static func tables(of chapter: Chapter, _ measured: [MeasuredColumn]) -> [Table] {
    (metrics[chapter] ?? []).compactMap { name in
      let own = measured.filter { $0.metric == name && !$0.values.isEmpty }
      guard !own.isEmpty else { return nil }
      func unique(_ names: [String]) -> [String] {
        var seen: Set<String> = []
        return names.filter { seen.insert($0).inserted }
      }
      let (subjects, columns) = (unique(own.map(\.subject)), unique(own.map(\.column)))
      let metric = TablesPart.metrics.first { $0.name == name }
      return Table(
        title: metric.map { "\(name): \($0.abstract)" } ?? titles[name] ?? name, columns: columns,
        rows: subjects.map { subject in
          let paper = PaperValues.of(name, subject) ?? [:]
          return Row(
            subject: subject,
            cells: columns.map { column in
              let found = own.first { $0.subject == subject && $0.column == column }
              return Cell(
                mean: found?.mean, deviation: (found?.values.count ?? 0) > 1 ? found?.deviation : nil,
                interval: found?.interval, n: found?.n ?? 0, paper: paper[column])
            })
        }, decimals: metric?.decimals ?? 3)
    }
  }

  private static let titles = [
    ImpactPart.metric: "Change of pictures without a block, 0 to 765",
    JudgePart.metric: "Right answers of the judge without a block",
    TrainingPart.variance:
      "Explained variance of each dictionary; of one training each, so without intervals",
    TrainingPart.dead: "Share of the features that were never active in the recorded data",
    TruthPart.dictionary: "AUROC of the best feature for each factor, per picture",
    TruthPart.random: "AUROC of the best of as many random directions",
    AnnotationPart.metric: "Captions by CLIP, and those of other features drawn at random",
    "ablate-representation":
      "Dictionaries of what a block adds, of the stream before and behind it, of its heads",
    "ablate-architecture": "Sizes, and recipes with as many active features",
  ]
}

/// Tells why figures are missing.
private struct Lacking {
  let measured: [MeasuredColumn]
  let omissions: [Fact]
  let parts: [Reproduction.PartState]

  /// Where each metric comes from.
  private static let origins = [
    ImpactPart.metric: "impact", JudgePart.metric: "judge", TrainingPart.variance: "train",
    TrainingPart.dead: "train", TruthPart.dictionary: "truth", TruthPart.random: "truth",
  ]

  func reason(_ claim: PaperClaim) -> String {
    let terms = claim.groups.joined().filter { !$0.isNumber }
    guard let missing = terms.first(where: { $0.estimate(in: measured) == nil }) else {
      return "too little was measured"
    }
    let part = parts.first { $0.name == Self.origins[missing.metric] ?? "tables" }
    if let part, part.state != .done {
      return "the part '\(part.name)' is \(part.state.rawValue)" + (part.notes.first.map { ": \($0)" } ?? "")
    }
    if let omission = omissions.first(where: { $0.name == missing.metric }) {
      return "\(missing.metric): \(omission.value)"
    }
    return "\(missing.metric) of \(missing.subject) lacks \(missing.over.joined(separator: ", "))"
  }
}

extension ReproductionReport.Judged {
  fileprivate init(
    _ number: Int, _ claim: Claim, _ measured: [MeasuredColumn], _ lacking: Lacking, isShapes: Bool
  ) {
    let finding = claim.claim.finding(in: measured)
    (self.number, source, self.claim) = (number, claim.claim.source, claim.claim.claim)
    verdict = finding.map { $0.holds ? ReproductionReport.Verdict.holds : .fails } ?? .notMeasurable
    isClear = finding?.isClear
    figures = finding?.figures ?? []
    reason = finding == nil ? claim.reason ?? lacking.reason(claim.claim) : nil
    design = isShapes ? claim.claim.design : nil
  }
}
