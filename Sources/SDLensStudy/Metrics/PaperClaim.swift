import Foundation
import SDLensDiffusion

/// Something that the paper's tables or text say of which figure is larger, to be looked for in measurements of any
/// model.
public struct PaperClaim: Sendable {
  /// Where it stands.
  public let source: String
  /// What it says.
  public let claim: String
  /// Every figure of a group is larger than every one of the next.
  let groups: [[Term]]
  /// Whether it is one about each of some blocks, so that it can be looked for at those that were measured.
  private let isOfEach: Bool
  /// What in the making of `shapes` decides it there; nil where it is a finding.
  let design: String?

  /// A figure: the mean of some columns of a subject, or their sum over that of others.
  struct Term: Sendable {
    let label, metric, subject: String
    var over: [String]
    var under: [String] = []
    /// A number to compare with, instead of a figure.
    private var number: Double?

    init(_ metric: String, _ subject: String, _ column: String? = nil, label: String? = nil) {
      (self.metric, self.subject, self.label) = (metric, subject, label ?? subject)
      over = [column ?? metric]
    }

    /// How much more changes in one group of columns of locality than in another.
    init(_ label: String, of block: String, _ over: [String], over under: [String]) {
      (self.label, metric, subject, self.over, self.under) = (label, "locality", block, over, under)
    }

    /// The figure; nil where it was not measured.
    func estimate(in measurements: [MeasuredColumn]) -> Estimate? {
      if let number { return Estimate(number, n: 0, interval: nil) }
      func find(_ columns: [String]) -> [MeasuredColumn]? {
        let found = columns.compactMap { column in
          measurements.first { $0.metric == metric && $0.subject == subject && $0.column == column }
        }
        return found.count == columns.count && found.allSatisfy { !$0.values.isEmpty } ? found : nil
      }
      guard let above = find(over), let below = find(under) else { return nil }
      if above.count == 1, below.isEmpty, let mean = above[0].mean {
        return Estimate(mean, n: above[0].n, interval: above[0].interval.map { $0[0]...$0[1] })
      }
      func sums(_ all: [MeasuredColumn]) -> [Double] {
        (0..<above[0].values.count).map { index in all.reduce(0) { $0 + $1.values[index] } }
      }
      guard !below.isEmpty else { return Estimate(meanOf: sums(above).map { $0 / Double(above.count) }) }
      return Estimate(ratioOf: zip(sums(above), sums(below)).map { (part: $0, whole: $1) })
    }

    /// A number to compare with.
    init(_ number: Double) {
      (label, metric, subject, over, self.number) = ("", "", "", [], number)
    }

    /// Whether it is measured.
    var isNumber: Bool { number != nil }

    /// What the paper has for SDXL-Turbo, as it stands there; of several columns what they come to.
    var paper: String? {
      guard let values = PaperValues.of(metric, subject) else { return nil }
      if over.count == 1, under.isEmpty { return values[over[0]] }
      func mean(_ columns: [String]) -> Double? {
        let found = columns.compactMap { values[$0].flatMap { Double($0.prefix { $0 != " " }) } }
        return found.count == columns.count && !found.isEmpty
          ? found.reduce(0, +) / Double(found.count) : nil
      }
      guard let above = mean(over) else { return nil }
      if under.isEmpty { return String(format: "%.3g", above) }
      return mean(under).map { String(format: "%.3g", above / $0) }
    }
  }

  init(
    _ source: String, _ claim: String, _ groups: [[Term]], isOfEach: Bool = false, design: String? = nil
  ) {
    (self.source, self.claim, self.groups) = (source, claim, groups)
    (self.isOfEach, self.design) = (isOfEach, design)
  }

  // MARK: Looking for it

  /// Whether a claim holds, and the figures.
  public struct Finding: Sendable, Codable, Equatable {
    /// A figure and what it is of.
    public struct Figure: Sendable, Codable, Equatable {
      /// A block, a baseline, or something of them.
      public let label: String
      /// The figure.
      public let estimate: Estimate
      /// What the paper has for SDXL-Turbo, as it stands there; nil where it has none.
      public let paper: String?
    }
    /// Where the paper says it.
    public let source: String
    /// What it says.
    public let claim: String
    /// Whether the means say so too.
    public let holds: Bool
    /// Whether the intervals of what is compared lie apart, so that the answer is no accident of the sample; nil where a
    /// figure has none, being of one measurement.
    public let isClear: Bool?
    /// The figures, in groups: each is said to be larger than the next.
    public let figures: [[Figure]]

    /// As in `holds  Table 1a  up.0.1 lowest in colour: down.2.1 133, mid.0 100 > up.0.1 66`.
    public var text: String {
      let values = figures.map { group in
        group.map { figure in
          (figure.label.isEmpty ? "" : "\(figure.label) ") + String(format: "%.3g", figure.estimate.value)
        }.joined(separator: ", ")
      }
      return "\(holds ? "holds" : "fails")  \(source): \(claim): \(values.joined(separator: " > "))"
        + (isClear.map { $0 ? "" : " (intervals overlap)" } ?? " (without intervals)")
    }
  }

  /// Looks for it; nil where too little was measured.
  public func finding(in measurements: [MeasuredColumn]) -> Finding? {
    let figures = groups.map { group in
      group.compactMap { term in
        term.estimate(in: measurements).map {
          Finding.Figure(label: term.label, estimate: $0, paper: term.paper)
        }
      }
    }
    let isWhole = zip(figures, groups).allSatisfy { $0.count == $1.count }
    guard !groups.isEmpty, isWhole || isOfEach, figures.allSatisfy({ !$0.isEmpty }) else { return nil }
    let pairs = zip(figures, figures.dropFirst()).flatMap { above, below in
      above.flatMap { larger in below.map { (larger.estimate, $0.estimate) } }
    }
    let holds = pairs.allSatisfy { $0.value > $1.value }
    let isClear =
      holds
      ? pairs.allSatisfy { $0.ends.lowerBound > $1.ends.upperBound }
      : pairs.contains { $0.ends.upperBound < $1.ends.lowerBound }
    // A number to compare with is of none.
    let haveIntervals = figures.joined().allSatisfy { $0.estimate.interval != nil || $0.estimate.n == 0 }
    return Finding(
      source: source, claim: claim, holds: holds, isClear: haveIntervals ? isClear : nil, figures: figures)
  }

  /// All claims that can be looked for in measurements.
  public static func findings(in measurements: [MeasuredColumn]) -> [Finding] {
    all.compactMap { $0.finding(in: measurements) }
  }

  // MARK: The paper's claims

  static let blocks = BlockName.studied.map(\.description)

  static func every(_ metric: String, but block: String? = nil, _ column: String? = nil) -> [Term] {
    blocks.filter { $0 != block }.map { Term(metric, $0, column) }
  }

  static func highest(
    _ source: String, _ block: String, _ what: String, _ metric: String, _ column: String? = nil,
    design: String? = nil
  )
    -> PaperClaim
  {
    PaperClaim(
      source, "\(block) highest in \(what)",
      [[Term(metric, block, column)], every(metric, but: block, column)], design: design)
  }

  static func lowest(
    _ source: String, _ block: String, _ what: String, _ metric: String, _ column: String? = nil,
    design: String? = nil
  )
    -> PaperClaim
  {
    PaperClaim(
      source, "\(block) lowest in \(what)",
      [every(metric, but: block, column), [Term(metric, block, column)]], design: design)
  }

  /// Inside over outside at some strengths.
  private static func locality(_ block: String, _ strengths: [String] = strengths, label: String) -> Term {
    Term(
      label, of: block, strengths.map { "\($0) inside" }, over: strengths.map { "\($0) outside" })
  }

  private static let strengths = Locality.strengths.map { String(format: "%g", $0) }

  private static let table1a = [
    PaperClaim(
      "Table 1a", "features of every block specific beyond chance",
      [every("specificity"), [Term("specificity", "random")]], isOfEach: true),
    PaperClaim(
      "Table 1a", "pictures of one prompt more alike than those of any block's features",
      [[Term("specificity", "same prompt")], every("specificity")], isOfEach: true),
    highest("Table 1a", "down.2.1", "specificity", "specificity"),
    lowest("Table 1a", "mid.0", "specificity", "specificity"),
    PaperClaim(
      "Table 1a", "features of every block nearer to \"texture\" than random pictures",
      [every("texture"), [Term("texture", "random")]], isOfEach: true),
    highest(
      "Table 1a", "up.0.1", "texture", "texture",
      design: "the texture of objects belongs to up.0.0 there, not to up.0.1"),
    lowest("Table 1a", "mid.0", "texture", "texture"),
    PaperClaim(
      "Table 1a", "features of up.0.1 nearer to \"texture\" than pictures of textures",
      [[Term("texture", "up.0.1")], [Term("texture", "textures")]]),
    lowest(
      "Table 1a", "up.0.1", "colour spread", "color", design: "colours belong to up.0.1 alone there"),
    PaperClaim(
      "Table 1a", "colours of random pictures more spread than those of any block's features",
      [[Term("color", "random")], every("color")], isOfEach: true),
  ]

  private static let table1b =
    ["up.0.0", "up.0.1"].map { block in
      PaperClaim(
        "Table 1b", "\(block) acts locally, inside / outside above 1 at every strength",
        [strengths.map { locality(block, [$0], label: "\(block) at \($0)") }, [Term(1)]])
    } + [
      PaperClaim(
        "Table 1b", "down.2.1 the least local, inside / outside",
        [
          blocks.filter { $0 != "down.2.1" }.map { locality($0, label: $0) },
          [locality("down.2.1", label: "down.2.1")],
        ]),
      PaperClaim(
        "Table 1b", "up.0.1 the most local, inside / outside",
        [
          [locality("up.0.1", label: "up.0.1")],
          blocks.filter { $0 != "up.0.1" }.map { locality($0, label: $0) },
        ]),
      PaperClaim(
        "Table 1b", "down.2.1 changes pictures most inside",
        [[change("down.2.1")], blocks.filter { $0 != "down.2.1" }.map(change)]),
      PaperClaim(
        "Table 1b", "mid.0 changes pictures least inside",
        [blocks.filter { $0 != "mid.0" }.map(change), [change("mid.0")]],
        design: "mid.0 decides nothing but the size of objects there"),
      PaperClaim(
        "Table 1b", "negative strengths change more than positive ones inside, their ratio above 1",
        [
          blocks.map { Term($0, of: $0, ["-10 inside", "-5 inside"], over: ["5 inside", "10 inside"]) },
          [Term(1)],
        ], isOfEach: true),
    ]

  private static func change(_ block: String) -> Term {
    Term(block, of: block, strengths.map { "\($0) inside" }, over: [])
  }

  private static let byRule =
    "captions are phrases of its grammar, chosen by a rule to fit these very pictures"

  private static let text =
    [
      PaperClaim(
        "Sec. 5.2", "captions fit the pictures of their features better than random ones",
        [[Term("interpretability", "down.2.1")], [Term("interpretability", "random")]], design: byRule),
      PaperClaim(
        "Sec. 5.2", "pictures made from captions fit them better still",
        [[Term("interpretability", "from the caption")], [Term("interpretability", "down.2.1")]]),
      PaperClaim(
        "Sec. 5.2", "captions fit the pictures in which a feature is active better than its own alone",
        [
          [Term("interpretability", "down.2.1", label: "active")],
          [Term("causality", "down.2.1", label: "alone")],
        ], design: byRule),
    ]
    + ["over 0 %", "over 10 %", "over 30 %"].map { (area: String) in
      PaperClaim(
        "Sec. 5.2",
        "features active \(area) of the area where their captions say, more often than on random prompts",
        [
          [Term("sensitivity", "down.2.1", area)],
          [Term("sensitivity", "random at down.2.1", area, label: "random")],
        ])
    }

  private static let table2 = [
    highest("Table 2", "down.2.1", "change by reconstruction, mean", "reconstruction", "mean"),
    lowest("Table 2", "up.0.1", "change by reconstruction, mean", "reconstruction", "mean"),
    highest("Table 2", "down.2.1", "change by reconstruction, median", "reconstruction", "median"),
    lowest("Table 2", "up.0.0", "change by reconstruction, median", "reconstruction", "median"),
    highest("Table 2", "down.2.1", "LPIPS by reconstruction", "reconstruction", "LPIPS"),
    lowest("Table 2", "up.0.1", "LPIPS by reconstruction", "reconstruction", "LPIPS"),
    highest("Table 2", "down.2.1", "explained variance", "reconstruction", "explained variance"),
    lowest("Table 2", "mid.0", "explained variance", "reconstruction", "explained variance"),
    highest("Footnote 4", "up.0.0", "position, told from its input", "position", "both"),
    lowest("Footnote 4", "up.0.1", "position, told from its input", "position", "both"),
  ]

  /// All of them.
  public static let all = table1a + table1b + text + table2
}
