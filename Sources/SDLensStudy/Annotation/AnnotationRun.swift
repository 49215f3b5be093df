import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensSparse
import Synchronization

/// Asks an annotator about features of a block, several at once where it can, and keeps what it says.
struct AnnotationRun {
  /// What came of it.
  struct Outcome {
    /// The captions, by feature.
    var captions: [Int: FeatureCaption] = [:]
    /// The pictures that the annotator saw of each feature.
    var seen: [Int: Set<Int>] = [:]
    /// Features of which it said nothing.
    var silent: [Int] = []
    /// Why it ended before the end.
    var problem: (any Error)?
  }

  let annotator: any Annotator
  let maker: SheetMaker

  /// Asks about features in order. An error of the annotator ends it; what it said until then is in the outcome.
  ///
  /// - Throws: what is wrong with the pictures.
  func outcome(of features: [Int], advance: (Int) -> Void) throws -> Outcome {
    let found = Found()
    let free = DispatchSemaphore(value: annotator.concurrency)
    let pending = DispatchGroup()
    defer { pending.wait() }
    for feature in features {
      if found.outcome.withLock({ $0.problem != nil }) { break }
      guard let sheet = try maker.sheet(of: feature) else {
        found.outcome.withLock { $0.silent.append(feature) }
        advance(1)
        continue
      }
      found.outcome.withLock { $0.seen[feature] = sheet.numbers }
      guard annotator.concurrency > 1 else {
        found.ask(annotator, sheet)
        advance(1)
        continue
      }
      // These threads wait for the network; what is computed runs here.
      free.wait()
      DispatchQueue.global().async(group: pending) { [annotator] in
        found.ask(annotator, sheet)
        free.signal()
      }
      advance(1)
    }
    pending.wait()
    return found.outcome.withLock { outcome in
      outcome.silent.sort()
      return outcome
    }
  }

  /// What several threads find.
  private final class Found: Sendable {
    let outcome = Mutex(Outcome())

    func ask(_ annotator: any Annotator, _ sheet: FeatureSheet) {
      do {
        let caption = try annotator.caption(of: sheet)
        outcome.withLock { outcome in
          if let caption {
            outcome.captions[sheet.feature] = caption
          } else {
            outcome.silent.append(sheet.feature)
          }
        }
      } catch {
        outcome.withLock { $0.problem = $0.problem ?? error }
      }
    }
  }
}

/// Captions of the features of some blocks, and how well they fit.
public final class Annotation {
  /// A score of the captions of a block.
  public struct Score: Sendable, Encodable {
    /// What is measured.
    public let name: String
    /// Of the captions; nil where none could be measured.
    public let own: Estimate?
    /// Of the same features with captions of other features, drawn at random; nil where there are none.
    public let random: Estimate?
  }

  /// What came of a block.
  public struct BlockReport: Sendable, Encodable {
    /// The block.
    public let block: String
    /// Features that were asked about.
    public let features: Int
    /// Features that have a caption.
    public let captioned: Int
    /// Features of which the annotator said nothing.
    public let silent: [Int]
    /// Where the captions were written.
    public let file: String
    /// The scores.
    public let scores: [Score]
    /// The pictures on which it was seen what features tell; nil where nobody knows that.
    public let truthPictures: Int?
  }

  /// A line of the table of captions.
  struct Line {
    let block: BlockName
    let caption: FeatureCaption
    /// The caption of another feature, and its scores.
    let random: String?
    let randomScores: [String: Double]
    /// On `shapes`: what the feature tells.
    let told: String?
  }

  /// What is asked and measured with.
  public let session: MetricSession
  let annotator: any Annotator
  let judge: (any CaptionJudge)?
  /// Whether the paper's scores are measured too.
  public var measuresPaper = false
  /// What came of each block.
  public private(set) var reports: [BlockReport] = []
  private(set) var lines: [Line] = []
  private var progress: any MetricProgress { session.progress }

  /// The names of scores.
  enum Name {
    static let detection = "detection", fuzzing = "fuzzing", truth = "truth", share = "named values told"
  }

  /// Ready to ask.
  ///
  /// - Parameter judge: who says which pictures a caption fits; nil where nobody does.
  public init(_ annotator: any Annotator, judge: (any CaptionJudge)?, in session: MetricSession) {
    (self.annotator, self.judge, self.session) = (annotator, judge, session)
  }

  /// Asks about the chosen features of all blocks, writes the captions into the workspace, and measures them.
  ///
  /// - Parameter results: for what is kept on the way.
  /// - Throws: what ended it; captions that there were until then are written.
  public func run(in results: ResultFolder) throws {
    var outcomes: [BlockName: AnnotationRun.Outcome] = [:]
    for block in session.blocks {
      let features = session.features(of: block)
      let maker = try SheetMaker(block, annotator.plan, in: session)
      progress.count(to: features.count, unit: "features")
      let outcome = try AnnotationRun(annotator: annotator, maker: maker).outcome(of: features) {
        self.progress.advance("captions of \(block)", by: $0)
      }
      try write(outcome, of: block)
      if let problem = outcome.problem { throw problem }
      outcomes[block] = outcome
      session.captionTable[block] = outcome.captions.mapValues(\.caption)
    }
    let paper = measuresPaper ? try paperRun(results) : nil
    for (block, outcome) in outcomes.sorted(by: { $0.key < $1.key }) {
      var outcome = outcome
      let truth = try truth(of: block)
      let scores = try measure(&outcome, of: block, truth, paper)
      try write(outcome, of: block)
      reports.append(
        BlockReport(
          block: "\(block)", features: session.features(of: block).count, captioned: outcome.captions.count,
          silent: outcome.silent, file: path(of: block), scores: scores, truthPictures: truth?.pictures))
    }
  }

  func dictionary(_ block: BlockName) -> DictionaryFolder {
    guard let dictionary = session.dictionaries[block] else {
      preconditionFailure("no dictionary of \(block)")
    }
    return dictionary
  }

  private func path(of block: BlockName) -> String { session.workspace.captionFile(of: dictionary(block)) }

  /// Puts captions where those of the dictionary are written.
  private func write(_ outcome: AnnotationRun.Outcome, of block: BlockName) throws {
    let captions = outcome.captions.sorted { $0.key < $1.key }.map(\.value)
    guard !captions.isEmpty else { return }
    try FeatureCaptions.put(captions, into: path(of: block), features: dictionary(block).autoencoder.features)
  }

  /// Whether it is known where features are active.
  func isTested(_ block: BlockName) -> Bool {
    dictionary(block).examples != nil && dictionary(block).pictures != nil
  }

  /// What tests look at.
  static let testPlan = SheetPlan(strongest: 1, hasMaps: true)

  /// Scores by feature, and by name.
  private typealias Table = [Int: [String: Double]]

  /// Measures the captions of a block, and puts their scores into them.
  private func measure(
    _ outcome: inout AnnotationRun.Outcome, of block: BlockName, _ truth: CaptionTruth?, _ paper: MetricRun?
  ) throws -> [Score] {
    let features = outcome.captions.keys.sorted()
    let random = randomCaptions(outcome.captions, block)
    var (own, others): (Table, Table) = ([:], [:])
    var names: [String] = []
    /// Scores a caption, and that of another feature.
    func score(_ feature: Int, _ scores: (String) throws -> [String: Double?]) rethrows {
      func put(_ text: String?, _ table: inout Table) throws {
        guard let text else { return }
        for (name, value) in try scores(text) { table[feature, default: [:]][name] = value }
      }
      try put(outcome.captions[feature]?.caption, &own)
      try put(random[feature], &others)
    }
    if let truth {
      names += [Name.truth, Name.share]
      for feature in features {
        score(feature) { text in
          let found = truth.scores(of: text, feature)
          return [Name.truth: found.isTrue, Name.share: found.share]
        }
      }
    }
    if let judge, isTested(block) {
      let maker = try SheetMaker(block, Self.testPlan, in: session)
      progress.count(to: features.count, unit: "features")
      names += [Name.detection, Name.fuzzing]
      for feature in features {
        progress.advance("testing captions of \(block)", by: 1)
        guard let test = try CaptionTest(of: feature, seen: outcome.seen[feature] ?? [], maker)
        else { continue }
        try score(feature) { text in
          let found = try test.scores(of: text, by: judge)
          return [Name.detection: found.detection, Name.fuzzing: found.fuzzing]
        }
      }
    }
    let measured = paper?.columns.filter { $0.subject == "\(block)" } ?? []
    for column in measured {
      for (feature, value) in zip(column.features, column.values) {
        own[feature, default: [:]][Self.name(of: column)] = value
      }
    }
    for feature in features {
      outcome.captions[feature]?.scores = own[feature]
      guard let caption = outcome.captions[feature] else { continue }
      lines.append(
        Line(
          block: block, caption: caption, random: random[feature], randomScores: others[feature] ?? [:],
          told: truth.map { $0.values(of: feature).map(\.description).sorted().joined(separator: ", ") }))
    }
    return names.map { name in
      Score(
        name: name, own: Estimate(meanOf: features.compactMap { own[$0]?[name] }),
        random: Estimate(meanOf: features.compactMap { others[$0]?[name] }))
    }
      + measured.map { column in
        let random = paper?.columns.first { other in
          other.isBaseline && other.metric == column.metric && other.column == column.column
            && ["random", "random at \(block)"].contains(other.subject)
        }
        return Score(
          name: Self.name(of: column), own: Estimate(meanOf: column.values),
          random: random.flatMap { Estimate(meanOf: $0.values) })
      }
  }

  private static func name(of column: MeasuredColumn) -> String {
    column.metric == column.column ? column.metric : "\(column.metric) \(column.column)"
  }

  /// What features tell: on pictures of a store of `shapes`, or of those of the dictionaries, made again; nil where nobody
  /// knows what pictures show.
  private func truth(of block: BlockName) throws -> CaptionTruth? {
    guard session.model.paintsShapes else { return nil }
    if let store = session.store, (try? FactorStudy.scenes(of: store)) != nil {
      progress.count(to: min(CaptionTruth.pictures, store.pictures), unit: "pictures")
      return try CaptionTruth(of: block, dictionary(block).autoencoder, in: store) {
        self.progress.advance("what features of \(block) tell", by: 1)
      }
    }
    if madeTruth == nil {
      progress.count(to: min(CaptionTruth.picturesMade, session.numbers.count), unit: "pictures")
      madeTruth = try CaptionTruth.made(in: session) {
        self.progress.advance("what features tell", by: 1)
      }
    }
    return madeTruth?[block]
  }
  private var madeTruth: [BlockName: CaptionTruth]?

  /// For each feature the caption of another one of the block that says something else, drawn at random.
  private func randomCaptions(_ captions: [Int: FeatureCaption], _ block: BlockName) -> [Int: String] {
    var random = session.random("random captions \(block)")
    let texts = captions.sorted { $0.key < $1.key }
    return Dictionary(
      uniqueKeysWithValues: texts.compactMap { feature, own in
        let others = texts.map(\.value.caption).filter { $0 != own.caption }
        return others.isEmpty ? nil : (feature, others[random.integer(below: others.count)])
      })
  }

  /// Interpretability, causality and sensitivity of the captions, as `eval` measures them.
  private func paperRun(_ results: ResultFolder) throws -> MetricRun {
    var fingerprint = Fingerprint()
    for (block, captions) in session.captionTable.sorted(by: { $0.key < $1.key }) {
      for (feature, text) in captions.sorted(by: { $0.key < $1.key }) {
        fingerprint.add("\(block) \(feature) \(text)\n".utf8)
      }
    }
    let run = try MetricRun(
      [Interpretability.self, Causality.self, SensitivityMetric.self], in: session,
      keeping: results("scores-\(fingerprint).jsonl"))
    try run.run()
    return run
  }

  // MARK: Tables

  /// Every caption with its scores, and beside it the random one with its own.
  public var csv: [[String]] {
    let names = Set(lines.flatMap { ($0.caption.scores ?? [:]).keys }).sorted()
    let head =
      ["block", "feature", "caption", "source"] + names + ["random caption"] + names.map { "random \($0)" }
      + ["tells"]
    return [head]
      + lines.map { line in
        func cells(_ scores: [String: Double]) -> [String] {
          names.map { name in scores[name].map { "\($0)" } ?? "" }
        }
        let own = line.caption
        return ["\(line.block)", "\(own.feature)", own.caption, own.source ?? ""] + cells(own.scores ?? [:])
          + [line.random ?? ""] + cells(line.randomScores) + [line.told ?? ""]
      }
  }
}

extension Annotation {
  /// Writes what an endpoint would be asked into a folder of requests, and counts it.
  ///
  /// - Throws: what is wrong with the pictures, `FileError`.
  public static func dryRun(
    _ annotator: EndpointAnnotator, in session: MetricSession, _ results: ResultFolder
  ) throws
    -> (folder: String, estimate: EndpointAnnotator.Estimate)
  {
    let folder = results("requests")
    try AtomicFolder.makeAll(folder)
    var estimate = EndpointAnnotator.Estimate()
    for block in session.blocks {
      let maker = try SheetMaker(block, annotator.plan, in: session)
      let features = session.features(of: block)
      session.progress.count(to: features.count, unit: "features")
      for feature in features {
        if let sheet = try maker.sheet(of: feature) {
          try annotator.write(sheet, to: "\(folder)/\(block)-\(feature).json", &estimate)
        }
        session.progress.advance("requests about \(block)", by: 1)
      }
    }
    return (folder, estimate)
  }
}
