import Foundation
import SDLensCore
import SDLensSparse

/// Who says which pictures a caption fits.
public protocol CaptionJudge: Sendable {
  /// Its name in reports.
  var name: String { get }
  /// Which pictures show what a caption says; nil where there is no usable answer.
  ///
  /// - Parameter count: how many do, which a judge may use that cannot say yes or no.
  func fitting(_ caption: String, _ pictures: [Picture], count: Int) throws -> Set<Int>?
}

extension CaptionEncoder: CaptionJudge {
  /// `clip`.
  public var name: String { "clip" }

  /// Those nearest to the caption: as many as there are to be found, since a cosine has no yes and no.
  ///
  /// - Throws: `FileError` when an embedding cannot be kept.
  public func fitting(_ caption: String, _ pictures: [Picture], count: Int) throws -> Set<Int>? {
    let cosines = UnitVectors(try embeddings(of: pictures)).cosines(
      with: UnitVectors(try embeddings(of: [caption])))
    let order = pictures.indices.sorted { (-cosines[$0, 0], $0) < (-cosines[$1, 0], $1) }
    return Set(order.prefix(count))
  }
}

extension EndpointAnnotator: CaptionJudge {
  /// The model that is asked.
  public var name: String { endpoint.model }

  private static let judgeSystem = """
    You check descriptions of pictures. You are careful, and say of each picture by itself whether it fits.
    """

  /// Tokens that an answer has about: a few numbers, and a sentence where a model says one.
  static let usualJudgeTokens = 40

  /// What is asked about a caption.
  func question(_ caption: String, _ pictures: [Picture]) -> ChatRequest {
    var parts: [ChatRequest.Part] = [
      .text(
        """
        Which of these \(pictures.count) pictures show this: \(caption)

        Some pictures may be partly or wholly white; then only what is left counts. Write the numbers of the pictures \
        that fit between <answer> and </answer>, separated by commas; write "none" there if none does.
        """)
    ]
    for (index, picture) in pictures.enumerated() {
      parts += [.text("Picture \(index + 1):"), .picture(AnnotationPrompt.row([picture], cell: prompt.cell))]
    }
    return ChatRequest(
      model: endpoint.model, system: Self.judgeSystem, parts: parts, answerTokens: min(500, answerTokens))
  }

  /// What it says when it sees the pictures, numbered; nil without answer tags.
  ///
  /// - Throws: as `caption(of:)`.
  public func fitting(_ caption: String, _ pictures: [Picture], count: Int) throws -> Set<Int>? {
    let answer = try endpoint.answer(to: question(caption, pictures))
    return AnnotationPrompt.tagged("answer", in: answer.text).map { text in
      let numbers = text.split { !$0.isASCII || !$0.isNumber }.compactMap { Int($0) }
      return Set(numbers.map { $0 - 1 }).intersection(pictures.indices)
    }
  }
}
