import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensSparse
import SDLensStudy
import Synchronization

/// What a page over a laboratory can ask: what a prompt activates, and pictures with edits.
///
/// One thing is computed at a time, in turn for all tabs, and of one tab only the newest request counts.
public final class Explorer: Sendable {
  /// How it is set up.
  public struct Setup: Sendable {
    /// Whether nothing on the disk may be changed.
    public var isReadOnly: Bool
    /// The words that name the model, and those that name the workspace, in the command lines that the page shows.
    public var modelWords: [String], workspaceWords: [String]
    /// The words that name the decoder of drafts, where there is one.
    public var decoderWords: [String]
    /// Whether these command lines must name the dictionaries, since the usual lookup does not find them.
    public var namesDictionaries: Bool
    /// What is said when there are no dictionaries.
    public var hint: String?

    /// Puts all together.
    public init(
      isReadOnly: Bool = false, modelWords: [String] = [], workspaceWords: [String] = [],
      decoderWords: [String] = [], namesDictionaries: Bool = false, hint: String? = nil
    ) {
      (self.isReadOnly, self.hint) = (isReadOnly, hint)
      (self.modelWords, self.workspaceWords) = (modelWords, workspaceWords)
      (self.decoderWords, self.namesDictionaries) = (decoderWords, namesDictionaries)
    }
  }

  let laboratory: Laboratory
  /// The model without the decoder of drafts.
  let exactModel: ModelFolder
  let setup: Setup
  let workspace: Workspace
  let turns: Turns
  let shelf: Shelf
  let words = Mutex<[(run: RunRequest.Run, maps: WordMaps)]>([])
  let pictureSize: Int
  /// How many blocks the model has.
  let blocks: Int

  /// So many runs without edits are remembered: that of the view, of a prompt to compare with, and one more.
  public static let keptRuns = 3

  /// Nothing of the model is read yet.
  ///
  /// - Parameter turns: those of all models.
  /// - Throws: what is wrong with the model's settings or the dictionaries.
  init(_ laboratory: Laboratory, in workspace: Workspace, _ setup: Setup, _ turns: Turns) throws {
    (self.laboratory, self.workspace, self.setup, self.turns) = (laboratory, workspace, setup, turns)
    exactModel = laboratory.model.withOwnDecoder
    shelf = try Shelf(laboratory, in: workspace)
    pictureSize = try laboratory.model.pictureSize
    blocks = try laboratory.model.blocks.count
  }

  /// Computes when it is its turn; what another model keeps in memory goes first.
  ///
  /// - Throws: as `Turns.take`.
  func compute<Value>(_ tab: String, _ lane: String, _ work: Work, _ body: (Turns.Turn) throws -> Value)
    throws
    -> Value
  {
    try turns.take(tab: tab, lane: lane, isGone: { work.isGone }) { turn in
      turns.enter(self)
      return try body(turn)
    }
  }

  /// Lets go of what is kept in memory.
  func release() {
    laboratory.release()
    words.withLock { $0 = [] }
  }

  /// Answers a call.
  ///
  /// - Parameter models: all that the page can choose from.
  /// - Throws: `Refusal`, `Superseded`, what is wrong with the request, and what is wrong with the model's files.
  func answer(to call: Call, _ work: Work, models: [Answer.Info.Choice]) throws -> any Encodable {
    switch call {
    case .info: return try info(models)
    case .dictionary(let block): return try dictionary(of: block)
    case .knownDictionary(var fields): return try dictionary(&fields)
    case .features(var fields): return try features(&fields, work)
    case .generate(var fields): return try picture(&fields, edited: false, work)
    case .intervene(var fields): return try picture(&fields, edited: true, work)
    case .words(var fields): return try words(&fields, work)
    case .mask(var fields): return try mask(&fields, work)
    case .match(var fields): return try match(&fields, work)
    case .feature(var fields): return try feature(&fields)
    case .search(var fields): return try search(&fields)
    case .caption(var fields): return try setCaption(&fields)
    }
  }
}

/// What can be called.
enum Call {
  case info
  case dictionary(String)
  case features(EditFields), generate(EditFields), intervene(EditFields), feature(EditFields)
  case search(EditFields), caption(EditFields)
  case words(EditFields), mask(EditFields), knownDictionary(EditFields), match(EditFields)

  private static let withFields: [String: @Sendable (EditFields) -> Call] = [
    "features": { .features($0) }, "generate": { .generate($0) }, "intervene": { .intervene($0) },
    "feature": { .feature($0) }, "search": { .search($0) }, "caption": { .caption($0) },
    "words": { .words($0) }, "mask": { .mask($0) }, "dictionary": { .knownDictionary($0) },
    "match": { .match($0) },
  ]

  /// Reads the name and the body.
  ///
  /// - Throws: `Refusal`.
  init(_ path: ArraySlice<String>, _ request: Request) throws {
    let path = Array(path)
    func need(_ method: String) throws {
      guard request.method == method else {
        throw Refusal(405, "'\(path[0])' is called with \(method), not with \(request.method.prefix(20))")
      }
    }
    if path == ["info"] {
      try need("GET")
      self = .info
    } else if path.count == 2, path[0] == "dictionary" {
      try need("GET")
      self = .dictionary(path[1])
    } else if path.count == 1, let make = Self.withFields[path[0]] {
      try need("POST")
      guard request.headers["content-type"]?.lowercased().hasPrefix("application/json") == true else {
        throw Refusal(415, "'\(path[0])' takes JSON; send it with Content-Type: application/json")
      }
      guard let text = String(validating: request.body, as: UTF8.self) else {
        throw Refusal(400, "the body is not UTF-8 text")
      }
      do {
        self = make(try EditFields(JSONValue(parsing: text), "the body"))
      } catch let mistake as EditFields.Mistake {
        throw Refusal(400, "the request \(mistake.reason)")
      } catch {
        throw Refusal(400, "the body is not valid JSON: \(error)")
      }
    } else {
      throw Refusal(
        404,
        "there is no such call; there are: info, dictionary/BLOCK, \(Self.withFields.keys.sorted().joined(separator: ", "))"
      )
    }
  }
}

/// A call that is being answered: who waits for it, and what they are told meanwhile.
final class Work {
  private let connection: Connection
  private let sendsEvents: Bool
  private var told = ProcessInfo.processInfo.systemUptime

  init(_ connection: Connection, sendsEvents: Bool) {
    (self.connection, self.sendsEvents) = (connection, sendsEvents)
  }

  /// Whether nobody waits any more.
  var isGone: Bool { connection.isClosed }

  /// Tells what is being done, ten times a second at most.
  func progress(_ stage: String, _ share: Double) throws {
    let now = ProcessInfo.processInfo.systemUptime
    guard sendsEvents, now - told > 0.1 else { return }
    told = now
    try send("progress", Answer.bytes(Answer.Progress(stage: stage, share: share)))
  }

  /// Sends an event; the data are one line.
  func send(_ event: String, _ data: [UInt8]) throws {
    try connection.send(Array("event: \(event)\ndata: ".utf8) + data + Array("\n\n".utf8))
  }
}

extension Response {
  /// A refusal as JSON.
  init(refusal: Refusal) {
    self.init(
      status: refusal.status, type: "application/json", body: Self.errorBody(refusal.description))
  }

  static func errorBody(_ text: String) -> [UInt8] {
    (try? Answer.bytes(Answer.Failure(error: text))) ?? []
  }
}
