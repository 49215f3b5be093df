import SDLensCore
import SDLensShapes
import SDLensStudy
import SDLensTestSupport

/// What the Python world says, by `Scripts/goldens/shapes_world.py`.
struct WorldGoldens: Decodable {
  struct Random: Decodable {
    let seed: String
    let uniform: [Double]
    let below: [[Int]]
    let permutation: [Int]
    let again: Double
    let array: [Int]
  }

  struct Scene: Decodable {
    let caption: String
    let held_out: Bool
    let objects: [[String: String?]]
    let values: [[String: String]]
    let background: String?
    let ground: String?

    /// The scene, from its factors.
    var scene: ShapesScene {
      guard ground != nil else { return .blank }
      return ShapesScene(
        objects.map { object in
          func value<Value: RawRepresentable<String>>(_ factor: String) -> Value? {
            (object[factor] ?? nil).flatMap(Value.init)
          }
          return ShapesScene.Object(
            value("shape") ?? .circle, colour: value("colour"), size: value("size"),
            texture: value("texture"), place: value("place"))
        }, background: background.flatMap(ShapesWorld.Background.init))
    }
  }

  let random: [Random]
  let prompts, held_out: [String]
  let prompts_sha256, held_out_sha256: String
  let scenes: [Scene]
  let forms: [Scene]

  static let files = Goldens()
  static func load() throws -> WorldGoldens { try files.json("shapes-world.json") }
}
