import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensShapes

/// Prompts that `shapes` never learned from, run with and without edits, their pictures judged.
///
/// Prompt i runs with the seed of the first plus i, as recorded pictures do.
public struct JudgedPrompts: Sendable {
  /// The prompts: the first of the model's `held-out.txt`.
  public let prompts: [String]
  /// What their pictures must show.
  public let scenes: [ShapesScene]
  /// The model at work.
  public let laboratory: Laboratory
  /// The judge.
  public let judge: ShapesJudge
  /// A number that changes with the prompts.
  public let fingerprint: String
  private let settings: RunSettings

  /// Reads model, judge and prompts.
  ///
  /// - Parameters:
  ///   - limit: prompts to take, from the first on.
  ///   - seed: that of the first prompt.
  /// - Throws: `NotJudged`, `JudgeMissing`, `MalformedFile` for a prompt that is no caption, `BadSetting`, `SeedsEnd`,
  ///   `TooLittleMemory`, and the errors of reading the model.
  public init(of model: ModelFolder, limit: Int, seed: Seed = 42, steps: Int = 1) throws {
    guard model.paintsShapes, try model.pictureSize == ShapesWorld.pictureSize else {
      throw NotJudged(model: model.name)
    }
    judge = try ShapesJudge(of: model)
    let path = model.heldOutPrompts
    let list = try PromptList(contentsOf: path, limit: limit)
    (prompts, fingerprint) = (list.prompts, list.fingerprint)
    scenes = try prompts.map { prompt in
      let reading = ShapesGrammar.read(prompt)
      guard reading.isCaption else {
        throw MalformedFile(
          path: path,
          reason: "has the prompt \"\(prompt)\", which is no caption of shapes; take the model's own list")
      }
      return reading.scene
    }
    try seed.check(prompts.count)
    try ModelMemory(model).check(height: ShapesWorld.pictureSize, width: ShapesWorld.pictureSize)
    settings = try RunSettings(
      seed: seed, steps: steps, height: ShapesWorld.pictureSize, width: ShapesWorld.pictureSize)
    laboratory = Laboratory(model)
    _ = try model.stepCount(steps)
  }

  /// What decides results of them, as settings of a result folder.
  func key(of model: ModelFolder) throws -> [String: String] {
    [
      "model": try model.fingerprint().description, "judge": judge.fingerprint.description,
      "prompts": fingerprint, "seed": "\(settings.seed)",
    ]
  }

  /// The model's denoising part.
  public var pipeline: Pipeline { get throws { try laboratory.pipeline } }

  /// How many prompts there are.
  public var count: Int { prompts.count }

  /// The settings of a prompt's run.
  public func settings(of index: Int) -> RunSettings {
    var own = settings
    own.seed = own.seed + index
    return own
  }

  /// Where the objects of a prompt's picture are.
  public func masks(of index: Int) -> ShapesMasks {
    ShapesMasks(scenes[index], ShapesShifts(seed: settings(of: index).seed))
  }

  /// Runs a prompt without edits, ready for edits at some blocks.
  public func run(_ index: Int, watching blocks: [BlockName]) throws -> BaseRun {
    try laboratory.run(prompts[index], settings(of: index), watching: blocks)
  }

  /// Runs the caption of a scene with the noise of a prompt's run.
  public func run(_ scene: ShapesScene, noiseOf index: Int, watching block: BlockName) throws -> BaseRun {
    try laboratory.run(ShapesGrammar.caption(scene), settings(of: index), watching: [block])
  }

  /// Makes and judges some pictures side by side, to see how long it takes.
  public func time(_ count: Int) throws {
    let pipeline = try laboratory.pipeline
    _ = try Parallel.results(count) { index in
      let text = try laboratory.embeddings(of: [prompts[index % prompts.count]], settings(of: 0))
      let trace = try pipeline.sample(text, settings(of: 0))
      return judge(try pipeline.picture(trace.latents))
    }
  }

  /// The picture of the empty prompt with the noise of a prompt's run, [1, height, width, 3] in 0…1.
  public func emptyPicture(_ index: Int) throws -> Tensor {
    let (pipeline, settings) = (try laboratory.pipeline, settings(of: index))
    return try pipeline.picture(pipeline.sample(laboratory.embeddings(of: "", settings), settings).latents)
  }
}

/// A model whose pictures nobody can judge.
public struct NotJudged: UserError {
  let model: String
  /// The model, and which can be judged.
  public var description: String {
    "'\(model)' is another model, but only the pictures of shapes can be judged, at its own size of "
      + "\(ShapesWorld.pictureSize) pixels; leave --model out, or name shapes"
  }
}

/// How far pictures [1, height, width, 3] of samples in 0…1 are apart.
package enum PixelChange {
  /// The mean absolute difference of samples.
  package static func mean(_ before: Tensor, _ after: Tensor) -> Double { sum(before, after) { _ in 1 } }

  /// The mean absolute difference of samples where a mask is, and where it is not; pixels count by their share. Nil
  /// where there is no such pixel.
  package static func means(_ before: Tensor, _ after: Tensor, mask: [Float]) -> (
    inside: Double?, outside: Double?
  ) {
    let area = mask.reduce(0) { $0 + Double($1) }
    let rest = Double(mask.count) - area
    func mean(_ area: Double, _ weight: (Int) -> Double) -> Double? {
      // A sliver says nothing.
      area < 1 ? nil : sum(before, after, weight) * Double(mask.count) / area
    }
    return (mean(area) { Double(mask[$0]) }, mean(rest) { 1 - Double(mask[$0]) })
  }

  /// `Σ w |a − b|` over the number of samples; the weight is that of the pixel.
  private static func sum(_ before: Tensor, _ after: Tensor, _ weight: (Int) -> Double) -> Double {
    precondition(before.shape == after.shape, "\(before.shape) against \(after.shape)")
    let channels = before.width
    return before.withElements { a in
      after.withElements { b in
        a.indices.reduce(0) { $0 + weight($1 / channels) * Double(abs(a[$1] - b[$1])) } / Double(a.count)
      }
    }
  }
}
