import SDLensCore
import SDLensDiffusion
import SDLensDrawing
import SDLensSparse

/// Who says what features mean: one file each.
public protocol Annotator: Sendable {
  /// Its name in captions.
  var source: String { get }
  /// The model that it asks; nil where there is none.
  var model: String? { get }
  /// The pictures that it looks at.
  var plan: SheetPlan { get }
  /// How many sheets it looks at at once.
  var concurrency: Int { get }

  /// What a feature means; nil where it has nothing to say.
  ///
  /// - Throws: what ends the whole annotation.
  func caption(of sheet: FeatureSheet) throws -> FeatureCaption?
}

extension Annotator {
  /// One.
  public var concurrency: Int { 1 }

  /// A caption of its own, of today.
  func caption(_ text: String, of sheet: FeatureSheet) -> FeatureCaption {
    FeatureCaption(feature: sheet.feature, caption: text, source: source, model: model, date: Today.text)
  }
}

/// Which pictures of a feature are looked at.
public struct SheetPlan: Sendable, Equatable {
  /// Pictures in which it is not active.
  public var unrelated: Int
  /// Pictures from weak to strong.
  public var progression: Int
  /// The strongest.
  public var strongest: Int
  /// Whether its maps are needed.
  public var hasMaps: Bool
  /// The most pictures from which the unrelated are taken: few are made sooner.
  public var unrelatedPool: Int?

  /// No pictures, unless some are said.
  public init(
    unrelated: Int = 0, progression: Int = 0, strongest: Int = 0, hasMaps: Bool = false,
    unrelatedPool: Int? = nil
  ) {
    (self.unrelated, self.progression, self.strongest) = (unrelated, progression, strongest)
    (self.hasMaps, self.unrelatedPool) = (hasMaps, unrelatedPool)
  }

  /// What the paper shows a language model (Sec. 5.1, App. G).
  public static let paper = SheetPlan(unrelated: 5, progression: 9, strongest: 5, hasMaps: true)
}

/// What an annotator sees of a feature.
public struct FeatureSheet: Sendable {
  /// A picture in which the feature is active.
  public struct Shown: Sendable {
    /// The picture.
    public let picture: Picture
    /// The feature's map over it, [height, width]; nil where none was asked for.
    public let map: Tensor?
    /// How strong the feature is, as a share of the strongest picture.
    public let share: Double

    /// The picture with all faded to white where the feature is weak or not active; itself without a map.
    public var cold: Picture { map.map { ColdMap()($0, over: picture) } ?? picture }
  }

  /// The block.
  public let block: BlockName
  /// Its feature.
  public let feature: Int
  /// Pictures without it.
  public let unrelated: [Picture]
  /// Pictures with it, weak ones first.
  public let progression: [Shown]
  /// Those in which it is strongest, the strongest first.
  public let strongest: [Shown]
  /// The numbers of all these pictures.
  public let numbers: Set<Int>
}

/// Makes sheets of the recorded pictures of a block.
struct SheetMaker {
  let block: BlockName
  let plan: SheetPlan
  let session: MetricSession
  private let recorded: RecordedScenes?

  /// - Throws: `NoExamples` when pictures are wanted and nobody knows where features are active.
  init(_ block: BlockName, _ plan: SheetPlan, in session: MetricSession) throws {
    (self.block, self.plan, self.session) = (block, plan, session)
    guard let dictionary = session.dictionaries[block] else {
      preconditionFailure("no dictionary of \(block)")
    }
    recorded = plan == SheetPlan() ? nil : try RecordedScenes(dictionary)
  }

  /// The sheet of a feature; nil for one that was never active, where pictures are wanted.
  ///
  /// - Throws: `NoSuchFeature`, and what is wrong with the pictures.
  func sheet(of feature: Int) throws -> FeatureSheet? {
    guard let recorded else {
      return FeatureSheet(
        block: block, feature: feature, unrelated: [], progression: [], strongest: [], numbers: [])
    }
    guard recorded.isActive(feature) else { return nil }
    let strongest = try recorded.strongestPictures(plan.strongest, of: feature)
    let most = strongest.first.map { Double($0.strength) } ?? 1
    let shares = (0..<plan.progression).map { Double($0 + 1) / Double(plan.progression + 1) }
    let steps = try recorded.progressionPictures(shares, of: feature)
    let unrelated = try without(feature, recorded).prefix(plan.unrelated)
    return FeatureSheet(
      block: block, feature: feature, unrelated: try unrelated.map { try session.picture($0) },
      progression: try steps.map { try shown($0.picture, feature, share: $0.share) },
      strongest: try strongest.map { try shown($0.picture, feature, share: Double($0.strength) / most) },
      numbers: Set(unrelated).union(steps.map(\.picture)).union(strongest.map(\.picture)))
  }

  /// Pictures without a feature; of a pool while it has enough.
  private func without(_ feature: Int, _ recorded: RecordedScenes) throws -> [Int] {
    let all = try recorded.picturesWithout(feature)
    guard plan.unrelatedPool != nil else { return all }
    let pool = Set(session.pool)
    let few = all.filter(pool.contains)
    return few.count >= plan.unrelated ? few : all
  }

  /// A picture with the feature's map over it.
  func shown(_ picture: Int, _ feature: Int, share: Double) throws -> FeatureSheet.Shown {
    FeatureSheet.Shown(
      picture: try session.picture(picture),
      map: plan.hasMaps ? try session.mapTensor(of: feature, at: block, picture: picture) : nil, share: share)
  }
}

extension MetricSession {
  /// The map of a feature over a recorded picture in the last step, [height, width]: as it was kept, by a store, or of a
  /// new run.
  ///
  /// - Throws: `NoSeeds` for pictures that cannot be made again, and what is wrong with model or store.
  func mapTensor(of feature: Int, at block: BlockName, picture: Int) throws -> Tensor {
    guard let recorded, let place = recorded.manifest.blocks.first(where: { $0.name == "\(block)" }) else {
      throw NothingRecorded(path: dictionaries[block]?.path ?? "")
    }
    if let codes = try codes(of: picture, at: block) {
      return Tensor(codes.map(of: feature), [place.mapHeight, place.mapWidth])
    }
    guard recorded.manifest.site == "update", let (prompt, settings) = try run(of: picture) else {
      throw NothingRecorded(path: dictionaries[block]?.path ?? "")
    }
    let last = try laboratory.pipeline.stepCount(settings) - 1
    let run = try laboratory.run(prompt, settings, watching: [block], atSteps: [last])
    return Tensor(
      try laboratory.codes(of: block, in: run, step: last).map(of: feature),
      [place.mapHeight, place.mapWidth])
  }
}
