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
    case reconstruct(SparseAutoencoder)
    case ablate
  }
  private let isGuided: Bool

  /// Checks every edit.
  ///
  /// - Throws: `EditError` naming the edit: no dictionary for its block or one of another width, a feature that is
  ///   outside it or dead, no mean activations, a mask of another size than the map, a step that the run has not.
  public init(
    _ list: EditList, _ dictionaries: [BlockName: BlockDictionary], for pipeline: Pipeline,
    _ settings: RunSettings
  ) throws {
    self.list = list
    isGuided = settings.isGuided
    let steps = try pipeline.stepCount(settings)
    acts = try list.edits.enumerated().map { index, edit in
      if let last = edit.steps?.max(), last >= steps {
        throw EditError(index, edit, .lateStep(last, count: steps))
      }
      let site = Site(
        index: index, edit: edit, dictionary: dictionaries[edit.block],
        width: pipeline.unet.config.widths[edit.block.level],
        map: pipeline.mapSize(of: edit.block, settings))
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
        update.add(direction, weights: weights, isGuided: isGuided)
      }
    case .add(let direction, let weights):
      hooks.edit(.update, of: block, atSteps: steps) { update, _ in
        update.add(direction, weights: weights, isGuided: isGuided)
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
        guard let values = mask.values(height: map.height, width: map.width) else {
          guard case .places(let places) = mask else { preconditionFailure("any map has regions") }
          throw refuse(.maskSize(height: places.height, width: places.width, map: map))
        }
        let scale = Float(strength) * mean
        return .add(direction: dictionary.direction(of: feature), weights: values.map { scale * $0 })
      case .emptyContext(let feature, let gamma):
        let (dictionary, mean) = try checked(feature)
        guard let l0 = dictionary.l0 else { throw refuse(.noL0) }
        let scale = Float(gamma) * Float(l0) * mean
        return .replace(vector: dictionary.direction(of: feature).map { scale * $0 })
      }
    }

    private func checked() throws -> BlockDictionary {
      guard let dictionary else { throw refuse(.noDictionary) }
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

extension Tensor {
  /// `x_p += w_p f` at every place p of the last picture, and with guidance `x_p -= w_p f` at those of the first.
  fileprivate mutating func add(_ direction: [Float], weights: [Float], isGuided: Bool) {
    let (places, width) = (weights.count, direction.count)
    precondition(count == (isGuided ? 2 : 1) * places * width, "\(places) weights for \(shape)")
    withMutableElements { x in
      for place in 0..<places where weights[place] != 0 {
        let last = x.count + (place - places) * width
        for channel in 0..<width { x[last + channel] += weights[place] * direction[channel] }
        guard isGuided else { continue }
        for channel in 0..<width { x[place * width + channel] -= weights[place] * direction[channel] }
      }
    }
  }

  /// Puts one vector at every place of the last picture.
  fileprivate mutating func setLastPicture(to vector: [Float]) {
    let size = count / shape[0]
    withMutableElements { x in
      for start in stride(from: x.count - size, to: x.count, by: vector.count) {
        for channel in vector.indices { x[start + channel] = vector[channel] }
      }
    }
  }
}
