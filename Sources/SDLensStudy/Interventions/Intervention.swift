import SDLensCore
import SDLensDiffusion
import SDLensSparse

/// A list of edits made ready for runs of one model: checked against it, its dictionaries and the settings.
public struct Intervention: Sendable {
  /// The edits.
  public let list: EditList
  /// The first step in which an edit acts, and the first block that is edited in it; nil without edits.
  public let start: (step: Int, block: BlockName)?
  private let acts: [Act]

  private struct Act: Sendable {
    let edit: Edit
    let kind: Kind
  }
  private enum Kind: Sendable {
    case modulate(SparseAutoencoder, feature: Int, by: Float, direction: [Float])
    case add(direction: [Float], weights: [Float])
    case replace(vector: [Float])
    /// A vector for each place, [places, channels].
    case addRows(Tensor)
    /// Another run's update in each step, [1, height, width, channels].
    case takeOver([Int: Tensor])
    case changeMaps(MapChange)
    case reconstruct(SparseAutoencoder)
    case ablate
  }
  private let isGuided: Bool

  /// Checks every edit.
  ///
  /// - Parameter patchSources: the runs that `EditList.patchSources` asks for, by their prompts.
  /// - Throws: `EditError` naming the edit: no dictionary for its block or one of another width or site, a feature that is
  ///   outside it or dead, no mean activations, a mask or map of another size than the block's, a step that the run
  ///   has not, a patch source that nobody made.
  public init(
    _ list: EditList, _ dictionaries: [BlockName: BlockDictionary], for pipeline: Pipeline,
    _ settings: RunSettings, patchSources: [String: PatchSource] = [:]
  ) throws {
    self.list = list
    isGuided = settings.isGuided
    let steps = try pipeline.stepCount(settings)
    try pipeline.denoiser.layout.check(list.edits.map(\.block))
    acts = try list.edits.enumerated().map { index, edit in
      if let last = edit.steps?.max(), last >= steps {
        throw EditError(index, edit, .lateStep(last, count: steps))
      }
      let site = Site(
        index: index, edit: edit, dictionary: dictionaries[edit.block],
        width: pipeline.denoiser.layout[edit.block].width,
        map: pipeline.mapSize(of: edit.block, settings), steps: edit.steps ?? Set(0..<steps),
        patchSources: patchSources)
      return Act(edit: edit, kind: try site.kind())
    }
    let first = list.edits.map { $0.steps?.min() ?? 0 }.min()
    start = first.flatMap { first in
      list.edits.filter { $0.steps?.contains(first) ?? true }.map(\.block).min().map { (first, $0) }
    }
  }

  /// Adds what does the edits to the hooks of a run, after all actions added before.
  public func add(to hooks: inout HookSet) {
    for act in acts { add(act, to: &hooks) }
  }

  private func add(_ act: Act, to hooks: inout HookSet) {
    let (block, steps, isGuided) = (act.edit.block, act.edit.steps, isGuided)
    switch act.kind {
    case .modulate(let autoencoder, let feature, let beta, let direction):
      hooks.edit(.update, of: block, atSteps: steps) { update, _ in
        let codes = autoencoder.encode(isGuided ? update.picture(1) : update)
        let weights = codes.map(of: feature).map { beta * $0 }
        update.add(direction, weights: weights, opposite: isGuided)
      }
    case .add(let direction, let weights):
      hooks.edit(.update, of: block, atSteps: steps) { update, _ in
        update.add(direction, weights: weights, opposite: isGuided)
      }
    case .addRows(let rows):
      hooks.edit(.update, of: block, atSteps: steps) { update, _ in
        update.addToLastPicture(rows, opposite: isGuided)
      }
    case .takeOver(let updates) where isGuided:
      hooks.edit(.update, of: block, atSteps: steps) { update, step in
        if let other = updates[step] { update.setLastPicture(to: other.elements) }
      }
    case .takeOver(let updates):
      hooks.replaceUpdate(of: block, atSteps: steps) { _, step in updates[step] }
    case .changeMaps(let change):
      hooks.edit(.update, of: block, atSteps: steps) { update, step in
        change.apply(to: &update, step: step, isGuided: isGuided)
      }
    case .replace(let vector) where isGuided:
      hooks.edit(.update, of: block, atSteps: steps) { update, _ in update.setLastPicture(to: vector) }
    case .replace(let vector):
      hooks.replaceUpdate(of: block, atSteps: steps) { input, _ in
        var update = Tensor(uninitialized: input.shape)
        update.setLastPicture(to: vector)
        return update
      }
    case .reconstruct(let autoencoder):
      hooks.edit(.update, of: block, atSteps: steps) { update, _ in
        update = autoencoder.decode(autoencoder.encode(update)).reshaped(update.shape)
      }
    case .ablate: hooks.ablate(block, atSteps: steps)
    }
  }

  /// An edit and what is known of its block.
  private struct Site {
    let index: Int
    let edit: Edit
    let dictionary: BlockDictionary?
    let width: Int
    let map: (height: Int, width: Int)
    /// Those in which it acts.
    let steps: Set<Int>
    let patchSources: [String: PatchSource]

    func kind() throws -> Kind {
      switch edit.operation {
      case .ablate: return .ablate
      case .reconstruct: return .reconstruct(try checked().autoencoder)
      case .modulate(let feature, let beta):
        let (dictionary, _) = try checked(feature, needsMean: false)
        return .modulate(
          dictionary.autoencoder, feature: feature, by: Float(beta),
          direction: dictionary.direction(of: feature))
      case .add(let feature, let strength, let mask):
        let (dictionary, mean) = try checked(feature)
        let scale = Float(strength) * mean
        return .add(
          direction: dictionary.direction(of: feature), weights: try values(of: mask).map { scale * $0 })
      case .emptyContext(let feature, let gamma):
        let (dictionary, mean) = try checked(feature)
        guard let l0 = dictionary.l0 else { throw refuse(.noL0) }
        let scale = Float(gamma) * Float(l0) * mean
        return .replace(vector: dictionary.direction(of: feature).map { scale * $0 })
      case .addMap(let added, let strength, let mask):
        guard var rows = added.rows(height: map.height, width: map.width, channels: width) else {
          throw refuse(.mapSize(added, map: map, channels: width))
        }
        let weights = try values(of: mask).map { Float(strength) * $0 }
        rows.withMutableElements { x in for index in x.indices { x[index] *= weights[index / width] } }
        return .addRows(rows)
      case .transplant(let prompt, nil): return .takeOver(try updates(of: prompt))
      case .transplant(let prompt, let features?):
        let dictionary = try checked(features)
        return .changeMaps(
          MapChange(
            dictionary, features,
            to: .others(try updates(of: prompt).mapValues { dictionary.autoencoder.encode($0) })))
      case .move(let features, let right, let down):
        // `abs` traps at the least of all numbers.
        guard right.magnitude < map.width, down.magnitude < map.height else {
          throw refuse(.farMove(right: right, down: down, map: map))
        }
        return .changeMaps(
          MapChange(try checked(features), features, to: .moved(right: right, down: down, width: map.width)))
      }
    }

    /// The shares of a mask on the block's map.
    private func values(of mask: Mask) throws -> [Float] {
      if let values = mask.values(height: map.height, width: map.width) { return values }
      guard case .places(let places) = mask else { preconditionFailure("any map has regions") }
      throw refuse(.maskSize(height: places.height, width: places.width, map: map))
    }

    /// What another run adds in each of the steps.
    private func updates(of prompt: String) throws -> [Int: Tensor] {
      try Dictionary(
        uniqueKeysWithValues: steps.sorted().map { step in
          let found = patchSources[prompt]?.update(of: edit.block, step: step)
          guard let update = found, update.shape == [1, map.height, map.width, width] else {
            throw refuse(.noPatchSource(prompt: prompt, step: step))
          }
          return (step, update)
        })
    }

    /// The dictionary, in which all of these are alive.
    private func checked(_ features: [Int]) throws -> BlockDictionary {
      for feature in features { _ = try checked(feature, needsMean: false) }
      return try checked()
    }

    private func checked() throws -> BlockDictionary {
      guard let dictionary else { throw refuse(.noDictionary) }
      if let site = dictionary.site, site != "\(RecordedSite.update)" { throw refuse(.site(site)) }
      let found = dictionary.autoencoder.width
      guard found == width else { throw refuse(.width(dictionary: found, block: width)) }
      return dictionary
    }

    /// The dictionary, and the mean activation of a feature that is alive (0 when not known and not needed).
    private func checked(_ feature: Int, needsMean: Bool = true) throws -> (BlockDictionary, mean: Float) {
      let dictionary = try checked()
      let count = dictionary.autoencoder.features
      guard feature < count else { throw refuse(.unknownFeature(feature, count: count)) }
      guard let mean = dictionary.means?[feature] else {
        if needsMean { throw refuse(.noMeans) }
        return (dictionary, 0)
      }
      guard mean > 0, mean.isFinite else { throw refuse(.deadFeature(feature, mean: mean)) }
      return (dictionary, mean)
    }

    private func refuse(_ problem: EditError.Problem) -> EditError { EditError(index, edit, problem) }
  }
}
