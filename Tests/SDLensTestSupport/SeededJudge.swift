import Foundation
import SDLensCore

/// A judge of the pictures of `shapes` whose weights are drawn here as `Scripts/goldens/judge.py` draws them.
public struct SeededJudge: Decodable {
  private struct Drawn: Decodable {
    let name: String
    let shape: [Int]
    let offset: Float
    let scale: Float
  }
  private let seed: Int
  private let drawn: [Drawn]
  /// What the pictures of the reference should show.
  public let captions: [String]
  /// Which answers of the reference are right, factor by factor.
  public let right: [String: [Bool]]

  private static let goldens = Goldens(
    beside: URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().path
      + "/SDLensStudyTests/any")

  /// Reads what the reference left.
  public static func read() throws -> SeededJudge { try goldens.json("judge.json") }

  /// A folder with `config.json`, in which texts may be replaced, and the weights, which may be changed.
  public func folder(
    replacing changes: [(old: String, new: String)] = [],
    change: (inout [(name: String, tensor: Tensor)]) -> Void = { _ in }
  ) throws -> TemporaryFolder {
    var generator = MersenneTwister(seed: seed)
    var weights = drawn.map { drawn in
      let values = generator.normal(Shape(drawn.shape).count).map {
        Float(Float16($0 * drawn.scale + drawn.offset))
      }
      return (name: drawn.name, tensor: Tensor(values, Shape(drawn.shape)))
    }
    change(&weights)
    let folder = try TemporaryFolder()
    var config = try String(contentsOfFile: Self.goldens("judge/config.json"), encoding: .utf8)
    for (old, new) in changes { config = config.replacing(old, with: new, maxReplacements: 1) }
    try folder.write(config.utf8, to: "config.json")
    try Safetensors.write(weights, to: folder("model.safetensors"))
    return folder
  }
}
