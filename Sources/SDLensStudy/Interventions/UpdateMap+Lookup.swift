import SDLensCore
import SDLensDiffusion
import SDLensSparse

extension UpdateMap {
  /// One vector of a file, [channels] or [1, channels].
  ///
  /// - Throws: `NoDirection`; as `init(contentsOf:)`.
  public init(direction path: String) throws {
    try self.init(contentsOf: path)
    guard !isDirection else { return }
    guard values.shape.rank == 2, values.shape[0] == 1 else {
      throw NoDirection(path: path, shape: values.shape)
    }
    try self.init(values.reshaped([values.shape[1]]), file: path)
  }

  /// The mean update of the recorded pictures whose prompts say some words, minus that of the others.
  ///
  /// - Parameter store: a name; nil for the largest that fits.
  /// - Throws: as `StoreLookup` and `ConceptMap`.
  public init(
    concept: String, at block: BlockName, _ model: ModelFolder, in workspace: Workspace, store: String?,
    _ progress: any MetricProgress
  ) throws {
    let store = try StoreLookup(model, in: workspace) { progress.note($0) }.find(store, of: [block])
    progress.count(to: store.pictures, unit: "pictures")
    let map = try ConceptMap(
      of: concept, at: "\(block)", in: store, ConceptMap.says(concept, store.prompts())
    ) { progress.advance("averaging", by: 1) }
    progress.note("'\(concept)' is said by \(map.with) of \(map.with + map.without) recorded prompts")
    try self.init(map.values, file: "concept")
  }
}

/// A map where one vector is needed.
public struct NoDirection: UserError {
  let path: String
  let shape: Shape
  /// The file, and what to give.
  public var description: String {
    "'\(path)' has the shape \(shape), but a direction is one vector [channels]; give it with --map"
  }
}
