import Foundation
import SDLensCore

/// A question to a model that answers texts and pictures, in the form that OpenAI's chat completions have and many
/// other servers take.
public struct ChatRequest: Sendable, Encodable {
  /// A piece of the question.
  public enum Part: Sendable, Encodable {
    case text(String)
    case picture(Picture)

    private enum Key: String, CodingKey { case type, text, imageURL = "image_url", url }

    /// As `{"type": "text", …}` or `{"type": "image_url", …}` with the picture as a data URL of a PNG.
    public func encode(to encoder: any Encoder) throws {
      var container = encoder.container(keyedBy: Key.self)
      switch self {
      case .text(let text):
        try container.encode("text", forKey: .type)
        try container.encode(text, forKey: .text)
      case .picture(let picture):
        try container.encode("image_url", forKey: .type)
        var own = container.nestedContainer(keyedBy: Key.self, forKey: .imageURL)
        let bytes = Data(try PNG.encode(picture)).base64EncodedString()
        try own.encode("data:image/png;base64,\(bytes)", forKey: .url)
      }
    }

    /// About how many tokens it is: a quarter of the bytes of a text; a 750th of the pixels of a picture, and 85.
    var tokens: Int {
      switch self {
      case .text(let text): text.utf8.count / 4 + 1
      case .picture(let picture): picture.width * picture.height / 750 + 85
      }
    }
  }

  /// The model that is asked.
  public var model: String
  /// Who it is to be.
  public var system: String
  /// What it is asked.
  public var parts: [Part]
  /// The most tokens of an answer.
  public var answerTokens: Int

  /// How the most tokens of an answer are called.
  enum LengthName: String, Sendable {
    case maxTokens = "max_tokens"
    /// As OpenAI's models that think before they answer have it, which refuse the other.
    case maxCompletionTokens = "max_completion_tokens"
  }

  /// As most servers know it; the same question whichever it is.
  var lengthName = LengthName.maxTokens

  /// A question.
  public init(model: String, system: String, parts: [Part], answerTokens: Int) {
    (self.model, self.system, self.parts, self.answerTokens) = (model, system, parts, answerTokens)
  }

  private enum Key: String, CodingKey {
    case model, messages, role, content
    case maxTokens = "max_tokens", maxCompletionTokens = "max_completion_tokens"
  }

  /// As a server takes it.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: Key.self)
    try container.encode(model, forKey: .model)
    try container.encode(
      answerTokens, forKey: lengthName == .maxTokens ? .maxTokens : .maxCompletionTokens)
    var messages = container.nestedUnkeyedContainer(forKey: .messages)
    var first = messages.nestedContainer(keyedBy: Key.self)
    try first.encode("system", forKey: .role)
    try first.encode(system, forKey: .content)
    var second = messages.nestedContainer(keyedBy: Key.self)
    try second.encode("user", forKey: .role)
    try second.encode(parts, forKey: .content)
  }

  /// About how many tokens are sent.
  var tokens: Int { parts.reduce(system.utf8.count / 4 + 1) { $0 + $1.tokens } }
}

/// What a model answered.
public struct ChatAnswer: Sendable, Codable, Equatable {
  /// Its words; empty where it said none.
  public let text: String
  /// The model that says that it answered.
  public let model: String?
  /// Tokens that were read and written, as the server counts them; nil where it does not.
  public let promptTokens, completionTokens: Int?

  /// Reads a server's answer; nil for anything else.
  ///
  /// - Parameter cleaned: takes out of a text what must not be kept.
  init?(_ body: String, cleaned: (String) -> String) {
    guard case .object(let fields)? = try? JSONValue(parsing: body),
      case .array(let choices)? = fields["choices"], case .object(let choice)? = choices.first,
      case .object(let message)? = choice["message"]
    else { return nil }
    // A model that refuses may have no content.
    if case .string(let content)? = message["content"] { text = cleaned(content) } else { text = "" }
    if case .string(let name)? = fields["model"] { model = cleaned(name) } else { model = nil }
    guard case .object(let usage)? = fields["usage"] else {
      (promptTokens, completionTokens) = (nil, nil)
      return
    }
    func count(_ key: String) -> Int? {
      if case .int(let value)? = usage[key], 0...1 << 40 ~= value { value } else { nil }
    }
    (promptTokens, completionTokens) = (count("prompt_tokens"), count("completion_tokens"))
  }
}

/// What an endpoint takes for a million tokens, and the most that may be spent.
public struct ChatPrices: Sendable {
  /// For a million tokens that are sent, and that are answered.
  public var input, output: Double
  /// The most that may be spent; nil for any amount.
  public var most: Double?

  /// Prices, in any currency.
  public init(input: Double, output: Double, most: Double? = nil) {
    (self.input, self.output, self.most) = (input, output, most)
  }

  /// What so many tokens cost.
  func cost(_ sent: Int, _ answered: Int) -> Double {
    (Double(sent) * input + Double(answered) * output) / 1e6
  }

  /// What a request may cost at most: all the tokens that its answer may have.
  func most(of request: ChatRequest) -> Double { cost(request.tokens, request.answerTokens) }

  /// What an answer cost.
  func cost(of answer: ChatAnswer, to request: ChatRequest) -> Double {
    cost(answer.promptTokens ?? request.tokens, answer.completionTokens ?? answer.text.utf8.count / 4)
  }
}
