import Foundation
import SDLensCore
import SDLensSparse
import SDLensTestSupport
import Testing

/// `sdlens annotate` on the small model, with a server of our own on this machine.
@Suite struct AnnotateTests {
  private let workspace: TrainedWorkspace
  init() throws { workspace = try TrainedWorkspace() }

  private static let key = "sk-31415926535"
  private var folder: TemporaryFolder { workspace.folder }
  private let captions = "w/saes/up.0.1/k4-n32/captions.jsonl"

  private func annotate(_ arguments: [String], key: String? = nil) throws -> Outcome {
    try Command.run(
      ["annotate", "--model", Command.tinyModel, "--workspace", "w", "--block", "up.0.1", "--quiet"]
        + arguments,
      in: folder, environment: key.map { ["SDLENS_API_KEY": $0] } ?? [:])
  }

  private func ask(_ server: LoopbackServer, _ arguments: String..., features: String = "random:4") throws
    -> Outcome
  {
    try annotate(
      ["--endpoint", server.url, "--annotator-model", "m", "--features", features] + arguments, key: Self.key)
  }

  private func written() throws -> FeatureCaptions {
    try FeatureCaptions(contentsOf: folder(captions), features: 32)
  }

  private struct Found: Decodable {
    struct Block: Decodable {
      let block: String
      let features, captioned: Int
      let silent: [Int]
    }
    let source: String
    let blocks: [Block]
    let requests: Int?
    let cost: Double?
  }

  private func found(_ outcome: Outcome) throws -> Found {
    #expect(outcome.status == 0, "\(outcome.err)")
    return try JSON.decode(Found.self, from: Data(outcome.out.utf8), keys: .convertFromSnakeCase)
  }

  /// No file that a command left has the key.
  private func expectNoKey(_ outcomes: Outcome...) throws {
    for outcome in outcomes { #expect(!outcome.out.contains(Self.key) && !outcome.err.contains(Self.key)) }
    let paths = FileManager.default.enumerator(atPath: folder.path)?.compactMap { $0 as? String } ?? []
    #expect(paths.count > 10)
    for path in paths {
      let data = FileManager.default.contents(atPath: folder(path)) ?? Data()
      #expect(data.range(of: Data(Self.key.utf8)) == nil, "\(path)")
    }
  }

  /// A server that does everything that servers do wrong gets its answers through in the end.
  @Test func anEndpointThatMisbehavesIsAskedUntilItAnswers() throws {
    let good = LoopbackServer.completion(
      "<thinking>hm</thinking><answer>a <b>red</b> & \"round\" thing</answer>", usage: (100, 10))
    let server = try LoopbackServer { _, number in
      switch number {
      case 0: .answer(429, "{\"error\": {\"message\": \"wait, \(Self.key)\"}}", ["Retry-After": "0"])
      case 1: .answer(500, "", ["Retry-After": "0"])
      case 2: .drop
      case 3: .answer(200, "{\"choices\": [{")
      case 4: .cut(good)
      case 5: .answer(200, LoopbackServer.completion("no tags, but \(Self.key)"))
      case 6:
        {
          Thread.sleep(forTimeInterval: 0.5)
          return .answer(200, good)
        }()
      default: .answer(200, good)
      }
    }
    let first = try ask(server, "--concurrency", "1", "--price-in", "1", "--price-out", "2", "--json")
    let result = try found(first)
    #expect(
      result.source == "endpoint" && result.blocks.map(\.captioned) == [4] && result.blocks[0].silent == [])
    #expect(result.requests == 10 && server.requests.count == 10 && (result.cost ?? 0) > 0)
    let own = try written().all
    #expect(
      own.count == 4 && own.allSatisfy { $0.caption == "a <b>red</b> & \"round\" thing" && $0.model == "m" })
    #expect(own.allSatisfy { $0.source == "endpoint" && $0.date?.count == 10 })
    // The same again asks nobody.
    let second = try ask(server, "--json")
    #expect(try found(second).requests == 0 && server.requests.count == 10)
    try expectNoKey(first, second)
  }

  /// Killed in the middle and begun again, nothing is asked twice that was answered.
  @Test func aKilledAnnotationGoesOn() throws {
    let server = try LoopbackServer { _, number in
      number == 3 ? .silence : .answer(200, LoopbackServer.completion("<answer>thing \(number)</answer>"))
    }
    let arguments = [
      "annotate", "--model", Command.tinyModel, "--workspace", "w", "--block", "up.0.1", "--quiet",
      "--endpoint",
      server.url, "--annotator-model", "m", "--features", "random:6", "--concurrency", "1",
    ]
    let process = Process()
    process.executableURL = URL(fileURLWithPath: Command.program)
    process.arguments = arguments
    process.currentDirectoryURL = URL(fileURLWithPath: folder.path)
    process.environment = ["PATH": "/usr/bin:/bin", "HOME": folder.path, "SDLENS_API_KEY": Self.key]
    process.standardError = FileHandle.nullDevice
    try process.run()
    while server.requests.count < 4 { Thread.sleep(forTimeInterval: 0.02) }
    kill(process.processIdentifier, SIGKILL)
    process.waitUntilExit()
    #expect(server.requests.count == 4 && !FileManager.default.fileExists(atPath: folder(captions)))
    let outcome = try Command.run(arguments, in: folder, environment: ["SDLENS_API_KEY": Self.key])
    #expect(outcome.status == 0, "\(outcome.err)")
    // The fourth was never answered: it is asked again, the first three are not.
    let bodies = server.requests.map(\.body)
    #expect(bodies.count == 7 && bodies[4] == bodies[3] && Set(bodies).count == 6)
    #expect(try written().all.count == 6)
    try expectNoKey(outcome)
  }

  @Test func whatCannotBeAskedEndsWithASentence() throws {
    let refusing = try LoopbackServer { request, number in
      number < 2
        ? .answer(200, LoopbackServer.completion("<answer>a</answer>"))
        : .answer(403, "{\"error\": {\"message\": \"no \(request.headers["authorization"] ?? "")\"}}")
    }
    let outcome = try ask(refusing, "--concurrency", "1")
    #expect(outcome.status == 1)
    #expect(
      outcome.err
        == "Error: '\(refusing.url)/chat/completions' answered 403: no Bearer …. What was answered is kept, "
        + "and the same command goes on; check --endpoint, --annotator-model and the key in SDLENS_API_KEY\n")
    // What was said until then is not lost.
    #expect(try written().all.count == 2)
    let mute = try LoopbackServer { _, _ in .answer(200, LoopbackServer.completion("I cannot say.")) }
    let silent = try found(ask(mute, "--json"))
    #expect(silent.blocks[0].captioned == 0 && silent.blocks[0].silent.count == 4 && silent.requests == 8)
    let dear = try LoopbackServer { _, _ in .answer(200, LoopbackServer.completion("<answer>a</answer>")) }
    let capped = try ask(dear, "--price-in", "1", "--price-out", "1", "--max-cost", "0.0001")
    #expect(capped.status == 1 && capped.err.contains("above --max-cost 0.0001") && dear.requests.isEmpty)
    try expectNoKey(outcome, capped)
  }

  @Test func aDryRunWritesWhatWouldBeSent() throws {
    let server = try LoopbackServer { _, _ in .drop }
    let outcome = try ask(server, "--dry-run", "--price-in", "2", "--price-out", "8")
    #expect(outcome.status == 0 && server.requests.isEmpty, "\(outcome.err)")
    let lines = outcome.out.split(separator: "\n").map(String.init)
    #expect(lines[1].hasPrefix("4 requests of ") && lines[1].contains("cost: 0.0"))
    let names = try FileManager.default.contentsOfDirectory(atPath: folder(lines[0])).sorted()
    #expect(names.count == 4 && names.allSatisfy { $0.hasPrefix("up.0.1-") && $0.hasSuffix(".json") })
    let body = try JSONValue(contentsOf: folder("\(lines[0])/\(names[0])"))
    guard case .object(let fields) = body else { throw CancellationError() }
    #expect(fields["model"] == "m" && fields["max_tokens"] == 1500)
    #expect(!FileManager.default.fileExists(atPath: folder(captions)))
    try expectNoKey(outcome)
  }

  @Test func sheetsGoToPeopleAndComeBack() throws {
    let outcome = try annotate(["--export", "sheets", "--features", "random:3"])
    #expect(outcome.status == 0 && outcome.out == "sheets/captions.jsonl\n", "\(outcome.err)")
    let path = folder("sheets/captions.jsonl")
    var lines = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").map(String.init)
    #expect(lines.count == 3 && lines[0].contains("\"block\":\"up.0.1\",\"caption\":\"\""))
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder("sheets")).count == 5)
    let nothing = try annotate(["--import", "sheets/captions.jsonl"])
    #expect(nothing.status == 1 && nothing.err.contains("has no label with words in it"))
    lines[1] = lines[1].replacingOccurrences(
      of: "\"caption\":\"\"", with: "\"caption\":\"<script>alert(1)</script>\"")
    try folder.write(lines.joined(separator: "\n").utf8, to: "sheets/captions.jsonl")
    // Exporting again keeps what was written.
    _ = try annotate(["--export", "sheets", "--features", "random:3"])
    #expect(try String(contentsOfFile: path, encoding: .utf8).contains("<script>"))
    let back = try found(try annotate(["--import", "sheets/captions.jsonl", "--source", "Ada", "--json"]))
    #expect(back.source == "Ada" && back.blocks[0].captioned == 1)
    let caption = try #require(try written().all.first)
    #expect(caption.source == "Ada" && caption.caption == "<script>alert(1)</script>")
    // Markup in a caption is text in figures and pages.
    let options = ["--model", Command.tinyModel, "--workspace", "w", "--block", "up.0.1", "--quiet"]
    let figure = try Command.run(
      ["visualize", "annotation", "\(caption.feature)", "--examples", "1", "--output", "a.svg"] + options,
      in: folder)
    #expect(figure.status == 0, "\(figure.err)")
    #expect(try !String(contentsOfFile: folder("a.svg"), encoding: .utf8).contains("<script"))
    let gallery = try Command.run(
      ["visualize", "gallery", "--features", "\(caption.feature)", "--output", "g"] + options, in: folder)
    #expect(gallery.status == 0, "\(gallery.err)")
    #expect(try !String(contentsOfFile: folder("g/index.html"), encoding: .utf8).contains("<script>alert"))
    try folder.write("what is this\n".utf8, to: "sheets/captions.jsonl")
    let damaged = try annotate(["--export", "sheets", "--features", "random:3"])
    #expect(damaged.status == 1 && damaged.err.contains("line 1 is none that an export writes"))
  }

  @Test func whatDoesNotGoTogetherIsRefused() throws {
    try folder.write("\n".utf8, to: "empty.txt")
    try folder.write("[{\"id\": 99, \"label\": \"a\"}]".utf8, to: "labels.json")
    let cases: [(arguments: [String], status: Int32, message: String)] = [
      (
        [], 1,
        "'\(Command.tinyModel)' brings no CLIP that could name features; name one with --clip and phrases with "
          + "--vocabulary, ask a language model with --endpoint, or people with --export"
      ),
      (["--vocabulary", "empty.txt"], 1, "'empty.txt' holds no phrase; write one in each line"),
      (["--vocabulary", "none.txt"], 1, "'none.txt' does not exist; check the path"),
      (
        ["--import", "labels.json"], 1,
        "'labels.json' entry 1 is of feature 99, but the dictionary of up.0.1 has the features 0 to 31: the labels are "
          + "of another dictionary; name theirs with --sae"
      ),
      (
        ["--endpoint", "x", "--annotator-model", "m"], 1,
        "endpoint is 'x', but it must be the URL of an API, as in https://api.openai.com/v1 or "
          + "http://localhost:11434/v1"
      ),
      (
        ["--endpoint", "http://localhost:1/v1"], 64,
        "an endpoint has several models; name one with --annotator-model"
      ),
      (
        ["--annotator-model", "m"], 64, "--annotator-model says how an endpoint is asked; give --endpoint too"
      ),
      (["--dry-run"], 64, "--dry-run says how an endpoint is asked; give --endpoint too"),
      (
        ["--endpoint", "http://localhost:1/v1", "--annotator-model", "m", "--max-cost", "1"], 64,
        "--max-cost needs to know what tokens cost; give --price-in and --price-out"
      ),
      (
        ["--endpoint", "http://localhost:1/v1", "--annotator-model", "m", "--price-in", "1"], 64,
        "a cost needs both prices; give --price-in and --price-out"
      ),
      (
        ["--endpoint", "http://localhost:1/v1", "--annotator-model", "m", "--rate", "-1"], 64,
        "rate is -1.0, but it must be from 0.001 to 1000000"
      ),
      (["--concurrency", "0"], 64, "concurrency is 0, but it must be from 1 to 64"),
      (
        ["--export", "a", "--import", "b"], 64,
        "--export and --import are two ways to say what features mean; give one"
      ),
      (["--source", "a"], 64, "--source names the labels of --import; give --import too"),
      (
        ["--vocabulary", "empty.txt", "--export", "a"], 64,
        "--vocabulary has phrases that CLIP chooses from; leave it out with --export"
      ),
      (["--judge", "endpoint"], 64, "--judge endpoint asks the model of --endpoint; give --endpoint too"),
    ]
    for (arguments, status, message) in cases {
      let outcome = try annotate(arguments)
      #expect(outcome.status == status, "\(arguments)")
      #expect(outcome.err.hasPrefix("Error: \(message)\n"), "\(outcome.err)")
    }
    #expect(!FileManager.default.fileExists(atPath: folder(captions)))
  }
}
