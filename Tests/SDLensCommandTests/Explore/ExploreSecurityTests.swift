import Foundation
import SDLensTestSupport
import Testing

/// Who is answered by `sdlens explore`, and what nobody can make it do; over real connections.
@Suite struct ExploreSecurityTests {
  private let server: ExploreServer

  init() throws { server = try ExploreServer() }

  private func status(
    _ path: String, method: String = "GET", host: String? = nil, _ headers: [String: String] = [:]
  ) throws -> Int {
    try HTTPClient.ask(method, path, port: server.port, host: host, headers: headers).status
  }

  @Test func itListensOnThisMachinesOwnAddressesAlone() throws {
    let port = String(format: "%04X", server.port)
    func addresses(_ file: String) throws -> Set<String> {
      let lines = try String(contentsOfFile: file, encoding: .utf8).split(separator: "\n").dropFirst()
      // Local address and port, remote ones, state; 0A is one that listens.
      return Set(
        lines.map { $0.split(separator: " ") }.filter { $0[3] == "0A" && $0[1].hasSuffix(":\(port)") }
          .map { String($0[1].prefix { $0 != ":" }) })
    }
    #expect(try addresses("/proc/net/tcp") == ["0100007F"])
    if let six = try? addresses("/proc/net/tcp6"),
      FileManager.default.fileExists(atPath: "/proc/net/if_inet6")
    {
      #expect(six == ["00000000000000000000000001000000"])
      let reply = try HTTPClient.ask(
        "GET", "/\(server.token)/", port: server.port, host: "[::1]:\(server.port)", six: true)
      #expect(reply.status == 200)
    }
  }

  @Test func anotherHostIsRefused() throws {
    let path = "/\(server.token)/"
    #expect(try status(path) == 200)
    #expect(try status(path, host: "localhost:\(server.port)") == 200)
    for host in [
      "evil.example:\(server.port)", "127.0.0.1", "127.0.0.1:1", "", "127.0.0.1:\(server.port).evil.example",
    ] {
      #expect(try status(path, host: host) == 403, "\(host)")
    }
    let client = try HTTPClient(port: server.port)
    client.send("GET \(path) HTTP/1.1\r\n\r\n".utf8)
    #expect(try client.reply().status == 403)
  }

  @Test func anotherOriginIsRefused() throws {
    let path = "/\(server.token)/api/info"
    #expect(try status(path, ["Origin": "http://127.0.0.1:\(server.port)"]) == 200)
    for origin in [
      "http://evil.example", "null", "https://127.0.0.1:\(server.port)", "http://127.0.0.1:1",
      "http://localhost",
    ] { #expect(try status(path, ["Origin": origin]) == 403, "\(origin)") }
  }

  @Test func withoutTheTokenNothingIsAnswered() throws {
    let token = server.token
    let other = String(token.reversed()) == token ? "0" + token.dropFirst() : String(token.reversed())
    for path in [
      "/", "/api/info", "/index.html", "/\(other)/", "/\(token.dropLast())/", "/\(token)0/", "//\(token)/",
      "/?token=\(token)", "/\(token.uppercased().replacing("0", with: "O"))/",
    ] {
      let reply = try HTTPClient.ask("GET", path, port: server.port)
      #expect(reply.status == 403, "\(path)")
      #expect(!reply.text.contains(token))
    }
    #expect(server.token != (try ExploreServer(server.workspace)).token)
  }

  @Test func noPathLeadsOutOfThePage() throws {
    let token = server.token
    for path in [
      "../../../etc/passwd", "%2e%2e/%2e%2e/etc/passwd", "..%2f..%2fetc/passwd", "/etc/passwd",
      "....//etc/passwd",
      "style.css/../../secret", "..\\..\\etc", "style.css%00.js", "./style.css", "Page/style.css",
      "api/../style.css",
      "api/dictionary/../../../etc", "api/dictionary/%2e%2e",
    ] {
      let reply = try HTTPClient.ask("GET", "/\(token)/\(path)", port: server.port)
      #expect([400, 404, 422].contains(reply.status), "\(path): \(reply.status)")
      #expect(!reply.text.contains("root:"))
    }
    for target in ["http://127.0.0.1/\(token)/", "*", "\(token)/", "/\(token)/ HTTP/1.1 x"] {
      #expect(try status(target) == 400, "\(target)")
    }
    #expect(try server.get("style.css").headers["content-type"] == "text/css; charset=utf-8")
  }

  @Test func anEditReadsNoFile() throws {
    try server.workspace.folder.write("secret".utf8, to: "map.safetensors")
    let edit =
      #"{"block": "mid.0", "operation": "add-map", "file": "map.safetensors", "fingerprint": "0", "strength": 1}"#
    #expect(
      try server.refusal("intervene", #"{"prompt": "a", "edits": [\#(edit)]}"#)
        == "422 the page adds no maps of files; do it with: sdlens intervene --map")
  }

  @Test func captionsStayInTheWorkspace() throws {
    let folder = server.workspace.folder
    let place = "w/saes/up.0.1"
    let name = try #require(try FileManager.default.contentsOfDirectory(atPath: folder(place)).first)
    // A dictionary that is a link to elsewhere.
    try FileManager.default.moveItem(atPath: folder("\(place)/\(name)"), toPath: folder("elsewhere"))
    try FileManager.default.createSymbolicLink(
      atPath: folder("\(place)/\(name)"), withDestinationPath: folder("elsewhere"))
    let linked = try ExploreServer(server.workspace)
    let written = try linked.answer("caption", #"{"block": "up.0.1", "feature": 1, "caption": "mine"}"#)
    #expect(written["caption"] as? String == "mine")
    let files = try FileManager.default.contentsOfDirectory(atPath: folder("w/captions"))
    #expect(files.count == 1 && files.allSatisfy { $0.hasSuffix(".jsonl") })
    _ = try linked.answer("caption", #"{"block": "up.0.1", "feature": 1, "caption": ""}"#)
    #expect(!FileManager.default.fileExists(atPath: folder("w/captions/\(files[0])")))
    let readOnly = try ExploreServer(server.workspace, ["--read-only"])
    #expect(
      try readOnly.refusal("caption", #"{"block": "down.2.1", "feature": 1, "caption": "mine"}"#)
        == "403 this page is read-only; captions are not written")
    #expect(!FileManager.default.fileExists(atPath: folder("elsewhere/captions.jsonl")))
  }

  @Test func methodsThatDoNotFitAreRefused() throws {
    let token = server.token
    for method in ["PUT", "DELETE", "OPTIONS", "TRACE", "POST", "get", "X"] {
      #expect(try status("/\(token)/", method: method) == 405, "\(method)")
    }
    #expect(try status("/\(token)/api/features") == 405)
    for call in ["words", "mask", "match"] { #expect(try status("/\(token)/api/\(call)") == 405) }
    #expect(try status("/\(token)/api/info", method: "POST") == 405)
    #expect(try status("/\(token)/api/nothing") == 404)
    #expect(try status("/\(token)/", method: "HEAD") == 200)
  }

  @Test func bodiesThatDoNotFitAreRefused() throws {
    let path = "/\(server.token)/api/features"
    func reply(_ fields: String, _ body: some Collection<UInt8> = [UInt8]()) throws -> Int {
      let client = try HTTPClient(port: server.port)
      client.send(
        "POST \(path) HTTP/1.1\r\nHost: 127.0.0.1:\(server.port)\r\nContent-Type: application/json\r\n\(fields)\r\n"
          .utf8)
      client.send(body)
      return try client.reply().status
    }
    // 100 MB, of which nothing need be sent; and all of it sent.
    #expect(try reply("Content-Length: 100000000\r\n") == 413)
    #expect(try reply("Content-Length: 100000000\r\n", [UInt8](repeating: 32, count: 100_000_000)) == 413)
    // One that never ends.
    #expect(try reply("Transfer-Encoding: chunked\r\n", "1\r\n{\r\n".utf8) == 411)
    for length in ["-1", "1e3", "99999999999999999999", "+5", "５", ""] {
      #expect([400, 413].contains(try reply("Content-Length: \(length)\r\n")), "\(length)")
    }
    #expect(try reply("Content-Length: 2\r\nContent-Length: 20\r\n", "{}".utf8) == 400)
    #expect(try reply("X: \(String(repeating: "a", count: 20_000))\r\n") == 431)
    #expect(try reply("no field\r\n") == 400)
    // The server is as it was.
    #expect(try server.get("").status == 200)
  }

  @Test func requestsThatAreNoneAreRefusedWithASentence() throws {
    #expect(
      try server.call("features", "{}", headers: ["Content-Type": "text/plain"]).text
        .contains("'features' takes JSON; send it with Content-Type: application/json"))
    let answers = [
      ("features", "{", "400 the body is not valid JSON: line 1, column 2"),
      ("features", "", "400 the body is not valid JSON"),
      ("features", "[1]", "400 the request has [1] as the body, but an object is needed"),
      ("features", "{}", "400 the request has no 'prompt'; it must be a text"),
      ("features", #"{"prompt": 1}"#, "400 the request has as 'prompt' 1, but it must be a text"),
      ("features", #"{"prompt": "a", "colour": 1}"#, "400 the request has in the body the key 'colour'"),
      ("features", #"{"prompt": "a", "seed": "x"}"#, "400 the request has as 'seed' \"x\""),
      ("features", #"{"prompt": "a", "steps": 0}"#, "422 steps is 0"),
      ("features", #"{"prompt": "a", "steps": 1000}"#, "422 steps is 1000, but the page takes 1 to 100"),
      ("features", #"{"prompt": "a", "width": 13}"#, "422 width is 13"),
      ("features", #"{"prompt": "a", "width": 8000000, "height": 8000000}"#, "422 "),
      ("features", #"{"prompt": "a", "guidance": "big"}"#, "400 the request has as 'guidance' \"big\""),
      ("features", #"{"prompt": "a", "step": 1}"#, "422 step is 1, but the run has the steps 0 to 0"),
      (
        "features", "{\"prompt\": \"\(String(repeating: "a", count: 20_000))\"}",
        "400 the request has as 'prompt'"
      ),
      ("features", String(repeating: "[", count: 100_000), "400 the body is not valid JSON"),
      ("intervene", #"{"prompt": "a"}"#, "400 the request has in the body no 'edits'; it must be a list"),
      (
        "intervene", #"{"prompt": "a", "edits": [{"block": "nowhere", "operation": "ablate"}]}"#,
        "422 'the request'"
      ),
      ("feature", #"{"block": "up.0.1", "feature": 32}"#, "422 there is no feature 32"),
      (
        "feature", #"{"block": "mid.0", "feature": 0}"#, "404 there is no dictionary of mid.0; train one with"
      ),
    ]
    for (name, json, wanted) in answers {
      let found = try server.refusal(name, json)
      #expect(found.hasPrefix(wanted), "\(json.prefix(80)): \(found)")
    }
  }

  @Test func listsWithoutAnEndAreRefused() throws {
    let edit = #"{"block": "up.0.1", "operation": "ablate"}"#
    let many = Array(repeating: edit, count: 65).joined(separator: ",")
    #expect(
      try server.refusal("intervene", #"{"prompt": "a", "edits": [\#(many)]}"#)
        == "422 the request has 65 edits, but at most 64 are taken")
    let features = (0..<10_000).map(String.init).joined(separator: ",")
    let names = (0..<100).map { "\"block \($0)\": \"a\"" }.joined(separator: ",")
    #expect(
      try server.refusal("features", "{\"prompt\": \"a\", \"dictionaries\": {\(names)}}")
        .hasPrefix("400 the request has as 'dictionaries'"))
    let move = #"{"block": "up.0.1", "operation": "move", "right": 1, "down": 0, "features": [\#(features)]}"#
    #expect(
      try server.refusal("intervene", #"{"prompt": "a", "edits": [\#(move)]}"#)
        == "422 an edit names 10000 features, but at most 64 are taken")
  }

  @Test func markupStaysText() throws {
    let prompt = "<script>alert(1)</script>"
    let reply = try server.call("features", #"{"prompt": "\#(prompt)"}"#)
    #expect(reply.headers["content-type"] == "application/json")
    for path in ["", "main.js", "style.css", "api/info"] {
      let headers = try server.get(path).headers
      #expect(headers["x-content-type-options"] == "nosniff")
      #expect(headers["content-security-policy"]?.contains("default-src 'none'; script-src 'self'") == true)
      #expect(headers["referrer-policy"] == "no-referrer" && headers["access-control-allow-origin"] == nil)
    }
  }

  @Test func slowClientsHoldNobodyUp() throws {
    let slow = try (0..<30).map { _ in try HTTPClient(port: server.port) }
    for client in slow { client.send("GET /\(server.token)/ HTTP/1.1\r\nHost".utf8) }
    // One that takes nothing of its answers.
    let deaf = try HTTPClient(port: server.port)
    let request = "GET /\(server.token)/features.js HTTP/1.1\r\nHost: 127.0.0.1:\(server.port)\r\n\r\n"
    deaf.send(Array(repeating: request, count: 100).joined().utf8)
    #expect(try server.get("").status == 200)
    #expect(try server.call("features", #"{"prompt": "a cat"}"#).status == 200)
    // Whoever is too slow is told so.
    #expect(try slow[0].reply().status == 408)
  }

  @Test func connectionsHaveALimit() throws {
    let open = try (0..<80).map { _ in try HTTPClient(port: server.port) }
    var refused = 0
    for client in open.reversed() {
      client.send(
        "GET /\(server.token)/ HTTP/1.1\r\nHost: 127.0.0.1:\(server.port)\r\nConnection: close\r\n\r\n".utf8)
      if (try? client.reply().status) == 503 { refused += 1 }
    }
    #expect(refused >= 10)
    #expect(try server.get("").status == 200)
  }
}
