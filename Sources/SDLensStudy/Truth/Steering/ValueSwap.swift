import SDLensCore
import SDLensShapes

/// Two scenes that differ in one value of one factor, and so two prompts whose runs begin with the same noise.
///
/// Of a scene with two objects the first-named one is changed, which is in front.
public struct ValueSwap: Sendable, Equatable {
  /// The prompt's number in a list: it decides the seed.
  public let index: Int
  /// The value that one scene has and the other has not.
  public let value: ShapesWorld.FactorValue
  /// What the other has instead.
  public let other: ShapesWorld.FactorValue
  /// The scene of the list, without the value.
  public let without: ShapesScene
  /// The same with the value.
  public let with: ShapesScene

  /// Gives a scene another value; nil where it has the value already, where there is no object, or where another object
  /// is at that place.
  public init?(_ scene: ShapesScene, _ value: ShapesWorld.FactorValue, index: Int) {
    guard let object = scene.objects.first else { return nil }
    let background = ShapesWorld.FactorValue(
      factor: .background, value: (scene.background ?? .gray).rawValue)
    guard let other = value.factor == .background ? background : object.value(of: value.factor),
      other != value
    else { return nil }
    var with = scene
    switch value.factor {
    case .shape: with.objects[0].shape = .init(rawValue: value.value) ?? object.shape
    case .colour: with.objects[0].colour = .init(rawValue: value.value)
    case .size: with.objects[0].size = .init(rawValue: value.value)
    case .texture: with.objects[0].texture = .init(rawValue: value.value)
    case .place: with.objects[0].place = .init(rawValue: value.value)
    case .background: with.background = .init(rawValue: value.value)
    }
    let places = with.objects.map(\.resolvedPlace)
    guard Set(places).count == places.count else { return nil }
    (self.index, self.value, self.other, without, self.with) = (index, value, other, scene, with)
  }

  /// How likely the value is to be seen where the scene with it has it.
  public func probability(_ verdict: ShapesVerdict) -> Double {
    verdict.probability(of: value, at: with.objects[0].resolvedPlace)
  }

  /// The share of what both scenes say alike that the judge sees: the other factors of the object that is changed (where
  /// it moves, not at all), all of the other object, the background.
  public func kept(_ verdict: ShapesVerdict) -> Double {
    var right: [Bool] = []
    for (number, object) in with.objects.enumerated() where number > 0 || value.factor != .place {
      let values = ShapesScene([object]).truth.objects[0].filter { number > 0 || $0.factor != value.factor }
      for said in values { right.append(verdict.probability(of: said, at: object.resolvedPlace) > 0.5) }
    }
    if value.factor != .background, let background = with.truth.background {
      right.append(verdict.probability(of: background, at: .centre) > 0.5)
    }
    return Bootstrap.mean(right.map { $0 ? 1 : 0 })
  }
}
