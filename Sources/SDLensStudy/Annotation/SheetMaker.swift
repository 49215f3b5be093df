import SDLensCore
import SDLensDiffusion
import SDLensSparse

/// Makes sheets of the recorded pictures of a block.
struct SheetMaker {
  let block: BlockName
  let plan: SheetPlan
  let session: MetricSession
  /// Whether it is looked whether a feature is active where only its strongest pictures are known; an estimate does not.
  var looksForSilence = true
  private let recorded: RecordedScenes?

  /// The numbers of the pictures of a sheet.
  struct Chosen {
    var unrelated: [Int] = []
    var progression: [(share: Double, picture: Int)] = []
    var strongest: [(share: Double, picture: Int)] = []

    /// Those in which the feature is active.
    var shown: [Int] { (progression + strongest).map(\.picture) }
    var all: Set<Int> { Set(unrelated + shown) }
  }

  /// - Throws: `NoExamples` when pictures are wanted and nobody knows where features are active.
  init(_ block: BlockName, _ plan: SheetPlan, in session: MetricSession) throws {
    (self.block, self.plan, self.session) = (block, plan, session)
    guard let dictionary = session.dictionaries[block] else {
      preconditionFailure("no dictionary of \(block)")
    }
    recorded = plan == SheetPlan() ? nil : try RecordedScenes(dictionary)
  }

  /// The pictures of a feature's sheet; nil for one that was never active, where pictures are wanted.
  ///
  /// - Throws: `NoSuchFeature`, and what is wrong with the pictures.
  func chosen(for feature: Int) throws -> Chosen? {
    guard let recorded else { return Chosen() }
    guard recorded.isActive(feature) else { return nil }
    let strongest = try recorded.strongestPictures(plan.strongest, of: feature)
    let most = strongest.first.map { Double($0.strength) } ?? 1
    let shares = (0..<plan.progression).map { Double($0 + 1) / Double(plan.progression + 1) }
    return Chosen(
      unrelated: try without(feature, recorded),
      progression: try recorded.progressionPictures(shares, of: feature),
      strongest: strongest.map { (Double($0.strength) / most, $0.picture) })
  }

  /// The sheet of a feature with these pictures.
  ///
  /// - Throws: what is wrong with the pictures.
  func sheet(of feature: Int, _ chosen: Chosen) throws -> FeatureSheet {
    FeatureSheet(
      block: block, feature: feature, unrelated: try chosen.unrelated.map { try session.picture($0) },
      progression: try chosen.progression.map { try shown($0.picture, feature, share: $0.share) },
      strongest: try chosen.strongest.map { try shown($0.picture, feature, share: $0.share) },
      numbers: chosen.all)
  }

  /// The sheet of a feature; nil for one that was never active, where pictures are wanted.
  ///
  /// - Throws: as `chosen` and with chosen pictures.
  func sheet(of feature: Int) throws -> FeatureSheet? {
    try chosen(for: feature).map { try sheet(of: feature, $0) }
  }

  /// Pictures without a feature; of a pool while it has enough.
  private func without(_ feature: Int, _ recorded: RecordedScenes) throws -> [Int] {
    func some(where isWanted: (Int) -> Bool) throws -> [Int] {
      try recorded.picturesWithout(feature, plan.unrelated, where: isWanted) { try isSilent(feature, $0) }
    }
    if plan.unrelatedPool != nil {
      let few = try some(where: Set(session.pool).contains)
      if few.count == plan.unrelated { return few }
    }
    return try some { _ in true }
  }

  /// Whether a feature is active nowhere in a picture.
  func isSilent(_ feature: Int, _ picture: Int) throws -> Bool {
    try !looksForSilence
      || session.mapTensor(of: feature, at: block, picture: picture).elements.allSatisfy { $0 == 0 }
  }

  /// A picture with the feature's map over it.
  func shown(_ picture: Int, _ feature: Int, share: Double) throws -> FeatureSheet.Shown {
    FeatureSheet.Shown(
      picture: try session.picture(picture),
      map: plan.hasMaps ? try session.mapTensor(of: feature, at: block, picture: picture) : nil, share: share)
  }
}

extension MetricSession {
  /// The map of a feature over a recorded picture in the last step, [height, width]: of a store, or of its run,
  /// made again.
  ///
  /// - Throws: `NoSeeds` for pictures that cannot be made again, and what is wrong with model or store.
  func mapTensor(of feature: Int, at block: BlockName, picture: Int) throws -> Tensor {
    guard let place = recorded?.manifest.blocks.first(where: { $0.name == "\(block)" }),
      let codes = try codes(of: picture, at: block)
    else { throw NothingRecorded(path: dictionaries[block]?.path ?? "") }
    return Tensor(codes.map(of: feature), [place.mapHeight, place.mapWidth])
  }
}
