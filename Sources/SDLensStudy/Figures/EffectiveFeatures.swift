import SDLensDiffusion

/// Features that do something to pictures, found by trying them.
public enum EffectiveFeatures {
  /// How many are tried to find so many.
  public static func tries(for count: Int) -> Int { max(12, 3 * count) }

  /// Features of a dictionary whose modulation changes the picture most in which they are strongest, the one that
  /// changes most first.
  ///
  /// - Parameter share: the share of the recorded pictures that may have the feature.
  /// - Throws: `NoExamples`; as `FigureRenderer.changes`.
  public static func modulated(
    _ count: Int, of block: BlockName, by beta: Double, activeInAtMost share: Double = 1,
    _ renderer: FigureRenderer
  ) throws -> [Int] {
    guard let dictionary = renderer.dictionaries[block] else {
      preconditionFailure("no dictionary of \(block)")
    }
    let recorded = try RecordedScenes(dictionary)
    let tried = recorded.weightiest(tries(for: count), activeInAtMost: share)
    let changes = try tried.map { feature in
      let edit = Edit(.modulate(feature: feature, beta: beta), at: block)
      return try recorded.strongest(1, of: feature).first.map { scene in
        try renderer.changes(of: scene, by: [[edit]])[0]
      } ?? 0
    }
    return best(count, tried, changes)
  }

  /// Features of a block that change pictures, of which at most half have them if there are such.
  ///
  /// - Throws: as `modulated`.
  public static func telling(_ count: Int, of block: BlockName, _ renderer: FigureRenderer) throws -> [Int] {
    let rare = try modulated(count, of: block, by: -6, activeInAtMost: 0.5, renderer)
    // Of a dictionary whose features all are nearly everywhere, some of these.
    return try rare.isEmpty ? modulated(count, of: block, by: -6, renderer) : rare
  }

  /// For each area that one of some features whose addition there changes a scene most, none twice; fewer where there
  /// are fewer.
  ///
  /// - Throws: as `FigureRenderer.changes`.
  public static func added(
    _ features: [Int], to scene: Scene, on areas: [Mask], of block: BlockName, strength: Double,
    _ renderer: FigureRenderer
  ) throws -> [Int] {
    var left = features
    try renderer.run(scene, watching: [block])  // One run without edits for all areas.
    return try areas.compactMap { area in
      let found = try added(1, of: left, to: [scene], on: area, of: block, strength: strength, renderer).first
      left.removeAll { $0 == found }
      return found
    }
  }

  /// Those of some features whose addition changes scenes most, by the sum over them, the one that changes most
  /// first.
  ///
  /// - Throws: as `FigureRenderer.changes`.
  public static func added(
    _ count: Int, of features: [Int], to scenes: [Scene], on area: Mask = .everywhere, of block: BlockName,
    strength: Double, _ renderer: FigureRenderer
  ) throws -> [Int] {
    let edits = features.map { [Edit(.add(feature: $0, strength: strength, mask: area), at: block)] }
    var sums = features.map { _ in 0.0 }
    for scene in scenes {
      for (index, change) in try renderer.changes(of: scene, by: edits).enumerated() { sums[index] += change }
    }
    return best(count, features, sums)
  }

  /// The features with the largest changes, largest first; of equal ones the earlier.
  private static func best(_ count: Int, _ features: [Int], _ changes: [Double]) -> [Int] {
    let order = features.indices.sorted { (changes[$1], $0) < (changes[$0], $1) }
    return order.prefix(count).map { features[$0] }
  }
}
