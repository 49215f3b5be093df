/// What the judge says of one picture of `shapes`, as probabilities.
public struct ShapesVerdict: Sendable, Equatable {
  /// How likely an object is at each place, in the order of `ShapesWorld.Place.allCases`.
  public let presence: [Double]
  /// For shape, colour, size and texture, for each place: how likely each value is if an object is there.
  public let answers: [ShapesWorld.Factor: [[Double]]]
  /// How likely each background is; the last is that of the empty prompt.
  public let backgrounds: [Double]

  /// Puts together what was said.
  public init(presence: [Double], answers: [ShapesWorld.Factor: [[Double]]], backgrounds: [Double]) {
    (self.presence, self.answers, self.backgrounds) = (presence, answers, backgrounds)
  }

  /// How likely there is any object at a place.
  public func presence(at place: ShapesWorld.Place) -> Double { presence[place.number] }

  /// How likely there is an object of that value at a place: `P(object) P(value | object)`.
  ///
  /// For a place as value, only `P(object)` there; for a background that of the picture, whatever the place.
  public func probability(of value: ShapesWorld.FactorValue, at place: ShapesWorld.Place) -> Double {
    guard let number = value.factor.values.firstIndex(of: value.value) else { return 0 }
    return switch value.factor {
    case .background: backgrounds[number]
    case .place: presence[number]
    default: presence[place.number] * (answers[value.factor]?[place.number][number] ?? 0)
    }
  }

  /// Which answers are right: of shape, colour, size and texture for each object of a scene, of places and of the
  /// background for the scene. Places are right when there are objects just where they should be.
  ///
  /// Of two objects at one place the last-named counts, as in `Scripts/shapes/classifier.py`.
  public func right(for scene: ShapesScene) -> [ShapesWorld.Factor: [Bool]] {
    var objects = [ShapesScene.Object?](repeating: nil, count: presence.count)
    for object in scene.objects { objects[object.resolvedPlace.number] = object }
    var right: [ShapesWorld.Factor: [Bool]] = [
      .place: [zip(presence, objects).allSatisfy { ($0 > 0.5) == ($1 != nil) }],
      .background: [
        backgrounds.most == (scene.isBlank ? backgrounds.count - 1 : (scene.background ?? .gray).number)
      ],
    ]
    for (factor, places) in answers {
      right[factor] = zip(places, objects).compactMap { said, object in
        object.map { factor.values[said.most] == $0.value(of: factor)?.value }
      }
    }
    return right
  }
}

extension ShapesScene.Object {
  /// Its place, the default where the caption is silent.
  package var resolvedPlace: ShapesWorld.Place { place ?? .centre }

  /// The value of a factor, the default where the caption is silent; nil for the background.
  package func value(of factor: ShapesWorld.Factor) -> ShapesWorld.FactorValue? {
    ShapesScene([self]).truth.objects[0].first { $0.factor == factor }
  }
}

extension CaseIterable where Self: Equatable, AllCases == [Self] {
  /// Its place among all cases.
  fileprivate var number: Int { Self.allCases.firstIndex(of: self) ?? 0 }
}

extension [Double] {
  /// The place of the largest.
  fileprivate var most: Int { indices.max { self[$0] < self[$1] } ?? 0 }
}
