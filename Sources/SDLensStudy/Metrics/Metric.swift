import SDLensDiffusion

/// A number of features or blocks that `eval` measures: one file each, and a word in `Metrics.all`.
///
/// From what is said here come a subcommand with its help, the table, CSV, JSON and plot of its results, and that a
/// measurement which was stopped goes on.
public protocol Metric: SendableMetatype {
  /// The name of the subcommand, and of the metric in results.
  static var name: String { get }
  /// What it tells, in a line.
  static var abstract: String { get }
  /// How it is measured; may be empty.
  static var discussion: String { get }
  /// The columns of its table.
  static var columns: [String] { get }
  /// Columns that stand together in a cell, where a table of one column each would be too wide; else empty.
  static var columnGroups: [(title: String, columns: [String])] { get }
  /// Digits behind the point.
  static var decimals: Int { get }
  /// What must be there.
  static var needs: Set<MetricNeed> { get }
  /// The table of the paper that has it; nil of one that stands in its text, or nowhere.
  static var paperTable: String? { get }
  /// The paper's values for SDXL-Turbo, as they stand there: for each block or baseline those of the columns; an empty
  /// one is not in the paper.
  static var paper: [String: [String]] { get }
  /// Whether it takes so long that it is measured only when it is asked for by name.
  static var isSlow: Bool { get }
  /// Whether it tells something of a dictionary of another model, so that one may be named.
  static var goesAcrossModels: Bool { get }

  /// Measures a block for whose need everything is there, and tells `run` what it found.
  static func measure(_ block: BlockName, in run: MetricRun) throws
  /// Measures what its blocks are compared with; called once, when any block was measured.
  static func baselines(in run: MetricRun) throws
}

extension Metric {
  /// Nothing more than what it tells.
  public static var discussion: String { "" }
  /// One, of its name.
  public static var columns: [String] { [name] }
  /// None.
  public static var columnGroups: [(title: String, columns: [String])] { [] }
  /// Two.
  public static var decimals: Int { 2 }
  /// A dictionary only.
  public static var needs: Set<MetricNeed> { [] }
  /// None.
  public static var paperTable: String? { nil }
  /// None.
  public static var paper: [String: [String]] { [:] }
  /// It is measured together with the others.
  public static var isSlow: Bool { false }
  /// Dictionary and store must be of the model.
  public static var goesAcrossModels: Bool { false }
  /// Nothing.
  public static func baselines(in run: MetricRun) throws {}

  /// The paper's values for a block or a baseline, by column; one baseline for all blocks where we have one for each.
  static func paperValues(for subject: String) -> [String: String] {
    let values = paper[subject] ?? (subject.hasPrefix("random at ") ? paper["random"] : nil) ?? []
    return Dictionary(uniqueKeysWithValues: zip(columns, values).filter { !$1.isEmpty })
  }
}

/// A metric that is measured feature by feature.
public protocol FeatureMetric: Metric {
  /// The values of a feature, one for each column, or why it has none.
  static func outcome(of feature: Int, at block: BlockName, in session: MetricSession) throws -> MetricOutcome
}

extension FeatureMetric {
  /// Measures the chosen features one by one.
  public static func measure(_ block: BlockName, in run: MetricRun) throws {
    try run.features(Self.self, block) { try outcome(of: $0, at: block, in: run.session) }
  }
}

/// What a metric must have, in the order in which it is looked for.
public enum MetricNeed: CaseIterable, Sendable {
  /// CLIP.
  case clip
  /// Where features are active.
  case examples
  /// Also where they are weak.
  case weakExamples
  /// Pictures that were recorded.
  case recorded
  /// A store with the vectors of all places.
  case store
  /// Captions of features.
  case captions
  /// The mean activations of features.
  case means
  /// How often features are active.
  case statistics
  /// Data of several denoising steps.
  case steps
}

/// The metrics that there are.
public enum Metrics {
  /// Those of the paper.
  public static let paper: [any Metric.Type] = [
    SpecificityMetric.self, TextureScore.self, ColourSpreadMetric.self, LocalityMetric.self,
    Interpretability.self,
    Causality.self,
    SensitivityMetric.self, ReconstructionErrorMetric.self, PositionProbeMetric.self,
  ]
  /// Newer ones.
  public static let newer: [any Metric.Type] = [
    MonosemanticityMetric.self, DictionaryDensityMetric.self, ArtefactCheckMetric.self,
    TemporalStabilityMetric.self,
  ]
  /// All of them, in the order of tables.
  public static let all = paper + newer
}

/// The values of a feature, picture or sample in all columns, or why it has none.
public struct MetricOutcome: Sendable, Codable, Equatable {
  /// Why a feature has no value.
  public enum Skip: String, Sendable, Codable, CaseIterable {
    case tooFewPictures = "too few pictures"
    case dead = "never active"
    case noCaption = "no caption"
    case noArea = "no area inside or outside"

    /// As in `3 features were active in too few pictures`.
    public var phrase: String {
      switch self {
      case .tooFewPictures: "active in too few pictures"
      case .dead: "never active"
      case .noCaption: "without a caption"
      case .noArea: "without a part of the picture inside or outside their area"
      }
    }
  }

  /// One for each column; nil for a column that was not measured.
  public var values: [Double?] = []
  /// Why there are none.
  public var skip: Skip?

  /// The values; where there are none, the reason.
  public init(_ values: [Double]?, else reason: Skip) {
    if let values { self.values = values } else { skip = reason }
  }

  /// A single value; where there is none, the reason.
  public init(_ value: Double?, else reason: Skip) { self.init(value.map { [$0] }, else: reason) }

  /// The values.
  public init(values: [Double?]) { self.values = values }

  /// Why there are none.
  public init(skip: Skip) { self.skip = skip }
}
