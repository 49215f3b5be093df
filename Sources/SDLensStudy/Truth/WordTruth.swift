import SDLensCore
import SDLensDiffusion
import SDLensShapes

/// Whether the words of a prompt of `shapes` act where the object is that they are said of.
///
/// The scores are the places of a word's map, the positives those that its object covers by `ShapesTruth.cover`.
public enum WordTruth {
  /// What words are told of an object.
  public static let factors: [ShapesWorld.Factor] = [.shape, .colour, .place]
  /// What stands for the mean over all blocks.
  public static let all = "all"

  /// Areas under the ROC curve for the words of one prompt, one for each object that is said to have a value.
  public struct Areas: Sendable, Codable, Equatable {
    /// Against the word's own object.
    public var own: [Double] = []
    /// Against the first object of another prompt's picture, which is chance: both know where objects are at all.
    public var elsewhere: [Double] = []
    /// Against the other object of the picture, where there is one.
    public var other: [Double] = []
  }

  /// What came of one prompt: for each subject the areas by factor.
  public typealias PromptResult = [String: [String: Areas]]

  /// Runs a prompt and scores its words' maps in some blocks and in the mean over all eleven.
  ///
  /// - Throws: as `Laboratory.wordMaps`.
  public static func measure(_ index: Int, of prompts: JudgedPrompts, at blocks: [BlockName]) throws
    -> PromptResult
  {
    let maps = try prompts.laboratory.wordMaps(
      of: prompts.prompts[index], prompts.settings(of: index), AttentionChoice(along: .blocks)
    ).maps
    let (masks, others) = (prompts.masks(of: index), prompts.masks(of: (index + 1) % prompts.count))
    let objects = prompts.scenes[index].objects
    var result: PromptResult = [:]
    func score(_ subject: String, _ map: ([Int]) -> Tensor) {
      let side = map([0]).shape[0]
      func covered(_ masks: ShapesMasks) -> [[Bool]] {
        masks.shares(side: side).map { $0.map { $0 >= ShapesTruth.cover } }
      }
      let (own, elsewhere) = (covered(masks), covered(others))
      for factor in factors {
        var areas = Areas()
        for (number, object) in objects.enumerated() {
          guard let word = object.said(factor) else { continue }
          // The grammar names objects in their order.
          let before = objects[..<number].count { $0.said(factor) == word }
          let places = maps.tokens.occurrences(of: word)
          guard places.indices.contains(before) else { continue }
          let scores = map(Array(places[before])).elements
          func add(_ mask: [Bool]?, to list: WritableKeyPath<Areas, [Double]>) {
            if let area = mask.flatMap({ AUROC.area(scores, positive: $0) }) {
              areas[keyPath: list].append(area)
            }
          }
          add(own[number], to: \.own)
          add(elsewhere.first, to: \.elsewhere)
          add(objects.count == 2 ? own[1 - number] : nil, to: \.other)
        }
        result[subject, default: [:]][factor.rawValue] = areas
      }
    }
    for block in blocks {
      guard let label = maps.labels.firstIndex(of: "\(block)") else { continue }
      score("\(block)") { maps.map(of: $0, at: label) }
    }
    score(all) { maps.mean(of: $0) }
    return result
  }

  /// A line of the table.
  public struct Row: Sendable, Encodable {
    /// The block, or `all`.
    public let block: String
    /// What the words tell.
    public let factor: String
    /// Against the own object: the mean over prompts of the mean over their words.
    public let own: Estimate?
    /// Against an object of another prompt.
    public let elsewhere: Estimate?
    /// Against the other object of the picture.
    public let other: Estimate?
  }

  /// The table of the results of all prompts.
  public static func summary(_ results: [PromptResult], blocks: [BlockName]) -> [Row] {
    (blocks.map(\.description) + [all]).flatMap { subject in
      factors.map { factor in
        func estimate(_ list: KeyPath<Areas, [Double]>) -> Estimate? {
          Estimate(
            meanOf: results.compactMap { result in
              let areas = result[subject]?[factor.rawValue]?[keyPath: list] ?? []
              return areas.isEmpty ? nil : Bootstrap.mean(areas)
            })
        }
        return Row(
          block: subject, factor: factor.rawValue, own: estimate(\.own), elsewhere: estimate(\.elsewhere),
          other: estimate(\.other))
      }
    }
  }
}

extension ShapesScene.Object {
  /// The word of a factor in the caption; nil where it is not said.
  fileprivate func said(_ factor: ShapesWorld.Factor) -> String? {
    switch factor {
    case .shape: shape.rawValue
    case .colour: colour?.rawValue
    case .size: size?.rawValue
    case .texture: texture?.rawValue
    case .place: place?.rawValue
    case .background: nil
    }
  }
}
