import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensSparse
import SDLensStudy
import Synchronization

/// A page on this machine's own address, over a laboratory: what a prompt activates, and pictures with edits.
///
/// Who knows the printed address may ask; nobody else, and no other machine. One thing is computed at a time, in turn
/// for all tabs, and of one tab only the newest request counts.
public final class Explorer: Sendable {
  /// How it is set up.
  public struct Setup: Sendable {
    /// The port; 0 for any, nil for the first free one from 8642 on.
    public var port: Int?
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
      port: Int? = nil, isReadOnly: Bool = false, modelWords: [String] = [], workspaceWords: [String] = [],
      decoderWords: [String] = [], namesDictionaries: Bool = false, hint: String? = nil
    ) {
      (self.port, self.isReadOnly, self.hint) = (port, isReadOnly, hint)
      (self.modelWords, self.workspaceWords) = (modelWords, workspaceWords)
      (self.decoderWords, self.namesDictionaries) = (decoderWords, namesDictionaries)
    }
  }

  let laboratory: Laboratory
  /// The model without the decoder of drafts.
  let exactModel: ModelFolder
  let setup: Setup
  let workspace: Workspace
  let turns = Turns()
  let shelf: Shelf
  let words = Mutex<[(run: RunRequest.Run, maps: WordMaps)]>([])
  let pictureSize: Int
  /// How many blocks the model has.
  let blocks: Int
  private let listener: Listener
  private let access: Access
  private let page: PageFiles

  /// So many runs without edits are remembered: that of the view, of a prompt to compare with, and one more.
  public static let keptRuns = 3

  /// Takes the port; nothing of the model is read yet.
  ///
  /// - Throws: what is wrong with the port, the page or the model's settings.
  public init(_ laboratory: Laboratory, in workspace: Workspace, _ setup: Setup) throws {
    (self.laboratory, self.workspace, self.setup) = (laboratory, workspace, setup)
    exactModel = laboratory.model.withOwnDecoder
    shelf = try Shelf(laboratory, in: workspace)
    pictureSize = try laboratory.model.pictureSize
    blocks = try laboratory.model.blocks.count
    page = try PageFiles()
    listener = try Listener(port: setup.port)
    access = Access(port: listener.port)
  }

  /// The address to open, with the token.
  public var address: String { "http://127.0.0.1:\(listener.port)/\(access.token)/" }

  /// Answers for ever.
  public func serve() -> Never { listener.serve { self.serve($0) } }

  private func serve(_ connection: Connection) {
    do {
      while let request = try connection.request() {
        guard try answer(request, on: connection) else { break }
      }
    } catch let refusal as Refusal {
      try? connection.send(Response(refusal: refusal).bytes(keepsAlive: false))
      connection.finish()
    } catch {
      // The client has gone.
    }
  }

  /// Answers one request.
  ///
  /// - Returns: whether the connection stays open.
  /// - Throws: `Refusal` where nothing was answered, `Connection.Ended`.
  private func answer(_ request: Request, on connection: Connection) throws -> Bool {
    let path = try access.path(of: request)
    if path.first == "api" { return try call(path.dropFirst(), request, on: connection) }
    guard ["GET", "HEAD"].contains(request.method) else { throw Refusal(405, "pages are read with GET") }
    guard path.count == 1, let file = page[path[0]] else {
      if path.isEmpty {
        // Without the slash at its end, the page would look for its parts in the wrong place.
        let moved = Response(
          status: 301, type: "text/plain", body: [], headers: [("Location", "/\(access.token)/")])
        try connection.send(moved.bytes(keepsAlive: request.keepsAlive))
        return request.keepsAlive
      }
      throw Refusal(404, "there is no such page")
    }
    try connection.send(file.bytes(keepsAlive: request.keepsAlive, withBody: request.method == "GET"))
    return request.keepsAlive
  }

  /// Answers a call; a client that accepts `text/event-stream` is told of the progress.
  private func call(_ path: ArraySlice<String>, _ request: Request, on connection: Connection) throws -> Bool
  {
    let call = try Call(path, request)
    let asEvents = request.headers["accept"]?.contains("text/event-stream") == true
    if asEvents {
      try connection.send(Response.head(200, "text/event-stream", length: nil, keepsAlive: false))
    }
    let work = Work(connection, sendsEvents: asEvents)
    let (status, name, body): (Int, String, [UInt8])
    do {
      (status, name, body) = (200, "done", try Answer.bytes(answer(to: call, work)))
    } catch is Superseded {
      (status, name, body) = (409, "superseded", Response.errorBody("a newer request of this tab has come"))
    } catch let refusal as Refusal {
      (status, name, body) = (refusal.status, "error", Response.errorBody(refusal.description))
    } catch let mistake as EditFields.Mistake {
      (status, name, body) = (400, "error", Response.errorBody("the request \(mistake.reason)"))
    } catch let error as any UserError {
      (status, name, body) = (422, "error", Response.errorBody("\(error)"))
    } catch let ended as Connection.Ended {
      throw ended
    } catch {
      (status, name, body) = (500, "error", Response.errorBody("\(error)"))
    }
    guard !asEvents else {
      try work.send(name, body)
      return false
    }
    try connection.send(
      Response(status: status, type: "application/json", body: body).bytes(keepsAlive: request.keepsAlive))
    return request.keepsAlive
  }

  private func answer(to call: Call, _ work: Work) throws -> any Encodable {
    switch call {
    case .info: return try info()
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
