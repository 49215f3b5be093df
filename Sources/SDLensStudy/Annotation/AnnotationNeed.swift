import SDLensCore
import SDLensDiffusion
import SDLensSparse

/// What an annotation has to look at, as far as it can be said before a picture is made.
struct AnnotationNeed {
  /// Numbers of recorded pictures that are not made yet.
  private(set) var pictures: Set<Int> = []
  /// Pictures with an edit, and of captions.
  private(set) var otherPictures = 0
  /// For each block the recorded pictures whose codes are needed.
  private(set) var codes: [BlockName: Set<Int>] = [:]
  /// Pictures that CLIP sees for the first time, but not those seen through a map.
  private(set) var looks: Set<Int> = []
  /// Sheets of the same numbers of pictures, and how many there are.
  private(set) var sheets: [SheetSize: Int] = [:]
  /// Captions that are tested, and those whose feature's map can be moved away from itself.
  private(set) var tested = 0, marked = 0
  /// Texts that are read beside phrases.
  private(set) var texts = 0
  /// A feature with a sheet, and where; nil where there is none.
  private(set) var example: (block: BlockName, feature: Int)?

  /// Whether a recorded picture is there already.
  private let isMade: (Int) throws -> Bool

  /// How many pictures a sheet has.
  struct SheetSize: Hashable {
    let unrelated, progression, strongest: Int
  }

  /// All sheets.
  var captions: Int { sheets.values.reduce(0, +) }

  /// Goes through the features, without a look at any picture.
  ///
  /// - Parameter isMade: whether a recorded picture is there already.
  init(of annotation: Annotation, isMade: @escaping (Int) throws -> Bool) throws {
    self.isMade = isMade
    let session = annotation.session
    let isCLIP = annotation.judge is CaptionEncoder
    for block in session.blocks {
      let plan = annotation.annotator.plan
      func silent(_ maker: SheetMaker) -> SheetMaker {
        var maker = maker
        maker.looksForSilence = false
        return maker
      }
      let maker = silent(try SheetMaker(block, plan, in: session))
      let tester =
        annotation.judge != nil && annotation.isTested(block)
        ? silent(try SheetMaker(block, Annotation.testPlan, in: session)) : nil
      let examples = annotation.dictionary(block).examples
      for feature in session.features(of: block) {
        guard let chosen = try maker.chosen(for: feature) else { continue }
        // What needs no picture says at once whether it has something to say.
        if plan == SheetPlan(),
          try annotation.annotator.caption(of: maker.sheet(of: feature, chosen)) == nil
        {
          continue
        }
        let size = SheetSize(
          unrelated: chosen.unrelated.count, progression: chosen.progression.count,
          strongest: chosen.strongest.count)
        sheets[size, default: 0] += 1
        example = example ?? (block, feature)
        try need(chosen.all, looked: annotation.annotator is CLIPAnnotator)
        if plan.hasMaps { codes[block, default: []].formUnion(chosen.shown) }
        let isWhole = examples?.isWhole(feature) ?? true
        if !isWhole { codes[block, default: []].formUnion(chosen.unrelated) }
        guard let tester else { continue }
        var random = CaptionTest.random(feature, tester)
        guard let test = try CaptionTest.chosen(for: feature, seen: chosen.all, tester, &random),
          test.with.count >= CaptionTest.fewest
        else { continue }
        tested += 1
        try need(test.with + test.without, looked: isCLIP)
        codes[block, default: []].formUnion(isWhole ? test.with : test.with + test.without)
        if Self.strongestMap(of: feature, in: examples).map({ CaptionTest.moved($0) != nil }) ?? true {
          marked += 1
        }
      }
    }
    if annotation.measuresPaper, session.clip != nil { try addPaperScores(of: annotation) }
  }

  private mutating func need(_ numbers: some Sequence<Int>, looked: Bool) throws {
    for number in numbers where try !isMade(number) {
      pictures.insert(number)
      if looked { looks.insert(number) }
    }
  }

  private static func strongestMap(of feature: Int, in examples: FeatureExamples?) -> Tensor? {
    guard let examples, let map = examples.map(of: feature, rank: 0) else { return nil }
    let (height, width) = (examples.mapShape[1], examples.mapShape[2])
    return Tensor(Array(map.suffix(height * width)), [height, width])
  }

  /// What interpretability, causality and sensitivity look at, with their baselines.
  private mutating func addPaperScores(of annotation: Annotation) throws {
    let (session, baseline) = (annotation.session, MetricRun.baselineSize)
    for block in session.blocks {
      for feature in session.features(of: block) {
        try need(session.sample(of: feature, at: block).map(\.example.picture), looked: true)
      }
      // Prompts near captions and random ones: before long, all.
      if try session.obstacle(to: SensitivityMetric.needs, at: block) == nil {
        codes[block, default: []].formUnion(session.numbers)
      }
    }
    try need(session.pool.prefix(Work.different(baseline, of: session.pool.count)), looked: true)
    otherPictures += captions + min(captions, baseline)
    texts += Set((session.recorded?.prompts ?? [:]).values).count
  }
}
