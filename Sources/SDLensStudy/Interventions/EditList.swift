import SDLensCore
import SDLensDiffusion

/// Edits of one run, done in their order.
///
/// As in a chain of forward hooks, an edit sees what those before it left: of two on one block the second reads
/// the update that the first has changed, and a later block reads the stream that an earlier one has changed.
public struct EditList: Sendable, Equatable {
  /// The edits.
  public let edits: [Edit]
  /// The dictionaries that the features are of, where that is known.
  public internal(set) var dictionaries: [BlockName: DictionaryIdentity] = [:]

  /// The strengths that make sense: finite, and far from what float32 cannot add.
  static let strengths = -1e6...1e6

  /// Takes edits whose numbers make sense by themselves.
  ///
  /// - Throws: `EditError` naming the first edit whose strength is no number or too large, or whose feature or
  ///   step is negative.
  public init(_ edits: [Edit]) throws {
    for (index, edit) in edits.enumerated() {
      func refuse(_ problem: EditError.Problem) -> EditError { EditError(index, edit, problem) }
      if let (name, value) = edit.operation.strength, !Self.strengths.contains(value) {
        throw refuse(.strength(name: name, value: value))
      }
      let features = edit.features ?? edit.feature.map { [$0] } ?? []
      if let feature = features.first(where: { $0 < 0 }) { throw refuse(.negativeFeature(feature)) }
      if edit.features?.isEmpty == true { throw refuse(.noFeatures) }
      var seen: Set<Int> = []
      if let twice = features.first(where: { !seen.insert($0).inserted }) {
        throw refuse(.featureTwice(twice))
      }
      if case .move(_, 0, 0) = edit.operation { throw refuse(.noMove) }
      if let steps = edit.steps {
        guard let first = steps.min() else { throw refuse(.noSteps) }
        if first < 0 { throw refuse(.negativeStep(first)) }
      }
    }
    self.edits = edits
  }

  /// The blocks that are edited, in the order of the forward pass.
  public var blocks: [BlockName] { Set(edits.map(\.block)).sorted() }
}

/// An edit that cannot be done.
public struct EditError: UserError {
  /// What is wrong with it.
  enum Problem: Sendable {
    case strength(name: String, value: Double)
    case negativeFeature(Int)
    case noFeatures
    case featureTwice(Int)
    case noMove
    case farMove(right: Int, down: Int, map: (height: Int, width: Int))
    case mapSize(UpdateMap, map: (height: Int, width: Int), channels: Int)
    case noPatchSource(prompt: String, step: Int)
    case negativeStep(Int)
    case noSteps
    case lateStep(Int, count: Int)
    case noDictionary
    case width(dictionary: Int, block: Int)
    case site(String)
    case unknownFeature(Int, count: Int)
    case noMeans
    case noL0
    case deadFeature(Int, mean: Float)
    case maskSize(height: Int, width: Int, map: (height: Int, width: Int))
  }

  let number: Int
  let edit: Edit
  let problem: Problem

  init(_ index: Int, _ edit: Edit, _ problem: Problem) {
    (number, self.edit, self.problem) = (index + 1, edit, problem)
  }

  /// The edit, what is wrong with it and what to do.
  public var description: String {
    "edit \(number) (\(edit.operation.name.rawValue) at \(edit.block)): \(reason)"
  }

  private var reason: String {
    switch problem {
    case .strength(let name, let value):
      "\(name) is \(value), but it must be a number from -1000000 to 1000000"
    case .negativeFeature(let feature): "there is no feature \(feature); features are counted from 0"
    case .noFeatures: "it names no features; name those whose maps are meant"
    case .featureTwice(let feature): "feature \(feature) is named twice; name it once"
    case .noMove: "it moves by 0,0, which changes nothing; move by at least one place"
    case .farMove(let right, let down, let map):
      "it moves by \(right),\(down), which leaves nothing on the map of \(edit.block), \(map.height) × "
        + "\(map.width) places; move by less"
    case .mapSize(let found, let map, let channels):
      "'\(found.file)' has the shape \(found.values.shape), but the updates of \(edit.block) are "
        + "[\(map.height), \(map.width), \(channels)] in a picture of this size; make it anew for this block and size, "
        + "or give a direction [\(channels)]"
    case .noPatchSource(let prompt, let step):
      "the run of \"\(prompt)\" in step \(step) is needed, but nobody made it; hand it over with the edits"
    case .negativeStep(let step): "there is no step \(step); steps are counted from 0"
    case .noSteps:
      "its set of steps is empty, so that it would never act; leave the steps out for all of them"
    case .lateStep(let step, let count):
      count == 1
        ? "it acts at step \(step), but the run has only step 0; take more steps or leave it out"
        : "it acts at step \(step), but the run has the steps 0 to \(count - 1); take more steps or leave it out"
    case .noDictionary:
      "there is no dictionary of \(edit.block); train one with 'sdlens train-sae --block \(edit.block)' or "
        + "choose one with --sae"
    case .width(let dictionary, let block):
      "the dictionary is of width \(dictionary), but the updates of \(edit.block) are of width \(block); "
        + "choose a dictionary of this model and block"
    case .site(let found):
      "edits act on a block's update, but the dictionary is of its \(found); choose one that was trained on updates"
    case .unknownFeature(let feature, let count):
      "there is no feature \(feature); the dictionary of \(edit.block) has the features 0 to \(count - 1); choose another, as "
        + "'sdlens features' lists them"
    case .noL0:
      "its strength is in units of the active features of a vector, whose mean number nobody has measured for this "
        + "dictionary of thresholds; do it with: sdlens statistics"
    case .noMeans:
      "the dictionary of \(edit.block) does not say how active its features are on average, which is the unit of "
        + "the strength; choose one with statistics"
    case .deadFeature(let feature, let mean):
      "feature \(feature) of \(edit.block) is dead (its mean activation is \(mean)); choose another, "
        + "as 'sdlens features' lists them"
    case .maskSize(let height, let width, let map):
      "the mask has \(height) × \(width) places, but the map of \(edit.block) has \(map.height) × \(map.width); "
        + "make the mask anew for this picture size and block, or give a region"
    }
  }
}
