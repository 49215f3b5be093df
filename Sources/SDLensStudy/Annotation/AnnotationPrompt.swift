import Foundation
import SDLensCore
import SDLensEncoders
import SDLensSparse

/// How a language model is asked what a feature means: rows of pictures and words between them, in the order of the
/// paper (App. G.1), in words of our own.
public struct AnnotationPrompt: Sendable {
  /// The pixels of a picture, across and down.
  public var cell = 256
  /// The most words of a caption.
  public static let captionWords = 15
  /// Between the pictures of a row, in pixels.
  private static let gap = 8

  /// With pictures of the usual size.
  public init() {}

  /// Who is asked.
  static let system = """
    You study how a network that makes pictures represents what it makes. You are shown where one of its internal \
    features is active, and say in a few words what that feature stands for.
    """

  /// What is to be done.
  package static let task = """
    All pictures below were made by one model. A sparse autoencoder was trained on its hidden activations, and the \
    pictures were chosen by one of its features. What it stands for may be a kind of object, a part of one, a pattern, \
    a colour, a style, an idea, or a place in the picture. You see, in this order:

    1. **For comparison**: pictures in which the feature is not active.
    2. **From weak to strong**: pictures in which it is more and more active, and the same pictures with everything \
    white where it is not active.
    3. **The strongest**: the pictures in which it is most active, and again the same with the rest in white.

    Find what the pictures with the feature share and the others lack. Answer in two parts:

    - Between <thinking> and </thinking>, at most 400 words: what you see again and again in the pictures with the \
    feature, above all in the parts that are not white, and whether the pictures for comparison have it too.
    - Between <answer> and </answer>, a phrase of at most \(captionWords) words that names it.

    Weak pictures may mislead: where they contradict each other, trust the strongest ones.
    """

  /// The question about a feature.
  public func request(_ sheet: FeatureSheet, model: String, answerTokens: Int) -> ChatRequest {
    var parts: [ChatRequest.Part] = [.text(Self.task)]
    func row(_ text: String, _ pictures: [Picture]) {
      guard !pictures.isEmpty else { return }
      parts += [.text(text), .picture(Self.row(pictures, cell: cell))]
    }
    row("For comparison: the feature is not active in any of these.", sheet.unrelated)
    let shares = sheet.progression.map { "\(Int(($0.share * 100).rounded())) %" }.joined(separator: ", ")
    row(
      "From weak to strong, left to right: the feature is active at \(shares) of its strongest.",
      sheet.progression.map(\.picture))
    row("The same pictures, white where the feature is weak or not active.", sheet.progression.map(\.cold))
    row("The strongest: nowhere is the feature more active than in these.", sheet.strongest.map(\.picture))
    row("The strongest again, white where the feature is weak or not active.", sheet.strongest.map(\.cold))
    return ChatRequest(model: model, system: Self.system, parts: parts, answerTokens: answerTokens)
  }

  /// The caption of an answer: what stands between its last answer tags; nil where there are none, or nothing in them.
  public static func caption(in answer: String) -> String? {
    // A caption of one line, whatever the model made of the number of words.
    tagged("answer", in: answer).flatMap(FeatureCaption.cleaned)
  }

  /// What stands between the last two tags of a name.
  static func tagged(_ name: String, in text: String) -> String? {
    guard let end = text.range(of: "</\(name)>", options: [.backwards, .caseInsensitive]),
      let start = text.range(
        of: "<\(name)>", options: [.backwards, .caseInsensitive], range: text.startIndex..<end.lowerBound)
    else { return nil }
    return String(text[start.upperBound..<end.lowerBound])
  }

  /// Pictures side by side, each as wide as `cell`.
  package static func row(_ pictures: [Picture], cell: Int) -> Picture {
    let cells = pictures.map { picture in
      let height = max(1, picture.height * cell / picture.width)
      return picture.width == cell ? picture : Resampling.lanczos(picture, width: cell, height: height)
    }
    let height = cells.map(\.height).max() ?? 1
    let width = cells.count * (cell + gap) - gap
    var samples = [UInt8](repeating: 255, count: 3 * width * height)
    for (place, picture) in cells.enumerated() {
      for line in 0..<picture.height {
        let start = 3 * (line * width + place * (cell + gap))
        samples.replaceSubrange(
          start..<start + 3 * cell, with: picture.samples[3 * line * cell..<3 * (line + 1) * cell])
      }
    }
    return Picture(width: width, height: height, samples: samples)
  }
}
