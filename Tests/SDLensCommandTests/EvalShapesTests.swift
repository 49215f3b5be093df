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
    ["steering", "--beta", "-6"], ["steering", "--beta", "nan"], ["steering", "--features", "0"],
    ["steering", "--factor", "hue"], ["steering", "--pictures", "3"],
  ]) func numbersAreChecked(arguments: [String]) throws {
    let message = try refusal(["eval"] + arguments, status: arguments[1] == "--steps" ? 1 : 64)
    #expect(message.contains(String(arguments[1].dropFirst(2))), "\(message)")
  }

  // MARK: Steering

  private struct Steering: Decodable, Equatable {
    struct Row: Decodable, Equatable {
      struct Target: Decodable, Equatable {
        struct Value: Decodable, Equatable { let factor, value: String }
        let feature: Int
        let value: Value
        let auroc: Double
      }
      let target: Target
      let pictures: Int
      let means: [String: Estimate]
    }
    struct Summary: Decodable, Equatable {
      let rows: [Row]
      let means: [String: Estimate]
      let skipped: Int
    }
    struct Sources: Decodable, Equatable {
      struct Dictionary: Decodable, Equatable { let block, path, fingerprint: String }
      struct Store: Decodable, Equatable { let pictures: Int }
      let dictionaries: [Dictionary]
      let store: Store
    }
    let block, factor: String
    let beta: Double
    let summary: Summary
    let sources: Sources
  }

  @Test func featuresOfAFactorAreModulated() throws {
    #expect(
      try refusal(["eval", "steering", "--block", "up.0.1"]).contains("there is no dictionary of up.0.1"))
    let prompts = try Command.run(["prompts", "--count", "110"], in: folder)
    try folder.write(prompts.out.utf8, to: "prompts.txt")
    let training = try run([
      "train-sae", "--prompts", "prompts.txt", "--block", "up.0.1", "--features", "48", "--k", "6", "--steps",
      "120", "--batch", "256", "--quiet",
    ])
    #expect(training.status == 0, "\(training.err)")
    let arguments = [
      "eval", "steering", "--block", "up.0.1", "--factor", "background", "--features", "3", "--limit", "16",
    ]
    let found = try #require(try json(arguments, as: [Steering].self).first)
    #expect(found.block == "up.0.1" && found.factor == "background" && found.beta == 6)
    let rows = found.summary.rows
    #expect((1...3).contains(rows.count) && Set(rows.map(\.target.feature)).count == rows.count)
    for row in rows {
      #expect(row.target.value.factor == "background" && row.means.isEmpty == (row.pictures < 5))
      #expect(row.means.values.allSatisfy { 0...1 ~= $0.value && 1...row.pictures ~= $0.n })
      // What is modulated changes.
      if !row.means.isEmpty { #expect((row.means["inside_lowered"]?.value ?? 0) > 0) }
    }
    #expect(found.summary.skipped == rows.count { $0.pictures < 5 })
    #expect(found.summary.means["works"]?.n ?? 0 == rows.count - found.summary.skipped)
    #expect(found.sources.dictionaries.map(\.block) == ["up.0.1"] && found.sources.store.pictures == 110)
    // Without a factor those that the block carries.
    let both: [Steering] = try json([
      "eval", "steering", "--block", "up.0.1", "--features", "1", "--limit", "2",
    ])
    #expect(both.map(\.factor) == ["colour", "background"])
    // Again, from what was kept; then so few prompts that nothing can be said.
    #expect(try json(arguments, as: [Steering].self) == [found])
    let few = try run(arguments.dropLast() + ["2"])
    #expect(few.out.contains("left out: active on fewer than 5 pictures with the value"), "\(few.out)")
    #expect(!few.out.contains("nan"))
    // Captions that a rule makes are no captions of the dictionary.
    let causality = try run([
      "eval", "causality", "--block", "up.0.1", "--features", "random:2", "--quiet",
    ])
    #expect(causality.status == 0, "\(causality.err)")
    #expect(
      FileManager.default.fileExists(atPath: folder(try results("causality") + "/captions-up.0.1.jsonl")))
    #expect(!FileManager.default.fileExists(atPath: folder("w/saes/up.0.1/k6-n48/captions.jsonl")))
  }
}
