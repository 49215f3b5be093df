import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensStudy
import SDLensTestSupport
import Testing

/// A front end of its own over public interfaces: a line of JSON is a request, a line of JSON the answer, two at a time.
@Suite struct FrontEndTests {
  private struct Request: Decodable {
    let prompt: String
    let seed: Int
    let edits: [[Ablation]]
  }
  private struct Ablation: Decodable {
    let ablate: String
  }
  private struct Answer: Codable, Equatable {
    var pictures: [String] = []
    var error: String?
  }
  private static let requests = [
    #"{"prompt": "a cat", "seed": 42, "edits": [[], [{"ablate": "up.0.1"}]]}"#,
    #"{"prompt": "a dog", "seed": 42, "edits": [[]]}"#,
    #"{"prompt": "a cat", "seed": 43, "edits": [[{"ablate": "down.2.1"}], []]}"#,
    #"{"prompt": "a cat", "seed": 42, "edits": [[{"ablate": "down.9.9"}]]}"#,
    #"{"prompt": "a cat", "seed": 42, "edits": [[{"ablate": "mid.0"}], [], [{"ablate": "up.0.1"}]]}"#,
    #"{"prompt": "", "seed": -1, "edits": [[]]}"#,
  ]

  /// Answers a line.
  private func answer(_ line: String, _ laboratory: Laboratory) -> Answer {
    do {
      let request = try JSONDecoder().decode(Request.self, from: Data(line.utf8))
      var settings = try EditedModel.settings()
      settings.seed = settings.seed + (request.seed - 42)
      let lists = try request.edits.map { list in
        try EditList(list.map { Edit(.ablate, at: try BlockName($0.ablate)) })
      }
      let pictures = try laboratory.pictures(request.prompt, settings, edits: lists)
      return Answer(pictures: pictures.map { Data($0.samples).base64EncodedString() })
    } catch {
      return Answer(error: "\(error)")
    }
  }

  /// Answers all lines, so many at a time.
  private func serve(_ lines: [String], atOnce: Int, _ laboratory: Laboratory) -> [Answer] {
    let answers = Answers(count: lines.count)
    let queue = OperationQueue()
    queue.maxConcurrentOperationCount = atOnce
    for (index, line) in lines.enumerated() {
      queue.addOperation { answers.set(index, answer(line, laboratory)) }
    }
    queue.waitUntilAllOperationsAreFinished()
    return answers.all
  }

  private final class Answers: @unchecked Sendable {
    private let lock = NSLock()
    private var values: [Answer]
    init(count: Int) { values = Array(repeating: Answer(), count: count) }
    func set(_ index: Int, _ answer: Answer) { lock.withLock { values[index] = answer } }
    var all: [Answer] { lock.withLock { values } }
  }

  @Test func twoAtATimeAnswerAsOne() throws {
    let alone = serve(Self.requests, atOnce: 1, try EditedModel.laboratory())
    #expect(alone.map(\.pictures.count) == [2, 1, 2, 0, 3, 1])
    #expect(alone[0].pictures[0] == alone[4].pictures[1] && alone[0].pictures[1] == alone[4].pictures[2])
    #expect(alone[0].pictures[0] != alone[0].pictures[1])
    #expect(alone[3].error?.contains("down.9.9") == true)
    for kept in [0, 3] {
      let laboratory = try EditedModel.laboratory(keepingRuns: kept)
      for _ in 0..<2 { #expect(serve(Self.requests, atOnce: 2, laboratory) == alone) }
    }
  }
}
