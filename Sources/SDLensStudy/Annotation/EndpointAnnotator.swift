import SDLensCore
import SDLensSparse

/// Asks a language model that sees pictures, as the paper does (Sec. 5.1).
public struct EndpointAnnotator: Annotator {
  /// `endpoint`.
  public var source: String { "endpoint" }
  /// The model that is asked.
  public var model: String? { endpoint.model }
  /// What the paper shows.
  public var plan: SheetPlan { .paper }
  /// How many features it is asked about at once.
  public let concurrency: Int
  /// Who is asked.
  public let endpoint: ChatEndpoint
  /// How it is asked.
  public var prompt = AnnotationPrompt()
  /// The most tokens of an answer.
  public var answerTokens = 1500

  /// How often it is asked about a feature, where an answer has no caption.
  private static let answers = 2
  /// Tokens that an answer has about, where 400 words of thoughts are asked for.
  static let usualTokens = 600

  /// Asks an endpoint about so many features at once.
  public init(_ endpoint: ChatEndpoint, concurrency: Int = 4) {
    (self.endpoint, self.concurrency) = (endpoint, concurrency)
  }

  /// What is asked about a feature.
  public func request(_ sheet: FeatureSheet) -> ChatRequest {
    prompt.request(sheet, model: endpoint.model, answerTokens: answerTokens)
  }

  /// The caption of its answer; where that has none, of a second one.
  ///
  /// - Throws: `EndpointProblem`, `CostCap`, `FileError`.
  public func caption(of sheet: FeatureSheet) throws -> FeatureCaption? {
    let request = request(sheet)
    for again in 0..<Self.answers {
      let answer = try endpoint.answer(to: request, again: again)
      if let text = AnnotationPrompt.caption(in: answer.text) { return caption(text, of: sheet) }
    }
    return nil
  }

  /// What asking would take, as far as it can be known before.
  public struct Estimate: Sendable, Encodable {
    /// Requests.
    public internal(set) var requests = 0
    /// All bytes that would be sent.
    public internal(set) var bytes = 0
    /// About how many tokens would be sent, and answered.
    public internal(set) var promptTokens = 0, answerTokens = 0
    /// What they would cost; nil without prices.
    public internal(set) var cost: Double?
  }

  /// Writes what would be sent about a feature to a file, and counts it.
  func write(_ sheet: FeatureSheet, to path: String, _ estimate: inout Estimate) throws {
    let body = try count(request(sheet), answer: Self.usualTokens, &estimate)
    try AtomicFile.write(to: path, byteCount: body.count) { try $0.append(body) }
  }

  /// Counts `times` requests like this one, whose answers have about so many tokens; gives what would be sent.
  @discardableResult
  func count(_ request: ChatRequest, answer tokens: Int, times: Int = 1, _ estimate: inout Estimate) throws
    -> [UInt8]
  {
    let body = try JSON.line(request)
    estimate.requests += times
    estimate.bytes += times * body.count
    estimate.promptTokens += times * request.tokens
    estimate.answerTokens += times * min(tokens, request.answerTokens)
    estimate.cost = endpoint.prices.map { $0.cost(estimate.promptTokens, estimate.answerTokens) }
    return body
  }
}
