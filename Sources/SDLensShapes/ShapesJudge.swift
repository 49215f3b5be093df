import Foundation
import SDLensCore
import SDLensDiffusion

/// The judge of `shapes`: a small network that reads every factor off a picture.
///
/// It learned from renders of the world and never saw a painted picture, so that it is independent of the model. A
/// picture is shrunk and becomes a map of features (16 × 16); from a window of it around each place (8 × 8) the
/// judge tells whether an object is there, and its shape, colour, size and texture; from the whole map, the
/// background. The same network is in `Scripts/shapes/classifier.py`.
public struct ShapesJudge: Sendable {
  /// Changes with its content.
  public let fingerprint: Fingerprint
  private let config: ShapesJudgeConfig
  private let trunk: [Stage]
  private let window: Stage
  private let summary: Linear
  private let present: Linear
  private let heads: [Linear]
  private let ground: (Linear, Linear)

  /// A convolution, a norm and SiLU.
  private struct Stage {
    let convolution: Convolution
    let norm: GroupNorm

    func callAsFunction(_ x: Tensor) -> Tensor { norm(convolution(x), silu: true) }
  }

  /// Reads the judge that a model brings along.
  ///
  /// - Throws: `JudgeMissing`, and as `init(folder:)`.
  public init(of model: ModelFolder) throws {
    let folder = "\(model.path)/judge"
    guard FileManager.default.fileExists(atPath: folder) else { throw JudgeMissing(folder: folder) }
    try self.init(folder: folder, engine: model.engine)
  }

  /// Reads `config.json` and the weights of a folder made by `Scripts/shapes/export.py`.
  ///
  /// - Throws: the errors of `ConfigFile`, and `WeightError`.
  public init(folder: String, engine: any Engine = KernelEngine()) throws {
    let config = try ShapesJudgeConfig(ConfigFile("\(folder)/config.json"))
    let file = try WeightFile(folder: folder, name: "model", engine: engine)
    let root = file.root
    func stage(
      _ scope: WeightScope, _ place: Int, inputs: Int, outputs: Int, kernel: Int = 3, stride: Int
    ) throws -> Stage {
      Stage(
        convolution: try Convolution(
          scope[place], inputs: inputs, outputs: outputs, kernel: kernel, stride: stride),
        norm: try GroupNorm(scope[place + 1][0], channels: outputs, groups: config.groups, epsilon: 1e-5))
    }
    trunk = try ShapesJudgeConfig.convolutions.enumerated().map { index, shape in
      try stage(
        root["trunk"], 2 * index, inputs: index == 0 ? 3 : config.channels[index - 1],
        outputs: config.channels[index], kernel: shape.kernel, stride: shape.stride)
    }
    let features = config.channels[config.channels.count - 1]
    window = try stage(root["window"], 0, inputs: features, outputs: features, stride: 2)
    summary = try Linear(
      root["window"][3], inputs: features * config.window * config.window / 4, outputs: config.width)
    func head(_ name: String, _ answers: Int) throws -> Linear {
      try Linear(root["answers"][name], inputs: config.width, outputs: answers)
    }
    present = try head("present", 2)
    heads = try ShapesJudgeConfig.factors.map { try head($0.rawValue, $0.values.count) }
    let cells = ShapesJudgeConfig.backgroundCells * ShapesJudgeConfig.backgroundCells
    ground = (
      try Linear(root["ground"][2], inputs: features * cells, outputs: config.backgroundWidth),
      try Linear(
        root["ground"][4], inputs: config.backgroundWidth, outputs: ShapesJudgeConfig.backgrounds.count)
    )
    try file.finish()
    self.config = config
    fingerprint = try Fingerprint(of: ["config.json"], and: file, in: folder)
  }

  /// Judges pictures [batch, height, width, 3] with samples from 0 to 1, of any size.
  public func callAsFunction(_ pictures: Tensor) -> [ShapesVerdict] {
    let logits = logits(pictures)
    let places = ShapesWorld.Place.allCases.count
    return (0..<pictures.shape[0]).map { picture in
      func probabilities(_ logits: Tensor) -> [[Double]] {
        (0..<places).map { Self.softmax(logits, row: picture * places + $0) }
      }
      return ShapesVerdict(
        presence: probabilities(logits.present).map { $0[1] },
        answers: Dictionary(
          uniqueKeysWithValues: zip(ShapesJudgeConfig.factors, logits.answers).map { ($0, probabilities($1)) }
        ),
        backgrounds: Self.softmax(logits.background, row: picture))
    }
  }

  /// What the heads say: of each picture and place whether an object is there, [batch · 5, 2], and its shape, colour,
  /// size and texture, [batch · 5, values]; of each picture the background, [batch, 7].
  package func logits(_ pictures: Tensor) -> (present: Tensor, answers: [Tensor], background: Tensor) {
    precondition(pictures.width == 3, "judging \(pictures.shape)")
    var map = pictures.areaMean(height: config.size, width: config.size).scaled(by: 2, plus: -1)
    for stage in trunk { map = stage(map) }
    let windows = Tensor.stacked(
      (0..<map.shape[0]).flatMap { picture in
        config.corners.map { map.window(of: picture, row: $0.row, column: $0.column, side: config.window) }
      })
    var seen = summary(Self.flattened(window(windows)))
    seen.apply(.silu)
    let cells = ShapesJudgeConfig.backgroundCells
    var whole = ground.0(Self.flattened(map.areaMean(height: cells, width: cells)))
    whole.apply(.silu)
    return (present(seen), heads.map { $0(seen) }, ground.1(whole))
  }

  /// [batch, height, width, channels] → [batch, channels · height · width], PyTorch's order.
  private static func flattened(_ x: Tensor) -> Tensor {
    x.channelsFirst().reshaped([x.shape[0], x.count / x.shape[0]])
  }

  private static func softmax(_ logits: Tensor, row: Int) -> [Double] {
    let values = (0..<logits.width).map { Double(logits[row * logits.width + $0]) }
    let most = values.max() ?? 0
    let powers = values.map { exp($0 - most) }
    let sum = powers.reduce(0, +)
    return powers.map { $0 / sum }
  }
}

/// A model that brings no judge.
public struct JudgeMissing: UserError {
  let folder: String
  /// Where it was looked for, and how it is made.
  public var description: String {
    "there is no judge of pictures at '\(folder)'; train and export it with: "
      + "python Scripts/shapes/build.py classifier export"
  }
}
