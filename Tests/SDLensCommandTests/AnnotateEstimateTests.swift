import Foundation
import SDLensCore
import SDLensTestSupport
import Testing

/// `annotate --estimate`: what it will take, with nobody asked and nothing left behind.
@Suite struct AnnotateEstimateTests {
  private let workspace: TrainedWorkspace
  init() throws { workspace = try TrainedWorkspace() }

  private var folder: TemporaryFolder { workspace.folder }

  private struct Asked: Decodable, Equatable {
    let requests, bytes, promptTokens, answerTokens: Int
    let cost: Double?
  }

  private struct Found: Decodable {
    struct Work: Decodable {
      let name: String
      let pieces, measured: Int
      let seconds: Double
    }
    let works: [Work]
    let seconds: Double
    let disk, diskFree, memory: Int
    let asked: Asked?

    var pieces: [String: Int] { Dictionary(uniqueKeysWithValues: works.map { ($0.name, $0.pieces) }) }
  }

  private struct DryRun: Decodable {
    let estimate: Asked
  }

  private func annotate(_ arguments: [String]) throws -> Outcome {
    try workspace.run("annotate", ["--block", "up.0.1", "--quiet"] + arguments)
  }

  private func estimate(_ arguments: [String]) throws -> Found {
    let before = try FileManager.default.subpathsOfDirectory(atPath: folder.path).sorted()
    let outcome = try annotate(["--estimate", "--json"] + arguments)
    #expect(outcome.status == 0 && outcome.err == "", "\(outcome.err)")
    #expect(try FileManager.default.subpathsOfDirectory(atPath: folder.path).sorted() == before)
    let found = try JSON.decode(Found.self, from: Data(outcome.out.utf8), keys: .convertFromSnakeCase)
    #expect(found.works.allSatisfy { $0.measured > 0 && $0.seconds > 0 } && found.diskFree > 0)
    #expect(abs(found.works.reduce(0) { $0 + $1.seconds } - found.seconds) < 1e-6)
    return found
  }

  @Test func whatAnEndpointCostsIsSaidBefore() throws {
    let server = try LoopbackServer { _, _ in .drop }
    let asking = [
      "--endpoint", server.url, "--annotator-model", "m", "--features", "random:4", "--price-in", "2",
      "--price-out", "8",
    ]
    let first = try estimate(asking)
    let asked = try #require(first.asked)
    #expect(asked.requests == 4 && first.pieces["draw requests"] == 4)
    // Of 24 recorded pictures all are looked at.
    let pictures = try #require(first.pieces["make pictures"])
    #expect(12...24 ~= pictures && (first.pieces["maps of up.0.1"] ?? 0) <= pictures)
    // What is written says the same.
    let dry = try annotate(asking + ["--dry-run", "--json"])
    let written = try JSON.decode(DryRun.self, from: Data(dry.out.utf8), keys: .convertFromSnakeCase).estimate
    func expectNear(_ found: Double?, _ wanted: Double?, within share: Double) throws {
      #expect(try abs(#require(found) / #require(wanted) - 1) < share)
    }
    #expect(asked.requests == written.requests && asked.answerTokens == written.answerTokens)
    // But for the digits of percentages, and the pictures in them.
    try expectNear(Double(asked.promptTokens), Double(written.promptTokens), within: 0.01)
    try expectNear(asked.cost, written.cost, within: 0.01)
    try expectNear(Double(asked.bytes), Double(written.bytes), within: 0.5)
    // The pictures are there now.
    let second = try estimate(asking + ["--rate", "120"])
    #expect(second.pieces["make pictures"] == nil && second.asked?.requests == 4)
    let slow = try #require(second.works.first { $0.name == "ask, at least" })
    #expect(slow.pieces == 4 && slow.seconds == 2)
    // A judge is asked too: about a caption and another, which pictures it fits and which marked areas.
    let judged = try #require(try estimate(asking + ["--judge", "endpoint"]).asked)
    #expect(9...20 ~= judged.requests && (judged.cost ?? 0) > (asked.cost ?? 0))
    let text = try annotate(asking + ["--estimate"]).out
    #expect(
      text.contains("draw requests") && text.contains("how long answers take is not counted"), "\(text)")
    #expect(server.requests.isEmpty)
  }

  @Test func whatIsLeftOfSheetsIsJudged() throws {
    let options = ["--export", "sheets", "--features", "random:3"]
    // Each has nine columns.
    #expect(try estimate(options).pieces == ["draw sheets": 27])
    #expect(try annotate(options).status == 0)
    let after = try estimate(options)
    #expect(after.works.isEmpty && after.disk == 0 && after.asked == nil)
  }

  @Test func labelsOfOthersTakeNothingWithoutAJudge() throws {
    try folder.write("[{\"id\": 1, \"label\": \"a\"}, {\"id\": 2, \"label\": \"b\"}]".utf8, to: "labels.json")
    #expect(try estimate(["--import", "labels.json"]).works.isEmpty)
  }

  @Test func onShapesLooksAndTestsAreTimed() throws {
    let outcome = try Command.run(
      ["annotate", "--block", "up.0.1", "--features", "random:3", "--estimate", "--json", "--quiet"],
      in: folder)
    #expect(outcome.status == 0, "\(outcome.err)")
    #expect(!FileManager.default.fileExists(atPath: folder("sdlens-workspace")))
    let found = try JSON.decode(Found.self, from: Data(outcome.out.utf8), keys: .convertFromSnakeCase)
    #expect(
      found.works.map(\.name) == [
        "make pictures", "maps", "look at pictures", "read phrases", "name features", "test captions",
        "see what features tell",
      ])
    #expect(found.pieces["name features"] == 3 && found.disk > 1 << 20 && found.memory > 1 << 20)
    let looks = try #require(found.pieces["look at pictures"])
    let made = try #require(found.pieces["make pictures"])
    // Those that are made, and up to ten of each feature through a map.
    #expect(made > 100 && made...made + 30 ~= looks)
    let scores = try Command.run(
      [
        "annotate", "--block", "up.0.1", "--features", "random:3", "--paper-scores", "--estimate", "--json",
        "--quiet",
      ], in: folder)
    let more = try JSON.decode(Found.self, from: Data(scores.out.utf8), keys: .convertFromSnakeCase)
    #expect((more.pieces["make pictures"] ?? 0) > made && more.seconds > found.seconds)
  }

  @Test func whatDoesNotGoTogetherIsRefused() throws {
    let asking = ["--endpoint", "http://localhost:1/v1", "--annotator-model", "m"]
    let cases: [(arguments: [String], status: Int32, message: String)] = [
      (
        asking + ["--dry-run"], 64,
        "--dry-run and --estimate both say what it will take, with and without files; give one"
      ),
      (["--vocabulary", "none.txt"], 1, "'none.txt' does not exist; check the path"),
      (
        ["--endpoint", "x", "--annotator-model", "m"], 1,
        "endpoint is 'x', but it must be the URL of an API, as in https://api.openai.com/v1 or "
          + "http://localhost:11434/v1"
      ),
      (
        [], 1,
        "'\(Command.tinyModel)' brings no CLIP that could name features; name one with --clip and phrases with "
          + "--vocabulary, ask a language model with --endpoint, or people with --export"
      ),
      (
        asking + ["--features", "99"], 1, "there is no feature 99"
      ),
    ]
    let before = try FileManager.default.subpathsOfDirectory(atPath: folder.path).sorted()
    for (arguments, status, message) in cases {
      let outcome = try annotate(["--estimate"] + arguments)
      #expect(outcome.status == status, "\(arguments)")
      #expect(outcome.err.hasPrefix("Error: \(message)"), "\(outcome.err)")
    }
    #expect(try FileManager.default.subpathsOfDirectory(atPath: folder.path).sorted() == before)
  }
}
