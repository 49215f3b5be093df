/// What is true of one picture of `shapes` and of each place of a map over it: the labels that features are
/// scored against.
public struct ShapesTruth: Sendable {
  /// The labels, numbered: all values of all factors.
  public static let labels = ShapesWorld.FactorValue.all

  /// The labels of the picture: the values of its objects and of its background, defaults included.
  public let picture: Labels
  /// The labels of each place, row by row.
  ///
  /// A place has the values of an object that covers at least `cover` of its area (of the one that covers most,
  /// if both do), else the background's; so the values of objects are told against all other places, in
  /// pictures with and without them, and a background against objects and other backgrounds.
  public let places: [Labels]

  /// A set of labels, as bits: label i is bit i.
  public typealias Labels = UInt64

  /// How much of a cell an object must cover: even a small star in the centre has its four cells.
  public static let cover: Float = 0.25

  /// Labels that are known already.
  public init(picture: Labels, places: [Labels]) { (self.picture, self.places) = (picture, places) }

  /// The truth about a scene's picture, and about a map of `side` × `side` places over it.
  public init(_ scene: ShapesScene, _ shifts: ShapesShifts, side: Int) {
    let truth = scene.truth
    let objects = truth.objects.map { Self.bits($0) }
    let background = Self.bits(truth.background.map { [$0] } ?? [])
    picture = objects.reduce(background, |)
    let shares = ShapesMasks(scene, shifts).shares(side: side)
    places = (0..<side * side).map { place in
      let best = objects.indices.max { shares[$0][place] < shares[$1][place] }
      guard let best, shares[best][place] >= Self.cover else { return background }
      return objects[best]
    }
  }

  private static func bits(_ values: Set<ShapesWorld.FactorValue>) -> Labels {
    values.reduce(0) { $0 | 1 << Labels(numbers[$1] ?? 0) }
  }

  private static let numbers = Dictionary(uniqueKeysWithValues: labels.enumerated().map { ($1, $0) })
}
