import Foundation
import SDLensCore
import SDLensTestSupport
import Testing

/// What `sdlens explore` answers is what the other commands say and write.
@Suite struct ExploreAnswerTests {
  private let server: ExploreServer

  init() throws { server = try ExploreServer() }

  @Test(arguments: [
    #""seed": 42"#, #""seed": "18446744073709551615", "steps": 2"#,
    #""guidance": 5, "negative_prompt": "it's a dog", "steps": 2"#, #""width": 64, "height": 96"#,
    #""width": 64, "height": 64, "guidance": 2.5"#,
  ]) func aPictureIsThatOfItsCommand(settings: String) throws {
    let request = #""prompt": "a 'red' house, $HOME — ü", \#(settings)"#
    let plain = try server.answer("generate", "{\(request)}")
    try server.run(#require(plain["command"] as? String), output: "plain.png")
    #expect(try server.png(plain) == server.file("plain.png"))
    let mask = #"[[0, 0.5], [1, 0.25]]"#
    var edits = [
      #"{"block": "up.0.1", "operation": "modulate", "feature": 3, "beta": -6.5}"#,
      #"{"block": "down.2.1", "operation": "ablate"}"#,
      #"{"block": "up.0.1", "operation": "add", "feature": 5, "strength": 2, "mask": "left"}"#,
    ]
    if settings == #""width": 64, "height": 64, "guidance": 2.5"# {
      // The map of a picture of 64 × 64 has 2 × 2 places.
      edits.append(
        #"{"block": "down.2.1", "operation": "add", "feature": 7, "strength": 1.5, "mask": \#(mask), "steps": [0]}"#
      )
    }
    let edited = try server.answer("intervene", "{\(request), \"edits\": [\(edits.joined(separator: ","))]}")
    try server.run(#require(edited["command"] as? String), output: "edited")
    #expect(try server.png(edited) == server.file("edited/after.png"))
    #expect(try server.png(edited) != server.png(plain))
  }

  @Test func namedDictionariesAreInTheCommand() throws {
    let name = try #require(
      try FileManager.default.contentsOfDirectory(atPath: server.workspace.folder("w/saes/up.0.1")).first)
    let named = try ExploreServer(server.workspace, ["--block", "up.0.1", "--sae", name])
    let answer = try named.answer(
      "intervene",
      #"{"prompt": "a", "edits": [{"block": "up.0.1", "operation": "modulate", "feature": 3, "beta": 1}]}"#)
    let command = try #require(answer["command"] as? String)
    #expect(
      command.hasSuffix("--model \(Command.tinyModel) --workspace w --sae w/saes/up.0.1/\(name)"),
      "\(command)")
    try server.run(command, output: "named")
    #expect(try server.png(answer) == server.file("named/after.png"))
  }

  @Test func featuresAreThoseOfTheCommand() throws {
    let answer = try server.answer("features", #"{"prompt": "a red house", "top": 5}"#)
    let outcome = try server.workspace.run(
      "features", ["--prompt", "a red house", "--top", "5", "--json", "--quiet"])
    let wanted = try #require(
      try JSONSerialization.jsonObject(with: Data(outcome.out.utf8)) as? [String: Any])
    let found = try #require(answer["features"] as? [[String: Any]])
    #expect(found.count == 10)
    #expect(found as NSArray == (wanted["features"] as? [[String: Any]] ?? []) as NSArray)
    #expect(answer["dictionaries"] as? NSDictionary == wanted["dictionaries"] as? NSDictionary)
    // The codes tell the same: the strength is the mean of the map.
    let codes = try #require(answer["codes"] as? [[String: Any]])
    let first = try #require(codes.first)
    func numbers<Number>(_ key: String, _ type: Number.Type) throws -> [Number] {
      let text = try #require(first[key] as? String)
      return try #require(Data(base64Encoded: text)).withUnsafeBytes { Array($0.bindMemory(to: type)) }
    }
    let (features, values) = (try numbers("features", Int32.self), try numbers("values", Float.self))
    let counts = try numbers("counts", UInt16.self)
    let (height, width) = (first["height"] as? Int ?? 0, first["width"] as? Int ?? 0)
    let places = height * width
    #expect(counts.count == places && counts.reduce(0) { $0 + Int($1) } == features.count)
    let strongest = try #require(found[0]["feature"] as? Int)
    let sum = zip(features, values).filter { $0.0 == Int32(strongest) }.reduce(0.0) { $0 + Double($1.1) }
    #expect(abs(sum / Double(places) - (found[0]["strength"] as? Double ?? 0)) < 1e-9)
  }

  @Test func severalModelsHaveAPageEach() throws {
    let two = try ExploreServer(server.workspace, ["--also", "shapes"])
    func info(_ path: String) throws -> [String: Any] {
      try #require(try JSONSerialization.jsonObject(with: two.get(path).body) as? [String: Any])
    }
    let (first, second) = (try info("api/info"), try info("2/api/info"))
    func models(_ info: [String: Any]) -> [String] {
      (info["models"] as? [[String: Any]] ?? []).map { "\($0["name"] ?? "") \($0["path"] ?? "here")" }
    }
    #expect(models(first).count == 2 && models(first)[0].hasSuffix(" here"))
    #expect(models(first)[1] == "shapes 2/")
    #expect(models(second)[0].hasSuffix(" ../") && models(second)[1] == "shapes here")
    #expect((second["blocks"] as? [[String: Any]] ?? []).contains { $0["dictionary"] != nil })
    // Each makes what its command makes, in turn, and again after the other was in memory.
    for _ in 0..<2 {
      for page in ["", "2/"] {
        let answer = try two.answer("generate", #"{"prompt": "a red circle"}"#, page: page)
        let command = try #require(answer["command"] as? String)
        #expect(command.contains("--model shapes") == (page == "2/"), "\(command)")
        try two.run(command, output: "several.png")
        #expect(try two.png(answer) == two.file("several.png"))
      }
    }
    #expect(try two.get("2").status == 301 && two.get("2/").status == 200)
    #expect(try two.get("3/").status == 404 && two.get("1/api/info").status == 404)
    let outcome = try server.workspace.run("explore", ["--model", Command.tinyModel, "--also", "nowhere"])
    #expect(outcome.status == 1 && outcome.err.contains("nowhere"), "\(outcome.err)")
  }

  @Test func whatIsKnownOfAFeatureIsShown() throws {
    let known = try server.answer("feature", #"{"block": "down.2.1", "feature": 3}"#)
    let examples = try #require(known["examples"] as? [[String: Any]])
    #expect(!examples.isEmpty && (known["density"] as? Double ?? 0) > 0)
    let strengths = examples.compactMap { $0["strength"] as? Double }
    #expect(strengths == strengths.sorted(by: >))
    let neighbours = try #require(known["neighbours"] as? [[String: Any]])
    #expect(neighbours.count == 8 && !neighbours.contains { $0["feature"] as? Int == 3 })
    let likeness = neighbours.compactMap { $0["likeness"] as? Double }
    #expect(likeness == likeness.sorted(by: >) && likeness[0] <= 1)
    let counterparts = try #require(known["counterparts"] as? [[String: Any]])
    #expect(counterparts.allSatisfy { $0["block"] as? String == "up.0.1" })
  }

  @Test func featuresAreFoundByNumberCaptionAndWords() throws {
    let written = try server.answer(
      "caption", #"{"block": "up.0.1", "feature": 7, "caption": " <b>blue</b> “roofs” "}"#)
    #expect(written["caption"] as? String == "<b>blue</b> “roofs”")
    func found(_ query: String) throws -> [String] {
      let answer = try server.answer("search", #"{"query": "\#(query)"}"#)
      let list = try #require(answer["found"] as? [[String: Any]])
      return list.map { "\($0["block"] ?? "") \($0["feature"] ?? "")" }
    }
    #expect(try found("7").prefix(2) == ["down.2.1 7", "up.0.1 7"])
    #expect(try found("ROOFS blue") == ["up.0.1 7"])
    #expect(try found("roo bl") == ["up.0.1 7"])
    #expect(try found("oofs") == [] && found("nothing like it") == [])
    // It lies beside the dictionary, where every command reads it.
    let outcome = try server.workspace.run(
      "features", ["--prompt", "a", "--block", "up.0.1", "--top", "32", "--json", "--quiet"])
    #expect(outcome.out.contains("<b>blue<") || !outcome.out.contains("\"feature\" : 7,"))
    let again = try ExploreServer(server.workspace)
    #expect(try again.get("api/dictionary/up.0.1").text.contains("roofs"))
    _ = try server.answer("caption", #"{"block": "up.0.1", "feature": 7, "caption": ""}"#)
    #expect(try found("roofs") == [])
  }

  @Test func progressComesAsEvents() throws {
    let reply = try server.call(
      "intervene", #"{"prompt": "a", "steps": 4, "edits": [{"block": "up.0.1", "operation": "ablate"}]}"#,
      headers: ["Accept": "text/event-stream"])
    #expect(reply.status == 200 && reply.headers["content-type"] == "text/event-stream")
    let events = reply.text.components(separatedBy: "\n\n").filter { !$0.isEmpty }
    #expect(events.last?.hasPrefix("event: done\ndata: {") == true)
    #expect(events.dropLast().allSatisfy { $0.hasPrefix("event: progress\ndata: {") })
    let refused = try server.call(
      "intervene", #"{"prompt": "a", "edits": [{"block": "up.0.1", "operation": "fly"}]}"#,
      headers: ["Accept": "text/event-stream"])
    #expect(
      refused.text.hasPrefix(
        "event: error\ndata: {\"error\":\"'the request' has in edit 1 the operation 'fly'"))
  }

  @Test func theNewestRequestOfATabWins() throws {
    // Many at once: of one tab the older ones are given up, other tabs get theirs.
    let answers = Statuses()
    DispatchQueue.concurrentPerform(iterations: 12) { index in
      let tab = index % 3 == 0 ? "mine" : "tab \(index)"
      let reply = try? server.call(
        "generate", #"{"prompt": "a cat", "seed": \#(index), "steps": 10, "tab": "\#(tab)", "lane": "view"}"#)
      answers.add(tab, reply?.status ?? 0)
    }
    #expect(answers.of { $0 != "mine" } == Array(repeating: 200, count: 8))
    let mine = answers.of { $0 == "mine" }
    #expect(mine.contains(200) && mine.allSatisfy { [200, 409].contains($0) })
  }

  private final class Statuses: @unchecked Sendable {
    private let lock = NSLock()
    private var all: [(tab: String, status: Int)] = []
    func add(_ tab: String, _ status: Int) { lock.withLock { all.append((tab, status)) } }
    func of(_ isWanted: (String) -> Bool) -> [Int] { all.filter { isWanted($0.tab) }.map(\.status) }
  }

  @Test func withoutDictionariesThePageSaysWhatToDo() throws {
    let folder = server.workspace.folder
    try FileManager.default.moveItem(atPath: folder("w/saes"), toPath: folder("w/others"))
    let empty = try ExploreServer(server.workspace)
    #expect(try empty.get("api/info").text.contains("Train them with: sdlens train-sae --block"))
    let answer = try empty.answer(
      "intervene", #"{"prompt": "a", "edits": [{"block": "up.0.1", "operation": "ablate"}]}"#)
    try server.run(#require(answer["command"] as? String), output: "ablated")
    #expect(try server.png(answer) == server.file("ablated/after.png"))
  }

  @Test func ctrlCEndsIt() throws {
    // The port is free again at once, and a page of before finds the new server there.
    let port = server.port
    #expect(server.stop(SIGINT) == SIGINT)
    let again = try ExploreServer(server.workspace, port: port)
    #expect(again.port == port && again.token != server.token)
    #expect(try HTTPClient.ask("GET", "/\(server.token)/", port: port).status == 403)
    let taken = try Command.run(
      ["explore", "--port", "\(port)", "--model", Command.tinyModel, "--quiet"], in: server.workspace.folder)
    #expect(taken.status == 1)
    #expect(taken.err.contains("port \(port) cannot be listened on"))
    let wrong = try Command.run(["explore", "--port", "70000"], in: server.workspace.folder)
    #expect(wrong.status == 64 && wrong.err.contains("port is 70000, but it must be from 0"))
  }
}
