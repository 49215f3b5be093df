import Foundation
import SDLensCore
import SDLensSparse
import Synchronization

/// An address at which a model answers questions with pictures, asked patiently: not oftener than is allowed, again
/// after a while where it has no time or something went wrong on the way, and nothing twice that it has answered.
///
/// The key goes into the head of requests and nowhere else: wherever an answer or an error has it, it is taken out.
public final class ChatEndpoint: Sendable {
  /// How often and how long it is asked.
  public struct Patience: Sendable {
    /// Requests in a minute; nil for any number.
    public var perMinute: Double?
    /// How often a request is sent at most.
    public var tries = 7
    /// Seconds to the second try; then twice as many each time, up to `mostPause`, or what the server asks for.
    public var firstPause = 0.5
    /// The longest time between two tries, in seconds; a server that asks for more is not waited for.
    public var mostPause = 300.0
    /// The longest time for a try, in seconds.
    public var timeLimit = 300.0

    /// As is usual.
    public init() {}
  }

  /// The variable of the environment that has the key.
  public static let keyVariable = "SDLENS_API_KEY"

  /// Where requests go.
  public let url: String
  /// What is asked for.
  public let model: String
  /// What it costs; nil where nobody knows.
  public let prices: ChatPrices?
  private let key: String?
  private let patience: Patience
  private let client: HTTPClient
  private let kept: Mutex<ResultCache<ChatAnswer>>
  private let state = Mutex(State())

  private struct State {
    /// When the next request may go.
    var next = ContinuousClock.now
    var spent = 0.0
    /// What the requests on the way may cost.
    var reserved = 0.0
    var asked = 0
    /// As the server takes it, as far as it is known.
    var lengthName = ChatRequest.LengthName.maxTokens
  }

  /// Makes ready; nobody is asked yet.
  ///
  /// - Parameters:
  ///   - address: of an API, as in `https://api.openai.com/v1`, or of its chat completions.
  ///   - path: the file of the answers that there are; made if it is not there.
  /// - Throws: `BadEndpoint`, `FileError`.
  public init(
    _ address: String, model: String, prices: ChatPrices? = nil, patience: Patience = Patience(),
    keeping path: String,
    environment: [String: String] = ProcessInfo.processInfo.environment
  ) throws {
    (url, key) = try Self.check(address, environment: environment)
    (self.model, self.prices, self.patience) = (model, prices, patience)
    var client = HTTPClient()
    client.timeLimit = .seconds(patience.timeLimit)
    self.client = client
    kept = Mutex(try ResultCache(path))
  }

  /// Checks an address, and the key that would be sent there, before anything is done.
  ///
  /// - Throws: `BadEndpoint`.
  public static func check(_ address: String) throws {
    _ = try check(address, environment: ProcessInfo.processInfo.environment)
  }

  /// The address of chat completions, and the key.
  private static func check(_ address: String, environment: [String: String]) throws -> (
    url: String, key: String?
  ) {
    let key = environment[keyVariable].flatMap { $0.isEmpty ? nil : $0 }
    if let key, !key.utf8.allSatisfy({ 0x21...0x7E ~= $0 }) { throw BadEndpoint.key }
    guard var parts = URLComponents(string: address), let scheme = parts.scheme?.lowercased(),
      ["http", "https"].contains(scheme), let host = parts.host, !host.isEmpty
    else { throw BadEndpoint.noURL(address) }
    let secrets = ["key", "token", "secret", "sig"]
    guard parts.user == nil, parts.password == nil,
      parts.queryItems?.contains(where: { item in secrets.contains { item.name.lowercased().contains($0) } })
        != true
    else { throw BadEndpoint.secret }
    guard key == nil || scheme == "https" || ["localhost", "127.0.0.1", "[::1]", "::1"].contains(host) else {
      throw BadEndpoint.open(host: host)
    }
    if !parts.path.hasSuffix("/chat/completions") {
      parts.path += (parts.path.hasSuffix("/") ? "" : "/") + "chat/completions"
    }
    guard let url = parts.string else { throw BadEndpoint.noURL(address) }
    return (url, key)
  }

  /// The least seconds between two requests; nil where they may come at once.
  var secondsApart: Double? { patience.perMinute.map { 60 / $0 } }

  /// How many requests were sent, and what their answers cost.
  public var account: (asked: Int, spent: Double?) {
    state.withLock { ($0.asked, prices == nil ? nil : $0.spent) }
  }

  /// A number that stands for all that is asked.
  func identity(of request: ChatRequest) throws -> String {
    var fingerprint = Fingerprint()
    fingerprint.add("\(url)\n".utf8)
    fingerprint.add(try JSON.line(request))
    return fingerprint.description
  }

  /// The answer to a question, asked only if it is not there. Several threads may ask at once.
  ///
  /// - Parameter again: the how manieth answer, where the first was of no use.
  /// - Throws: `EndpointProblem`, `CostCap`, `FileError` when the answer cannot be kept.
  package func answer(to request: ChatRequest, again: Int = 0) throws -> ChatAnswer {
    let identity = try identity(of: request) + (again == 0 ? "" : "-\(again)")
    if let answer = kept.withLock({ $0[identity] }) { return answer }
    let most = prices?.most(of: request) ?? 0
    try state.withLock { state in
      if let cap = prices?.most, state.spent + state.reserved + most > cap {
        throw CostCap(cap: cap, spent: state.spent, next: most)
      }
      state.reserved += most
    }
    defer { state.withLock { $0.reserved -= most } }
    let answer = try send(request)
    try kept.withLock { try $0.keep(answer, as: identity) }
    if let prices { state.withLock { $0.spent += prices.cost(of: answer, to: request) } }
    return answer
  }

  /// Sends a request until there is an answer.
  private func send(_ request: ChatRequest) throws -> ChatAnswer {
    var request = request
    request.lengthName = state.withLock { $0.lengthName }
    var body = try JSON.line(request)
    var pause = patience.firstPause
    for attempt in 1... {
      waitForTurn()
      let problem: String
      var wanted: Double?
      do {
        let response = try client.post(body, to: url, headers: headers)
        let text = String(decoding: response.body, as: UTF8.self)
        switch response.status {
        case 200..<300:
          if let answer = ChatAnswer(text, cleaned: redacted) { return answer }
          problem = "what it answered is no chat completion: \(short(text))"
        case 408, 409, 425, 429, 500..<600:
          problem = "it answered \(response.status): \(short(Self.message(in: text)))"
          wanted = Self.pause(response.headers["retry-after"])
        case 400 where request.lengthName == .maxTokens && Self.refusesMaxTokens(text):
          request.lengthName = .maxCompletionTokens
          state.withLock { $0.lengthName = .maxCompletionTokens }
          body = try JSON.line(request)
          continue
        default:
          let target = response.headers["location"].map { "; it sends to '\(redacted($0))'" } ?? ""
          throw EndpointProblem(
            url: url,
            reason: "answered \(response.status): \(short(Self.message(in: text)))\(target)",
            hasKey: key != nil)
        }
      } catch let failure as HTTPClient.Failure {
        problem = redacted(failure.reason)
      }
      let wait = wanted ?? pause
      guard attempt < patience.tries, wait <= patience.mostPause else {
        let asks =
          wanted.map {
            $0 > patience.mostPause ? ", and wants to be asked again in \(Int(min($0, 1e9))) s" : ""
          } ?? ""
        throw EndpointProblem(
          url: url,
          reason: "gave no answer in \(attempt) \(attempt == 1 ? "try" : "tries"): \(problem)\(asks)",
          hasKey: key != nil)
      }
      // Where the server has no time for one, it has none for the others.
      if wanted != nil { state.withLock { $0.next = max($0.next, .now + .seconds(wait)) } }
      Thread.sleep(forTimeInterval: wait)
      pause = min(2 * pause, 60)
    }
    preconditionFailure("the last try returns or throws")
  }

  /// Whether a server says that it does not know `max_tokens`, not that there are too many.
  private static func refusesMaxTokens(_ text: String) -> Bool {
    let words = text.lowercased()
    return words.contains("max_tokens")
      && ["max_completion_tokens", "unsupported", "not supported"].contains(where: words.contains)
  }

  private var headers: [String] {
    ["Content-Type: application/json", "Accept: application/json"]
      + (key.map { ["Authorization: Bearer \($0)"] } ?? [])
  }

  /// Waits until another request may go, and counts it.
  private func waitForTurn() {
    let turn = state.withLock { state in
      let turn = max(state.next, ContinuousClock.now)
      state.next = turn + (patience.perMinute.map { .seconds(60 / $0) } ?? .zero)
      state.asked += 1
      return turn
    }
    let wait = (turn - ContinuousClock.now) / .seconds(1)
    if wait > 0 { Thread.sleep(forTimeInterval: wait) }
  }

  private func redacted(_ text: String) -> String {
    key.map { text.replacingOccurrences(of: $0, with: "…") } ?? text
  }

  /// The seconds of `Retry-After`, which may be a number or a date (RFC 9110, 10.2.3); nil for anything else.
  package static func pause(_ text: String?, now: Date = Date()) -> Double? {
    guard let text else { return nil }
    if let seconds = Double(text) { return seconds.isFinite && seconds >= 0 ? seconds : nil }
    let format = DateFormatter()
    format.locale = Locale(identifier: "en_US_POSIX")
    format.timeZone = TimeZone(secondsFromGMT: 0)
    format.dateFormat = "EEE, dd MMM yyyy HH:mm:ss zzz"
    return format.date(from: text).map { max(0, $0.timeIntervalSince(now)) }
  }

  /// The message of an error as servers write it, else all of it.
  private static func message(in text: String) -> String {
    guard case .object(let fields)? = try? JSONValue(parsing: text) else { return text }
    switch fields["error"] ?? fields["message"] {
    case .string(let message)?: return message
    case .object(let error)?: if case .string(let message)? = error["message"] { return message }
    default: break
    }
    return text
  }

  /// A text of the server in a line, without the key.
  private func short(_ text: String) -> String { FeatureCaption.cleaned(redacted(text)) ?? "nothing" }
}

/// An address that cannot be asked.
public enum BadEndpoint: UserError {
  case noURL(String)
  case secret
  case open(host: String)
  case key

  /// What is wrong with it, and what is needed.
  public var description: String {
    switch self {
    case .noURL(let text):
      "endpoint is '\(text)', but it must be the URL of an API, as in https://api.openai.com/v1 or "
        + "http://localhost:11434/v1"
    case .secret:
      "the URL of the endpoint has a password or a key in it, which would be written into results; put it into the "
        + "environment as \(ChatEndpoint.keyVariable)"
    case .open(let host):
      "the key of \(ChatEndpoint.keyVariable) would go to '\(host)' without encryption; use https, or unset the variable"
    case .key:
      "\(ChatEndpoint.keyVariable) has characters that no key has, such as spaces or breaks of lines; set it anew"
    }
  }
}

/// An endpoint that does not answer.
public struct EndpointProblem: UserError {
  let url: String
  let reason: String
  let hasKey: Bool
  /// What it said, and what to do.
  public var description: String {
    "'\(url)' \(reason). What was answered is kept, and the same command goes on; check --endpoint, --annotator-model"
      + (hasKey ? " and the key in \(ChatEndpoint.keyVariable)" : "")
      + (hasKey ? "" : ", and put a key into \(ChatEndpoint.keyVariable) if one is needed")
  }
}

/// The most that may be spent is reached.
public struct CostCap: UserError {
  let cap: Double
  let spent: Double
  let next: Double
  /// What was spent, what the next request might cost, and what to do.
  public var description: String {
    String(
      format:
        "%.4g were spent, and the next request may cost %.4g, which with those on the way is above --max-cost %.4g; what "
        + "was answered is kept: the same command with a larger --max-cost goes on", spent, next, cap)
  }
}
