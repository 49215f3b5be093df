import Foundation
import SDLensCore

/// A part of the reproduction: something that is made, and what it tells. One entry each in `ReproductionParts.all`.
///
/// A part whose inputs are as they were is not done again. One that was stopped goes on where it was, if what it calls
/// keeps what is done.
public protocol ReproductionPart: Sendable {
  /// Its word for `--only`.
  var name: String { get }
  /// What it does, in a line.
  var title: String { get }
  /// The parts whose results it takes.
  var needs: [String] { get }
  /// Why it cannot be done; nil where it can.
  func obstacle(in study: Reproduction) throws -> String?
  /// What decides its results, beside the model, the version of the program and the parts that it needs.
  func inputs(of study: Reproduction) throws -> [Fact]
  /// How much there is to do, of the kinds that are timed.
  func work(in study: Reproduction) throws -> Work
  /// Whether what it made, beside its figures, is still there.
  func isThere(_ findings: PartFindings, in study: Reproduction) -> Bool
  /// Does it.
  func run(in study: Reproduction) throws -> PartFindings
}

extension ReproductionPart {
  /// None.
  public var needs: [String] { [] }
  /// None.
  public func obstacle(in study: Reproduction) throws -> String? { nil }
  /// Nothing more.
  public func inputs(of study: Reproduction) throws -> [Fact] { [] }
  /// It makes nothing but figures.
  public func isThere(_ findings: PartFindings, in study: Reproduction) -> Bool { true }
}

/// A name and what it stands for.
public struct Fact: Codable, Sendable, Equatable {
  /// The name.
  public let name: String
  /// What it stands for.
  public let value: String

  /// Names a value.
  public init(_ name: String, _ value: String) { (self.name, self.value) = (name, value) }
}

/// What a part found.
public struct PartFindings: Codable, Sendable, Equatable {
  /// Figures: claims and tables take theirs from here.
  public var measurements: [MeasuredColumn] = []
  /// Pictures.
  public var exhibits: [Exhibit] = []
  /// Why something was not measured, by metric.
  public var omissions: [Fact] = []
  /// What was made elsewhere, as dictionaries.
  public var products: [Fact] = []
  /// Sentences for the report.
  public var notes: [String] = []

  /// Nothing yet.
  public init() {}

  /// What a product is.
  func product(_ name: String) -> String? { products.first { $0.name == name }?.value }
}

/// A picture of the report.
public struct Exhibit: Codable, Sendable, Equatable {
  /// Its file in the folder of figures.
  public let file: String
  /// The chapter that shows it.
  public let chapter: Chapter
  /// The figure of the paper.
  public let source: String
  /// What is seen; the alternative text, too.
  public let caption: String
  /// Lines of the table of prompts; empty where it shows none.
  public var prompts: [String]

  /// Names a picture and says what is seen.
  public init(file: String, chapter: Chapter, source: String, caption: String, prompts: [String] = []) {
    (self.file, self.chapter, self.source) = (file, chapter, source)
    (self.caption, self.prompts) = (caption, prompts)
  }
}

/// How much a part has to do.
public struct Work: Sendable, Equatable {
  /// What is timed.
  public enum Kind: String, Sendable, CaseIterable {
    /// Prompts that are recorded.
    case recorded
    /// Pictures that are made: a run, and its latents decoded.
    case pictures
    /// Pictures with an edit: their runs begin at its block, behind what is the same without it.
    case edited
    /// Runs whose latents are not decoded.
    case runs
    /// Trainings that begin, each of all dictionaries of a block.
    case trainings
    /// Their steps.
    case steps
    /// Pictures whose vectors all dictionaries of a block are evaluated on.
    case evaluated
    /// Pictures that CLIP looks at.
    case looks
  }

  /// Pieces that are timed.
  private var pieces: [Kind: Int] = [:]
  /// Seconds that are known otherwise.
  public var seconds = 0.0
  /// Bytes on disk.
  public var bytes = 0

  /// Nothing to do.
  public init() {}

  /// The pieces of a kind.
  public subscript(kind: Kind) -> Int {
    get { pieces[kind] ?? 0 }
    set { pieces[kind] = newValue }
  }

  /// How long it takes, where pieces were timed.
  func seconds(by times: [Kind: WorkEstimate.Work]) -> Double {
    var all = self
    // About half of a picture each.
    all[.pictures] += self[.edited] / 2
    return Kind.allCases.reduce(seconds) { $0 + (times[$1]?.of(pieces: all[$1]).seconds ?? 0) }
  }

  /// How many are different among some that are drawn at random of so many, as is to be expected.
  static func different(_ drawn: Int, of all: Int) -> Int {
    all == 0 ? 0 : Int((Double(all) * (1 - exp(-Double(drawn) / Double(all)))).rounded())
  }

  /// Both.
  static func + (a: Work, b: Work) -> Work {
    var sum = a
    for kind in Kind.allCases { sum[kind] += b[kind] }
    sum.seconds += b.seconds
    sum.bytes += b.bytes
    return sum
  }
}

/// The parts that there are.
public enum ReproductionParts {
  /// All, in the order in which they are done: a part stands behind those that it needs, and what takes captions behind
  /// `AnnotationPart`.
  public static let all: [any ReproductionPart] =
    [
      RecordingPart(), TrainingPart(), AnnotationPart(), TablesPart(), ImpactPart(), TruthPart(), JudgePart(),
    ] + (FigurePart.all as [any ReproductionPart]) + (AblationPart.all as [any ReproductionPart])

  /// Those named and all that they need; all where none is named.
  ///
  /// - Throws: `UnknownPart`.
  static func selected(_ names: [String]) throws -> Set<String> {
    for name in names where !all.contains(where: { $0.name == name }) {
      throw UnknownPart(name: name, known: all.map(\.name))
    }
    guard !names.isEmpty else { return Set(all.map(\.name)) }
    var chosen = Set(names)
    for part in all.reversed() where chosen.contains(part.name) { chosen.formUnion(part.needs) }
    return chosen
  }
}

/// A part that does not exist.
public struct UnknownPart: UserError {
  let name: String
  let known: [String]
  /// The name, and those that there are.
  public var description: String {
    "there is no part '\(name)'; --only takes some of: \(known.joined(separator: ", "))"
  }
}
