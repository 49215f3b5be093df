import SDLensCore
import SDLensDiffusion
import SDLensSparse

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
