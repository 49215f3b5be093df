import Foundation
import SDLensCore
import SDLensStudy
import SDLensTestSupport
import Testing

/// `ChatEndpoint` against a server that behaves and misbehaves, over HTTP.
@Suite struct ChatEndpointTests {
  private let folder: TemporaryFolder
  init() throws { folder = try TemporaryFolder() }

  private static let key = "sk-test/31415926535"
  private static let good = LoopbackServer.completion("<answer>red</answer>", usage: (1000, 100))

  private func endpoint(
    _ server: LoopbackServer, prices: ChatPrices? = nil, key: String? = key, tries: Int = 4,
    limit: Double = 20
  ) throws -> ChatEndpoint {
    var patience = ChatEndpoint.Patience()
    (patience.tries, patience.firstPause, patience.timeLimit) = (tries, 0.01, limit)
    return try ChatEndpoint(
      server.url, model: "m", prices: prices, patience: patience, keeping: folder("answers.jsonl"),
      environment: key.map { [ChatEndpoint.keyVariable: $0] } ?? [:])
  }

  private func request(_ text: String = "what?") -> ChatRequest {
    ChatRequest(model: "m", system: "s", parts: [.text(text)], answerTokens: 100)
  }

  @Test func aQuestionWithAPictureIsAsked() throws {
    let server = try LoopbackServer { _, _ in .answer(200, Self.good) }
    let picture = Picture(width: 2, height: 1, samples: [255, 0, 0, 0, 0, 255])
    var asked = request()
    asked.parts.append(.picture(picture))
    let answer = try endpoint(server).answer(to: asked)
    #expect(answer.text == "<answer>red</answer>" && answer.model == "test-1")
    #expect(answer.promptTokens == 1000 && answer.completionTokens == 100)
    let seen = try #require(server.requests.first)
    #expect(seen.line == "POST /v1/chat/completions HTTP/1.1")
    #expect(seen.headers["authorization"] == "Bearer \(Self.key)")
    #expect(seen.headers["content-type"] == "application/json")
    let body = try #require(try JSONSerialization.jsonObject(with: seen.body) as? [String: Any])
    #expect(body["model"] as? String == "m" && body["max_tokens"] as? Int == 100)
    let messages = try #require(body["messages"] as? [[String: Any]])
    #expect(messages[0]["role"] as? String == "system" && messages[0]["content"] as? String == "s")
    let parts = try #require(messages[1]["content"] as? [[String: Any]])
    #expect(parts[0]["type"] as? String == "text" && parts[0]["text"] as? String == "what?")
    #expect(parts[1]["type"] as? String == "image_url")
    let url = try #require((parts[1]["image_url"] as? [String: Any])?["url"] as? String)
    let bytes = try #require(Data(base64Encoded: String(url.dropFirst("data:image/png;base64,".count))))
    #expect(try PNG.read(folder.write(bytes, to: "p.png")) == picture)
  }

  /// Every way to go wrong on the way is tried again, and ends in the answer.
  @Test(arguments: [
    LoopbackServer.Reply.answer(429, "{\"error\": {\"message\": \"slowly\"}}", ["Retry-After": "0"]),
    .answer(500, "oh"), .answer(503, "", ["Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"]), .drop, .cut(good),
    .answer(200, "{\"choices\": ["), .answer(200, "[]"), .answer(200, "{\"choices\": []}"),
  ]) func whatGoesWrongIsTriedAgain(reply: LoopbackServer.Reply) throws {
    let server = try LoopbackServer { _, number in number < 2 ? reply : .answer(200, Self.good) }
    #expect(try endpoint(server).answer(to: request()).text == "<answer>red</answer>")
    #expect(server.requests.count == 3)
  }

  @Test func aBodyThatNeverEndsAndASilentServerAreGivenUp() throws {
    let endless = try LoopbackServer { _, _ in .endless }
    #expect(
      errorMessage { try endpoint(endless, tries: 1).answer(to: request()) }.contains(
        "gave no answer in 1 try: the answer is longer than 16777216 bytes"))
    let silent = try LoopbackServer { _, _ in .silence }
    #expect(
      errorMessage { try endpoint(silent, tries: 2, limit: 0.2).answer(to: request()) }.contains(
        "gave no answer in 2 tries: Timeout was reached"))
    #expect(silent.requests.count == 2)
  }

  @Test func whatNoTryWouldMendIsNotTriedAgain() throws {
    let server = try LoopbackServer { _, _ in .answer(401, "{\"error\": {\"message\": \"no such key\"}}") }
    #expect(
      errorMessage { try endpoint(server).answer(to: request()) }
        == "'\(server.url)/chat/completions' answered 401: no such key. What was answered is kept, and the same command "
        + "goes on; check --endpoint, --annotator-model and the key in SDLENS_API_KEY")
    #expect(server.requests.count == 1)
    // A redirection would take the key along.
    let other = try LoopbackServer { _, _ in .answer(200, Self.good) }
    let sending = try LoopbackServer { [url = other.url] _, _ in .answer(302, "", ["Location": url]) }
    #expect(
      errorMessage { try endpoint(sending).answer(to: request()) }.contains(
        "answered 302: nothing; it sends to '\(other.url)'"))
    #expect(other.requests.isEmpty)
    // Nobody waits for an hour.
    let busy = try LoopbackServer { _, _ in .answer(429, "later", ["Retry-After": "3600"]) }
    #expect(
      errorMessage { try endpoint(busy).answer(to: request()) }.contains(
        "gave no answer in 1 try: it answered 429: later, and wants to be asked again in 3600 s"))
  }

  /// What refuses `max_tokens` is asked with its newer name, at once and from then on; the question is the same one.
  @Test(arguments: [
    "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
    "Unsupported value: max_tokens",
  ]) func theNewerNameOfTheLengthIsFound(reason: String) throws {
    @Sendable func takes(_ seen: LoopbackServer.Request, _ name: String) -> Bool {
      String(decoding: seen.body, as: UTF8.self).contains("\"\(name)\":100")
    }
    let server = try LoopbackServer { seen, _ in
      takes(seen, "max_tokens")
        ? .answer(400, "{\"error\": {\"message\": \"\(reason)\", \"param\": \"max_tokens\"}}")
        : .answer(200, Self.good)
    }
    let first = try endpoint(server, tries: 1)
    _ = try first.answer(to: request("a"))
    _ = try first.answer(to: request("b"))
    #expect(server.requests.map { takes($0, "max_completion_tokens") } == [false, true, true])
    #expect(server.requests.map { takes($0, "max_tokens") } == [true, false, false])
    #expect(try endpoint(server).answer(to: request("a")).text == "<answer>red</answer>")
    #expect(server.requests.count == 3)
  }

  @Test func aLengthThatIsTooLargeIsNotAskedForByAnotherName() throws {
    let reason = "max_tokens is too large: 100. This model supports at most 50 completion tokens."
    let server = try LoopbackServer { _, _ in .answer(400, "{\"error\": {\"message\": \"\(reason)\"}}") }
    #expect(errorMessage { try endpoint(server).answer(to: request()) }.contains("answered 400: \(reason)"))
    #expect(server.requests.count == 1)
  }

  @Test func aServerThatIsDownIsNamed() throws {
    var server: LoopbackServer? = try LoopbackServer { _, _ in .drop }
    let endpoint = try endpoint(try #require(server), key: nil, tries: 2)
    let url = endpoint.url
    server = nil
    #expect(
      errorMessage { try endpoint.answer(to: request()) }
        == "'\(url)' gave no answer in 2 tries: Couldn't connect to server. What was answered is kept, and the same "
        + "command goes on; check --endpoint, --annotator-model, and put a key into SDLENS_API_KEY if one is needed"
    )
  }

  /// Neither answers nor errors of a server that says the key back have it, however it is written.
  @Test func theKeyIsTakenOutOfWhatServersSay() throws {
    let escaped = Self.key.replacingOccurrences(of: "/", with: "\\/")
    let server = try LoopbackServer { _, number in
      number == 0
        ? .answer(200, "{\"choices\": [{\"message\": {\"content\": \"your key is \(escaped)\"}}]}")
        : .answer(400, "{\"error\": {\"message\": \"bad key \(escaped)\"}}")
    }
    let endpoint = try endpoint(server)
    #expect(try endpoint.answer(to: request()).text == "your key is …")
    let message = errorMessage { try endpoint.answer(to: request("other")) }
    #expect(message.contains("bad key …") && !message.contains(Self.key))
    #expect(try !String(contentsOfFile: folder("answers.jsonl"), encoding: .utf8).contains("31415926535"))
  }

  @Test func answersAreKeptAndNotAskedForAgain() throws {
    let server = try LoopbackServer { _, number in .answer(200, LoopbackServer.completion("\(number)")) }
    let first = try endpoint(server)
    #expect(try first.answer(to: request("a")).text == "0")
    #expect(try first.answer(to: request("a")).text == "0")
    #expect(try first.answer(to: request("b")).text == "1")
    // Another answer to the same question is another one.
    #expect(try first.answer(to: request("a"), again: 1).text == "2")
    let second = try endpoint(server)
    #expect(try second.answer(to: request("b")).text == "1")
    #expect(try second.answer(to: request("a"), again: 1).text == "2")
    #expect(server.requests.count == 3 && second.account.asked == 0)
  }

  @Test func nothingIsSentThatMightCostTooMuch() throws {
    let server = try LoopbackServer { _, _ in .answer(200, Self.good) }
    // 1000 tokens at 1 and 100 at 2 a million.
    let prices = ChatPrices(input: 1, output: 2, most: 0.0013)
    let endpoint = try endpoint(server, prices: prices)
    #expect(abs(try #require(endpoint.account.spent)) == 0)
    _ = try endpoint.answer(to: request("a"))
    #expect(abs(try #require(endpoint.account.spent) - 0.0012) < 1e-12)
    // Two short texts are 2 tokens, an answer 100 at most.
    #expect(
      errorMessage { try endpoint.answer(to: request("b")) }.hasPrefix(
        "0.0012 were spent, and the next request may cost 0.000202, which with those on the way is above --max-cost "
          + "0.0013"))
    #expect(server.requests.count == 1)
  }

  @Test func requestsKeepTheirDistance() throws {
    let server = try LoopbackServer { _, _ in .answer(200, Self.good) }
    var patience = ChatEndpoint.Patience()
    patience.perMinute = 600
    let endpoint = try ChatEndpoint(
      server.url, model: "m", patience: patience, keeping: folder("answers.jsonl"), environment: [:])
    let begin = ContinuousClock.now
    for text in ["a", "b", "c", "d"] { _ = try endpoint.answer(to: request(text)) }
    // Three times a tenth of a second: a lower bound, which no slow machine breaks.
    #expect(ContinuousClock.now - begin >= .milliseconds(300))
    #expect(server.requests.allSatisfy { $0.headers["authorization"] == nil })
  }

  @Test func addressesThatCannotBeAskedAreRefused() throws {
    func message(_ address: String, key: String? = nil) -> String {
      errorMessage {
        try ChatEndpoint(
          address, model: "m", keeping: folder("answers.jsonl"),
          environment: key.map { [ChatEndpoint.keyVariable: $0] } ?? [:])
      }
    }
    for address in ["", "api.openai.com", "ftp://x.org/v1", "file:///etc/passwd", "http://", "https://"] {
      #expect(
        message(address)
          == "endpoint is '\(address)', but it must be the URL of an API, as in https://api.openai.com/v1 or "
          + "http://localhost:11434/v1")
    }
    for address in ["https://me:secret@x.org/v1", "https://x.org/v1?api_key=31415", "https://x.org/?TOKEN=1"]
    {
      #expect(
        message(address)
          == "the URL of the endpoint has a password or a key in it, which would be written into results; put it into "
          + "the environment as SDLENS_API_KEY")
    }
    #expect(
      message("http://x.org/v1", key: "k")
        == "the key of SDLENS_API_KEY would go to 'x.org' without encryption; use https, or unset the variable"
    )
    #expect(
      message("https://x.org/v1", key: "k\nHost: y.org")
        == "SDLENS_API_KEY has characters that no key has, such as spaces or breaks of lines; set it anew")
    #expect(message("http://x.org/v1").isEmpty && message("https://x.org/v1?api-version=2", key: "k").isEmpty)
    let plain = try ChatEndpoint(
      "http://localhost:1/v1/chat/completions", model: "m", keeping: folder("answers.jsonl"), environment: [:]
    )
    #expect(plain.url == "http://localhost:1/v1/chat/completions")
  }

  @Test func pausesAreReadAsNumbersAndDates() throws {
    let now = Date(timeIntervalSince1970: 1_445_412_470)
    #expect(ChatEndpoint.pause("12") == 12 && ChatEndpoint.pause("0.5") == 0.5)
    #expect(ChatEndpoint.pause("Wed, 21 Oct 2015 07:28:00 GMT", now: now) == 10)
    #expect(ChatEndpoint.pause("Wed, 21 Oct 2015 07:27:00 GMT", now: now) == 0)
    for text in ["soon", "-1", "nan", "inf", ""] { #expect(ChatEndpoint.pause(text) == nil) }
    #expect(ChatEndpoint.pause(nil) == nil)
  }
}
