import SDLensCore
import SDLensStudy

/// A page on this machine's own address, over one model or several.
///
/// Who knows the printed address may ask; nobody else, and no other machine. The first model's page lies behind the
/// token, that of the second under `2/`, and so on.
public final class ExploreServer: Sendable {
  private let explorers: [Explorer]
  private let listener: Listener
  private let access: Access
  private let page: PageFiles

  /// Takes the port; nothing of the models is read yet.
  ///
  /// - Parameters:
  ///   - models: at least one; of several, that which computes is in memory.
  ///   - port: 0 for any, nil for the first free one from 8642 on.
  /// - Throws: what is wrong with the port, the page, a model's settings or a dictionary.
  public init(_ models: [(Laboratory, Explorer.Setup)], in workspace: Workspace, port: Int? = nil) throws {
    let turns = Turns()
    explorers = try models.map { try Explorer($0, in: workspace, $1, turns) }
    page = try PageFiles()
    listener = try Listener(port: port)
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
    var path = try access.path(of: request)[...]
    var folder = "/\(access.token)/"
    var model = 0
    if let first = path.first,
      let found = explorers.indices.dropFirst().first(where: { "\($0 + 1)" == first })
    {
      (model, path) = (found, path.dropFirst())
      folder += first + "/"
    }
    if path.first == "api" { return try call(path.dropFirst(), of: model, request, on: connection) }
    guard ["GET", "HEAD"].contains(request.method) else { throw Refusal(405, "pages are read with GET") }
    guard path.count == 1, let file = page[path.first!] else {
      if path.isEmpty {
        // Without the slash at its end, the page would look for its parts in the wrong place.
        let moved = Response(status: 301, type: "text/plain", body: [], headers: [("Location", folder)])
        try connection.send(moved.bytes(keepsAlive: request.keepsAlive))
        return request.keepsAlive
      }
      throw Refusal(404, "there is no such page")
    }
    try connection.send(file.bytes(keepsAlive: request.keepsAlive, withBody: request.method == "GET"))
    return request.keepsAlive
  }

  /// Answers a call; a client that accepts `text/event-stream` is told of the progress.
  private func call(
    _ path: ArraySlice<String>, of model: Int, _ request: Request, on connection: Connection
  ) throws -> Bool {
    let call = try Call(path, request)
    let asEvents = request.headers["accept"]?.contains("text/event-stream") == true
    if asEvents {
      try connection.send(Response.head(200, "text/event-stream", length: nil, keepsAlive: false))
    }
    let work = Work(connection, sendsEvents: asEvents)
    let (status, name, body): (Int, String, [UInt8])
    do {
      (status, name, body) = (
        200, "done", try Answer.bytes(explorers[model].answer(to: call, work, models: choices(from: model)))
      )
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

  /// All models, by where their pages lie from that of one.
  private func choices(from model: Int) -> [Answer.Info.Choice] {
    explorers.enumerated().map { index, explorer in
      Answer.Info.Choice(
        name: explorer.laboratory.model.title,
        path: index == model ? nil : (model == 0 ? "" : "../") + (index == 0 ? "" : "\(index + 1)/"))
    }
  }
}
