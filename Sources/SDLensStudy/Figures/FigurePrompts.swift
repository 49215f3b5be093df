import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensShapes
import SDLensSparse

/// The prompts that figures show when nobody gives others.
public struct FigurePrompts: Sendable {
  /// Of the paper's Fig. 1 and 5.
  public static let sloth = "A cinematic shot of a professor sloth wearing a tuxedo at a BBQ party."
  /// Of Fig. 3.
  public static let ablation = [
    "A dog playing with a ball cartoon.", "A photo of a colorful model.",
    "An astronaut riding on a pig on the moon.",
    "A photograph of the inside of a subway train. There are frogs sitting on the seats. One of them is reading a "
      + "newspaper. The window shows the river in the background.",
    sloth,
  ]
  /// Of Fig. 9.
  public static let unrelated = [
    "a photo of a colorful model", "a cinematic shot of a dog playing with a ball",
    "a cinematic shot of a classroom with excited students",
  ]
  /// Of Tables 3 and 5, for want of those of Fig. 4, which the paper does not tell.
  public static let captions = [
    "A file folder with the word document management on it.", "A kitchen with an island and bar stools.",
    "An unfinished bar with stools and a wood counter.",
    "The Taj Mahal, or a white marble building in India.", "Two men in suits hugging each other outside.",
    "Red roses and hearts on a wooden table.", "An image of a brooch with diamonds.",
    "A cartoon bee wearing a hat and holding something.",
    "A man with white hair and red eyes holding a chain.",
    "Two men in uniforms riding horses with swords.", "A red jar with floral designs on it.",
    "A white tiger with blue eyes standing in the snow.",
    "Giraffes are standing in the grass near a vehicle.", "A lion is roaring its teeth in the snow.",
    "The sun is shining over mountains and trees.", "The silhouette of a person riding a bike at sunset.",
  ]

  private enum Origin: Sendable { case shapes, list([String]), paper }
  private let origin: Origin
  private let recorded: [String]

  /// The prompts for a model: sampled ones for `shapes`, those that another model brings along, else the paper's.
  ///
  /// - Throws: what is wrong with the list that the model brings.
  public init(for model: ModelFolder, recorded: RecordedPictures? = nil) throws {
    self.recorded =
      recorded.map { pictures in
        pictures.prompts.keys.sorted().compactMap { pictures.prompts[$0] }.filter { !$0.isEmpty }
      } ?? []
    if model.paintsShapes {
      origin = .shapes
    } else if FileManager.default.fileExists(atPath: "\(model.path)/prompts.txt") {
      origin = .list(try PromptList(of: model).prompts)
    } else {
      origin = .paper
    }
  }

  /// The paper's prompts, or for a model with prompts of its own as many of these.
  public func instead(of paper: [String]) -> [String] {
    switch origin {
    case .shapes, .list: random(paper.count)
    case .paper: paper
    }
  }

  /// Prompts of the kind that the model was trained on: its own, recorded ones, or at last the paper's; always the
  /// same.
  public func random(_ count: Int) -> [String] {
    var random = PCG64(seed: 7)
    func chosen(from prompts: [String]) -> [String] {
      random.permutation(prompts.count).prefix(count).map { prompts[$0] }
    }
    switch origin {
    case .shapes:
      var sampler = ShapesSampler(seed: 7)
      return sampler.captions(count)
    case .list(let prompts): return chosen(from: prompts)
    case .paper: return recorded.isEmpty ? Array(Self.captions.prefix(count)) : chosen(from: recorded)
    }
  }
}
