import Foundation
import SDLensTestSupport
import Testing

/// `sdlens eval ablation` and `eval steering`, with the embedded model and a judge of random weights.
@Suite struct EvalShapesTests {
  private let folder: TemporaryFolder
  private static let embedded =
    URL(fileURLWithPath: Command.program).deletingLastPathComponent().path
    + "/sdlens_SDLensDiffusion.resources/Models/shapes"

  /// A model `shapes` that borrows all but the judge from the embedded one.
  init() throws {
    folder = try TemporaryFolder()
    let files = FileManager.default
    try files.createDirectory(atPath: folder("shapes"), withIntermediateDirectories: true)
    for name in try files.contentsOfDirectory(atPath: Self.embedded) where name != "judge" {
      try files.createSymbolicLink(
        atPath: folder("shapes/\(name)"), withDestinationPath: "\(Self.embedded)/\(name)")
    }
    let judge = try SeededJudge.read().folder()
    try files.copyItem(atPath: judge.path, toPath: folder("shapes/judge"))
  }

  private func run(_ arguments: [String]) throws -> Outcome {
    try Command.run(arguments + ["--model", "./shapes", "--workspace", "w"], in: folder)
  }

  private func json<Value: Decodable>(_ arguments: [String], as type: Value.Type = Value.self) throws -> Value
  {
    let outcome = try run(arguments + ["--json", "--quiet"])
    #expect(outcome.status == 0 && outcome.err == "", "\(outcome.err)")
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return try decoder.decode(type, from: Data(outcome.out.utf8))
  }

  private func refusal(_ arguments: [String], status: Int32 = 1) throws -> String {
    let outcome = try run(arguments + ["--quiet"])
    #expect(outcome.status == status && outcome.out == "")
    return outcome.err
  }

  private func results(_ metric: String) throws -> String {
    let names = try FileManager.default.contentsOfDirectory(atPath: folder("w/results"))
    return "w/results/" + (try #require(names.first { $0.hasPrefix(metric) }))
  }

  private struct Estimate: Decodable, Equatable {
    let value: Double
    let n: Int
    let interval: [Double]?
  }

  // MARK: Ablation

  private struct Ablation: Decodable, Equatable {
    struct Row: Decodable, Equatable {
      let block: String?
      let accuracy: [String: Estimate]
      let change: Estimate?
    }
    let prompts: Int
    let rows: [Row]
    let emptyChange: Double
  }

  @Test func blocksAreRemovedOneByOne() throws {
    let arguments = ["eval", "ablation", "--limit", "3", "--block", "up.0.1", "down.2.1"]
    let found: Ablation = try json(arguments)
    #expect(found.prompts == 3 && found.emptyChange > 0.01)
    #expect(found.rows.map(\.block) == [nil, "down.2.1", "up.0.1"])
    for row in found.rows {
      #expect(row.accuracy.keys.sorted() == ["background", "colour", "place", "shape", "size", "texture"])
      #expect(row.accuracy.values.allSatisfy { 0...1 ~= $0.value && $0.n == 3 && $0.interval?.count == 2 })
    }
    #expect(found.rows[0].change == nil)
    #expect(found.rows.dropFirst().allSatisfy { ($0.change?.value ?? 0) > 0.01 })
    // Some lines are lost, and the last is cut in the middle: the same again.
    let path = try results("ablation") + "/done.jsonl"
    let bytes = try Data(contentsOf: URL(fileURLWithPath: folder(path)))
    try folder.write(Array(bytes.prefix(bytes.count / 2)), to: path)
    #expect(try json(arguments) == found)
    let files = try FileManager.default.contentsOfDirectory(atPath: folder(results("ablation"))).sorted()
    #expect(files == ["ablation.csv", "ablation.json", "ablation.png", "done.jsonl", "run.json"])
    let csv = try String(contentsOfFile: folder(results("ablation") + "/ablation.csv"), encoding: .utf8)
    #expect(csv.hasPrefix("removed,measure,value,n,low,high\nnone,place,") && !csv.contains("nan"))
    #expect(csv.split(separator: "\n").count == 1 + 3 * 6 + 2)
    let text = try run(arguments).out
    let head = try #require(text.split(separator: "\n").first { $0.hasPrefix("Removed") })
    #expect(
      head.split(separator: " ").map(String.init)
        == ["Removed", "place", "shape", "colour", "size", "texture", "background", "change"], "\(text)")
  }

  @Test func onlyShapesIsJudged() throws {
    for metric in ["ablation", "steering"] {
      let outcome = try Command.run(
        ["eval", metric, "--model", Command.tinyModel, "--workspace", "w", "--quiet"], in: folder)
      #expect(outcome.status == 1)
      #expect(
        outcome.err.contains("is another model, but only the pictures of shapes can be judged"),
        "\(outcome.err)")
    }
    // A model of that name, of another size.
    let other = try TemporaryFolder()
    try FileManager.default.copyItem(atPath: Command.tinyModel, toPath: other("shapes"))
    let outcome = try Command.run(["eval", "ablation", "--model", "./shapes"], in: other)
    #expect(outcome.status == 1 && outcome.err.contains("at its own size of 256 pixels"), "\(outcome.err)")
  }

  @Test func aMissingJudgeSaysHowToMakeIt() throws {
    try FileManager.default.removeItem(atPath: folder("shapes/judge"))
    #expect(
      try refusal(["eval", "ablation"])
        == "Error: there is no judge of pictures at './shapes/judge'; train and export it with: "
        + "python Scripts/shapes/build.py classifier export\n")
  }

  @Test func promptsMustBeCaptions() throws {
    try FileManager.default.removeItem(atPath: folder("shapes/held-out.txt"))
    try folder.write("a red house\n".utf8, to: "shapes/held-out.txt")
    #expect(
      try refusal(["eval", "ablation"]).contains(
        "held-out.txt' has the prompt \"a red house\", which is no caption of shapes"))
  }

  @Test(arguments: [
    ["ablation", "--limit", "0"], ["ablation", "--steps", "0"], ["steering", "--beta", "0"],
    ["steering", "--pairs", "0"], ["steering", "--choosing", "0"], ["steering", "--features", "0"],
    ["steering", "--factor", "hue"], ["steering", "--pictures", "3"],
  ]) func numbersAreChecked(arguments: [String]) throws {
    let message = try refusal(["eval"] + arguments, status: arguments[1] == "--steps" ? 1 : 64)
    #expect(message.contains(String(arguments[1].dropFirst(2))), "\(message)")
  }

  // MARK: Steering

  private struct Steering: Decodable, Equatable {
    struct Method: Decodable, Equatable { let source, form: String }
    struct Cell: Decodable, Equatable {
      let method: Method
      let side: String
      let size: Int?
      let before, after, elsewhere, kept: Estimate
      let reached: Int
    }
    struct Row: Decodable, Equatable {
      let chosen, measured: Int
      let cells: [Cell]
      let answers: [String: String]
    }
    struct Summary: Decodable, Equatable {
      let rows: [Row]
      let cells: [Cell]
    }
    struct Sources: Decodable, Equatable {
      struct Dictionary: Decodable, Equatable { let block, path, fingerprint: String }
      struct Store: Decodable, Equatable { let pictures: Int }
      let dictionaries: [Dictionary]
      let store: Store
    }
    let block, factor: String
    let summary: Summary
    let sources: Sources
  }

  @Test func valuesAreMadeAndUnmade() throws {
    // The real judge: a random one is never sure.
    try FileManager.default.removeItem(atPath: folder("shapes/judge"))
    try FileManager.default.createSymbolicLink(
      atPath: folder("shapes/judge"), withDestinationPath: "\(Self.embedded)/judge")
    #expect(
      try refusal(["eval", "steering", "--block", "up.1.0"]).contains("there is no dictionary of up.1.0"))
    let prompts = try Command.run(["prompts", "--count", "110"], in: folder)
    try folder.write(prompts.out.utf8, to: "prompts.txt")
    let training = try run([
      "train-sae", "--prompts", "prompts.txt", "--block", "mid.0", "--features", "48", "--k", "6", "--steps",
      "120", "--batch", "256", "--quiet",
    ])
    #expect(training.status == 0, "\(training.err)")
    let arguments = [
      "eval", "steering", "--features", "2", "--choosing", "1", "--pairs", "1", "--block", "mid.0", "--limit",
      "60",
    ]
    let found = try #require(try json(arguments, as: [Steering].self).first)
    #expect(found.block == "mid.0" && found.factor == "size" && found.summary.rows.count == 2)
    for row in found.summary.rows {
      #expect(row.chosen == 1 && row.measured == 1 && row.answers.keys.sorted() == ["off", "on"])
      for cell in row.cells {
        #expect(cell.side == "on" ? cell.before.value <= 0.1 : cell.before.value >= 0.9)
        if cell.method.source == "features" { #expect(1...2 ~= cell.size ?? 0) }
      }
    }
    // The other prompt's whole update makes and unmakes the size, since nothing else of the block tells it.
    let whole = found.summary.cells.filter { $0.method.source == "whole update" }
    #expect(whole.map(\.reached) == [2, 2], "\(whole)")
    #expect(found.sources.dictionaries.map(\.block) == ["mid.0"] && found.sources.store.pictures == 110)
    // Again, from what was kept, of which the last lines are lost.
    for name in ["done", "prompts"] {
      let path = try results("steering") + "/\(name).jsonl"
      let bytes = try Data(contentsOf: URL(fileURLWithPath: folder(path)))
      try folder.write(Array(bytes.prefix(bytes.count - 40)), to: path)
    }
    #expect(try json(arguments, as: [Steering].self) == [found])
    let text = try run(arguments + ["--values", "--quiet"]).out
    #expect(
      text.contains("Size at mid.0: probability of the value, 2 pairs of prompts, chosen on 2 others"),
      "\(text)")
    #expect(!text.contains("nan"))
    let files = try FileManager.default.contentsOfDirectory(atPath: folder(results("steering"))).sorted()
    #expect(
      files == [
        "choices.jsonl", "done.jsonl", "plans.jsonl", "prompts.jsonl", "run.json", "steering-size-mid.0.png",
        "steering.csv", "steering.json",
      ])
    // Captions that a rule makes are no captions of the dictionary.
    let causality = try run([
      "eval", "causality", "--block", "mid.0", "--features", "random:2", "--quiet",
    ])
    #expect(causality.status == 0, "\(causality.err)")
    #expect(
      FileManager.default.fileExists(atPath: folder(try results("causality") + "/captions-mid.0.jsonl")))
    #expect(!FileManager.default.fileExists(atPath: folder("w/saes/mid.0/k6-n48/captions.jsonl")))
  }
}
