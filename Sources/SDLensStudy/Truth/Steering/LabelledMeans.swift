import SDLensCore
import SDLensShapes
import SDLensSparse

/// The mean map of a block's update, or of some features' activations, for every value of every factor.
///
/// For shape, colour, size and texture there is one for each place that an object with the value may be at; for a place
/// and a background one alone.
public struct LabelledMeans: Sendable {
  /// Over which pictures a mean is.
  struct Key: Hashable {
    let value: ShapesWorld.FactorValue
    let place: ShapesWorld.Place?

    /// The pictures with a value at a place.
    init(_ value: ShapesWorld.FactorValue, at place: ShapesWorld.Place) {
      self.value = value
      self.place = value.factor == .place || value.factor == .background ? nil : place
    }

    /// All that a scene's picture counts for.
    static func all(of scene: ShapesScene) -> Set<Key> {
      let truth = scene.truth
      let objects = zip(scene.objects, truth.objects).flatMap { object, values in
        values.map { Key($0, at: object.resolvedPlace) }
      }
      return Set(objects + (truth.background.map { [Key($0, at: .centre)] } ?? []))
    }
  }

  private var sums: [Key: (count: Int, sum: [Double])] = [:]

  /// No pictures yet.
  public init() {}

  /// Adds what was found on a scene's picture, one number for each entry of the map.
  public mutating func add(_ values: [Float], _ scene: ShapesScene) {
    for key in Key.all(of: scene) {
      var found = sums[key] ?? (0, [Double](repeating: 0, count: values.count))
      for index in values.indices { found.sum[index] += Double(values[index]) }
      sums[key] = (found.count + 1, found.sum)
    }
  }

  /// The mean with a value less that with another, of objects at a place; nil where either has no picture.
  public func difference(
    _ value: ShapesWorld.FactorValue, from other: ShapesWorld.FactorValue, at place: ShapesWorld.Place
  ) -> [Float]? {
    guard let with = sums[Key(value, at: place)], let without = sums[Key(other, at: place)] else {
      return nil
    }
    return zip(with.sum, without.sum).map { Float($0 / Double(with.count) - $1 / Double(without.count)) }
  }
}
