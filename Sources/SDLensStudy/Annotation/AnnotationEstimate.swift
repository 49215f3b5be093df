import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensEncoders
import SDLensSparse

/// What an annotation will take, judged by a few pictures.
public struct AnnotationEstimate: Encodable {
  /// What is computed, and how long an endpoint is asked at least where requests keep a distance.
  public let work: WorkEstimate
  /// What an endpoint is asked; nil where none is.
  public let asked: EndpointAnnotator.Estimate?

  private enum CodingKeys: CodingKey { case asked }

  /// The keys of the work, and `asked` where there is an endpoint.
  public func encode(to encoder: any Encoder) throws {
    try work.encode(to: encoder)
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encodeIfPresent(asked, forKey: .asked)
  }

  /// The work, and what is sent.
  public var text: String {
    work.text + (asked.map { "\n\($0.text); how long answers take is not counted" } ?? "")
  }
}

extension Annotation {
  /// What `run` will take.
  ///
  /// Pictures and embeddings are made in the folder of the session, which must be one of its own.
  ///
  /// - Parameter workspace: where the annotation will lie, with the pictures that are there already.
  /// - Throws: what is wrong with the pictures.
  public func estimate(in workspace: Workspace) throws -> AnnotationEstimate {
    session.progress.stage("timing a few pictures")
    let need = try need(in: workspace)
    var rehearsal = try Rehearsal(self, need)
    if need.example != nil {
      try rehearsal.timePictures()
      try rehearsal.timeLooks()
      try rehearsal.timeCaptions()
      try rehearsal.timeTests()
      try rehearsal.timeTruth()
      rehearsal.addRequests()
    }
    return AnnotationEstimate(
      work: WorkEstimate(rehearsal.works, disk: rehearsal.disk, in: workspace.folder),
      asked: annotator is EndpointAnnotator ? rehearsal.asked : nil)
  }

  private func need(in workspace: Workspace) throws -> AnnotationNeed {
    let (recorded, isStored, archive) = (session.recorded, try session.keepsPictures, session.archive)
    return try AnnotationNeed(of: self) { number in
      try isStored || recorded.map { try archive.isMade(number, of: $0, in: workspace.madePictures) } ?? true
    }
  }
}

/// Does each kind of work that an annotation needs a few times.
private struct Rehearsal {
  private let annotation: Annotation
  private let need: AnnotationNeed
  private let block: BlockName
  private let feature: Int
  /// The pictures that stand for all: of the feature, and others.
  private let few: [Int]
  private var shown: [Picture] = []
  private(set) var works: [WorkEstimate.Work] = []
  private(set) var asked = EndpointAnnotator.Estimate()
  private(set) var disk = 0
  private var session: MetricSession { annotation.session }
  private var encoder: CaptionEncoder? { annotation.judge as? CaptionEncoder }

  init(_ annotation: Annotation, _ need: AnnotationNeed) throws {
    (self.annotation, self.need) = (annotation, need)
    (block, feature) = need.example ?? (annotation.session.blocks[0], 0)
    let hasPictures = need.example != nil && annotation.isTested(block)
    let strongest =
      try hasPictures
      ? RecordedScenes(annotation.dictionary(block)).strongestPictures(2, of: feature).map(\.picture) : []
    few =
      strongest
      + annotation.session.numbers.filter { !strongest.contains($0) }.prefix(4 - strongest.count)
  }

  private mutating func time(
    _ name: String, _ unit: String, _ pieces: Int, atOnce: Int = 1, calls: Int = 3,
    _ body: (_ call: Int) throws -> Void
  ) rethrows {
    guard pieces > 0 else { return }
    works.append(try .measured(name, unit, pieces: pieces, atOnce: atOnce, calls: calls, body))
  }

  /// Makes the pictures, and finds where features are active in them.
  mutating func timePictures() throws {
    let isLooked = annotation.annotator.plan != SheetPlan() || need.tested > 0 || need.otherPictures > 0
    guard isLooked, !few.isEmpty else { return }
    let pictures = need.pictures.count + need.otherPictures
    let (session, few) = (session, few)
    var shown: [Picture] = []
    try time("make pictures", "pictures", pictures, calls: few.count) { call in
      shown.append(try session.picture(few[call]))
    }
    // Those that are there already.
    shown += try few.dropFirst(shown.count).map { try session.picture($0) }
    self.shown = shown
    disk += try pictures * shown.reduce(0) { $0 + (try PNG.encode($1).count) } / shown.count
    let first = few[0]
    if try session.blocks.allSatisfy({ try session.isStored(first, at: $0) }) {
      for block in session.blocks {
        let count = need.codes[block]?.count ?? 0
        try time("maps of \(block)", "pictures", count, calls: few.count) { call in
          _ = try session.codes(of: few[call], at: block)
        }
      }
    } else {
      // One run for all blocks.
      try time("maps", "pictures", runs.count, calls: few.count) { call in
        _ = try session.codes(of: few[call], at: session.blocks[0])
      }
    }
  }

  /// The pictures whose runs are made again for maps, where no store has them.
  private var runs: Set<Int> { need.codes.values.reduce(into: []) { $0.formUnion($1) } }

  /// Lets CLIP look at pictures and read phrases, as often as it has not before.
  mutating func timeLooks() throws {
    guard let clip = session.clip, !shown.isEmpty else { return }
    let shown = shown
    let marked = encoder == nil ? 0 : 2 * CaptionTest.pictures * need.marked
    let looks = need.looks.count + need.otherPictures + marked
    try time("look at pictures", "pictures", looks, atOnce: shown.count) { _ in
      _ = try clip.embeddings(of: shown, cache: nil)
    }
    let phrases = (annotation.annotator as? CLIPAnnotator)?.phrases ?? []
    let prompts = session.numbers.prefix(64).compactMap { session.recorded?.prompts[$0] }
    let batch = phrases.isEmpty ? prompts : Array(phrases.prefix(64))
    let texts = phrases.count + need.texts
    try time("read phrases", "phrases", texts, atOnce: batch.count) { _ in
      _ = try clip.embeddings(of: batch, cache: nil)
    }
    disk += (looks + texts) * EmbeddingCache.entrySize(width: clip.width)
  }

  private func repeated(_ count: Int) -> [Int] { (0..<count).map { few[$0 % few.count] } }

  /// Makes sheets of what is there, and captions or requests of them.
  mutating func timeCaptions() throws {
    disk += 300 * need.captions
    guard !few.isEmpty, annotation.annotator.plan != SheetPlan() else { return }
    let (maker, own) = (try SheetMaker(block, annotation.annotator.plan, in: session), self)
    func sheet(_ size: AnnotationNeed.SheetSize) throws -> FeatureSheet {
      try maker.sheet(
        of: own.feature,
        .init(
          unrelated: own.repeated(size.unrelated),
          progression: own.repeated(size.progression).map { (0.5, $0) },
          strongest: own.repeated(size.strongest).map { (1, $0) }))
    }
    let (annotator, asking) = (annotation.annotator, annotation.annotator as? EndpointAnnotator)
    guard let usual = need.sheets.max(by: { $0.value < $1.value })?.key else { return }
    try time(asking == nil ? "name features" : "draw requests", "features", need.captions) { _ in
      let sheet = try sheet(usual)
      if let asking { _ = try JSON.line(asking.request(sheet)) } else { _ = try annotator.caption(of: sheet) }
    }
    guard let asking else { return }
    for (size, count) in need.sheets {
      try asking.count(
        asking.request(sheet(size)), answer: EndpointAnnotator.usualTokens, times: count, &asked)
    }
  }

  /// How long an endpoint is asked at least, where requests keep a distance; its answers are kept.
  mutating func addRequests() {
    disk += 4 * asked.answerTokens
    guard let asking = annotation.annotator as? EndpointAnnotator, let distance = asking.endpoint.secondsApart
    else { return }
    works.append(.init("ask, at least", "requests", pieces: asked.requests, times: [distance]))
  }

  /// Tests a caption, and another in its place.
  mutating func timeTests() throws {
    guard need.tested > 0, !few.isEmpty else { return }
    let tester = try SheetMaker(block, Annotation.testPlan, in: session)
    let five = CaptionTest.Chosen(
      with: repeated(CaptionTest.pictures), without: repeated(CaptionTest.pictures))
    let caption = "a caption with about as many words as others have"
    let (feature, encoder) = (feature, encoder)
    try time("test captions", "captions", need.tested) { _ in
      var random = CaptionTest.random(feature, tester)
      let test = try CaptionTest(of: feature, five, tester, &random)
      for _ in 0..<2 where encoder != nil { _ = try encoder.map { try test.scores(of: caption, by: $0) } }
    }
    guard let asking = annotation.judge as? EndpointAnnotator else { return }
    // A caption and one in its place, each by what it fits and by where.
    try asking.count(
      asking.question(caption, repeated(2 * CaptionTest.pictures).map { try session.picture($0) }),
      answer: EndpointAnnotator.usualJudgeTokens, times: 2 * (need.tested + need.marked), &asked)
  }

  /// Compares features with what is true, where that is known.
  mutating func timeTruth() throws {
    guard session.model.paintsShapes else { return }
    let (session, block) = (session, block)
    let autoencoder = annotation.dictionary(block).autoencoder
    if let store = session.store, (try? FactorStudy.scenes(of: store)) != nil {
      let some = min(100, store.pictures)
      try time(
        "see what features tell", "pictures",
        session.blocks.count * min(CaptionTruth.pictures, store.pictures), atOnce: some, calls: 2
      ) { _ in _ = try CaptionTruth(of: block, autoencoder, in: store, limit: some) }
    } else if session.isMadeAgain {
      let (few, runs) = (few, runs)
      let numbers = session.numbers.prefix(CaptionTruth.picturesMade).filter { !runs.contains($0) }
      let others = Array(numbers.filter { !few.contains($0) }.prefix(4))
      guard !others.isEmpty else { return }
      try time("see what features tell", "pictures", numbers.count, calls: others.count) { call in
        _ = try session.codes(of: others[call], at: block)
      }
    }
  }
}
