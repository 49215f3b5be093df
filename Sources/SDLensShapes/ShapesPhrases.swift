import SDLensCore

/// Short captions of the world of `shapes`, to name features by: one object of which up to two properties are said,
/// or an empty background.
public enum ShapesPhrases {
  /// All of them, short ones first.
  public static let all: [String] = {
    typealias World = ShapesWorld
    var objects: [(said: Int, text: String)] = []
    for shape in World.Form.allCases {
      for colour in choices(World.Colour.allCases) {
        for size in choices(World.Size.allCases) {
          for texture in choices(World.Texture.allCases) {
            for place in choices(World.Place.allCases) {
              let said = [colour != nil, size != nil, texture != nil, place != nil].count { $0 }
              guard said <= 2 else { continue }
              let object = ShapesScene.Object(
                shape, colour: colour, size: size, texture: texture, place: place)
              objects.append((said, ShapesGrammar.caption(ShapesScene([object]))))
            }
          }
        }
      }
    }
    let backgrounds = World.Background.allCases.map { ShapesGrammar.caption(ShapesScene([], background: $0)) }
    return (0...2).flatMap { said in objects.filter { $0.said == said }.map(\.text) } + backgrounds
  }()

  /// The number of the text nearest to the mean direction of pictures, of equally near ones the first; nil without
  /// pictures.
  public static func nearest(to pictures: Tensor, among texts: UnitVectors) -> Int? {
    guard pictures.rows > 0 else { return nil }
    let cosines = UnitVectors(pictures).cosines(with: texts)
    let sums = (0..<texts.count).map { text in
      (0..<cosines.rows).reduce(0) { $0 + cosines[$1, text] }
    }
    return sums.indices.max { (sums[$0], -$0) < (sums[$1], -$1) }
  }

  private static func choices<Value>(_ values: [Value]) -> [Value?] { [nil] + values }
}
