import Foundation
import SDLensCore
import SDLensTestSupport
import Testing

/// `sdlens visualize words`, masks of words in `intervene`, and `eval words`.
@Suite struct WordsTests {
  private struct Result: Decodable, Equatable {
    struct Word: Decodable, Equatable {
      let text: String
      let places: [Int]
    }
    struct Map: Decodable, Equatable {
      let word: String
      let of: String?
      let tokens, place, size: [Int]
      let mean, lowest, highest: Double
    }
    let figure: String
    let along, removed: String?
    let words: [Word]
    let maps: [Map]
  }

  private func run(_ arguments: [String], in folder: TemporaryFolder) throws -> Outcome {
    try Command.run(
      ["visualize", "words", "--model", Command.tinyModel, "--workspace", "w"] + arguments, in: folder)
  }

  private func result(_ arguments: [String], in folder: TemporaryFolder) throws -> Result {
    let outcome = try run(arguments + ["--json", "--quiet"], in: folder)
    #expect(outcome.status == 0 && outcome.err == "", "\(outcome.err)")
    return try JSON.decode(Result.self, from: Data(outcome.out.utf8), keys: .convertFromSnakeCase)
  }

  @Test func everyWordIsDrawn() throws {
    let folder = try TemporaryFolder()
    let prompt = ["--prompt", "a red circle and a ring"]
    let found = try result(prompt + ["--tensors", "t.safetensors"], in: folder)
    #expect(
      found.maps.map(\.word)
        == ["<start>", "a#1", "red", "circle", "and", "a#2", "ring", "<end>", "<padding>"])
    #expect(
      found.words.map(\.text) == ["<start>", "a", "red", "circle", "and", "a", "ring", "<end>", "<padding>"])
    #expect(abs(found.maps.map(\.mean).reduce(0, +) - 1) < 1e-5)
    #expect(
      found.maps.allSatisfy {
        $0.of == nil && $0.size == [6, 6] && $0.lowest <= $0.mean && $0.mean <= $0.highest
      })
    #expect(found.figure == "w/pictures/words.png" && found.removed == nil)
    let picture = try PNG.read(folder("w/pictures/words.png"))
    #expect(picture.width > 1000 && picture.height > 400)
    let texts = try PNG.text(of: folder("w/pictures/words.png"))
    #expect(texts.contains { $0.text == "where words act" } && texts.contains { $0.keyword == "prompt" })
    // The tensors are what the report tells.
    let tensors = try Safetensors(contentsOf: folder("t.safetensors"))
    #expect(tensors.names.sorted() == ["tokens", "words"])
    let (tokens, words) = (try tensors.tensor("tokens"), try tensors.tensor("words"))
    #expect(tokens.shape == [77, 6, 6] && words.shape == [9, 6, 6])
    for (index, map) in found.maps.enumerated() {
      let values = words.picture(index).elements
      #expect(abs(Double(values.max() ?? 0) - map.highest) < 1e-6)
      #expect(abs(Double(values[map.place[0] * 6 + map.place[1]]) - map.highest) < 1e-6)
      let sum = map.tokens.map { tokens.picture($0) }.reduce(Tensor([1, 6, 6]), +)
      expectClose(words.picture(index), sum, within: 1e-5, map.word)
    }
    // The same again has the same name and bytes, whatever is written beside it.
    let bytes = FileManager.default.contents(atPath: folder("w/pictures/words.png"))
    #expect(try result(prompt + ["--threads", "1"], in: folder) == found)
    #expect(FileManager.default.contents(atPath: folder("w/pictures/words.png")) == bytes)
  }

  @Test(arguments: [
    ("blocks", ["--block", "mid.0", "up.1.0"], ["mid.0", "up.1.0"]),
    ("layers", ["--block", "mid.0"], ["layer 0", "layer 1"]),
    ("heads", ["--block", "mid.0", "--layer", "1", "--head", "0,2-3"], ["head 0", "head 2", "head 3"]),
    ("steps", ["--steps", "3", "--at-steps", "1-2"], ["step 1", "step 2"]),
  ])
  func mapsAreLaidOut(axis: String, more: [String], labels: [String]) throws {
    let folder = try TemporaryFolder()
    let arguments = ["--prompt", "a red circle", "--word", "red circle", "a", "--along", axis] + more
    let found = try result(arguments + ["--tensors", "t.safetensors", "--output", "f.png"], in: folder)
    #expect(found.along == axis)
    #expect(found.maps.map(\.of) == labels + labels && found.maps.map(\.word).first == "red circle")
    #expect(
      try Safetensors(contentsOf: folder("t.safetensors")).names.sorted()
        == ["tokens", "words"].flatMap { name in labels.map { "\(name).\($0.replacing(" ", with: "."))" } })
    let text = try run(arguments + ["--output", "f.png", "--quiet"], in: folder)
    #expect(text.status == 0 && text.out.hasPrefix("Word ") && text.out.hasSuffix("f.png\n"), "\(text.out)")
    #expect(text.out.split(separator: "\n").count == 1 + 2 * labels.count + 1)
  }

  @Test func withGuidanceThePromptsOwn() throws {
    // The negative prompt's half has maps of its own, which change nothing here.
    let folder = try TemporaryFolder()
    let arguments = ["--prompt", "a red circle", "--steps", "2", "--at-steps", "0", "--word", "red"]
    let plain = try result(arguments, in: folder)
    let guided = try result(arguments + ["--guidance", "5"], in: folder)
    for (a, b) in zip(plain.maps, guided.maps) { #expect(abs(a.highest - b.highest) < 1e-5) }
  }

  @Test func whatIsNotSeenIsSaid() throws {
    let folder = try TemporaryFolder()
    let long = Array(repeating: "circle", count: 40).joined(separator: " ")
    let outcome = try run(["--prompt", long, "--word", "circle", "--output", "f.png"], in: folder)
    #expect(outcome.status == 0)
    #expect(outcome.err.contains("The prompt is longer than 77 tokens; left out: \"circle circle"))
    #expect(
      outcome.err.contains("'circle' is there 15 times; its map is of all, 'circle#1' would be of the first"))
    let empty = try result(["--prompt", "", "--output", "e.png"], in: folder)
    #expect(empty.maps.map(\.word) == ["<start>", "<end>", "<padding>"])
  }

  @Test(arguments: [
    (
      ["--word", "square"],
      "'square' is no word of \"a red circle\", which has: <start> a red circle <end> <padding>"
    ),
    (["--word", "red#2"], "there is no 'red#2', since \"a red circle\" has 'red' once"),
    (["--layer", "1"], "there is no layer 1: down.1.0 has only layer 0"),
    (["--block", "mid.0", "--head", "4"], "there is no head 4: mid.0 has the heads 0 to 3"),
    (["--at-steps", "1"], "there is no step 1: the run has only step 0"),
    (
      ["--along", "heads"],
      "the heads of one block can be laid out, but 11 blocks are chosen; name one with --block"
    ),
    (["--tensors", "none/t.safetensors"], "none/t.safetensors"),
  ])
  func refusals(arguments: [String], message: String) throws {
    let folder = try TemporaryFolder()
    let outcome = try run(["--prompt", "a red circle", "--quiet"] + arguments, in: folder)
    #expect(outcome.status == 1 && outcome.out == "")
    #expect(outcome.err.hasPrefix("Error: ") && outcome.err.contains(message), "\(outcome.err)")
    #expect(!FileManager.default.fileExists(atPath: folder("w/pictures/words.png")))
  }

  @Test(arguments: [
    ["--along", "rows"], ["--layer", "x"], ["--head", "3-1"], ["--tensors", "t.npy"],
  ])
  func usage(arguments: [String]) throws {
    let outcome = try run(["--prompt", "x"] + arguments, in: TemporaryFolder())
    #expect(outcome.status == 64 && outcome.err.contains(arguments[1]), "\(outcome.err)")
  }

  // MARK: Masks

  @Test func aWordIsAMask() throws {
    let workspace = try TrainedWorkspace()
    func intervene(_ more: [String]) throws -> Outcome {
      try workspace.run(
        "intervene",
        ["--prompt", "a red circle", "--block", "up.0.1", "--feature", "3", "--add", "2", "--quiet"] + more)
    }
    func mask(_ folder: String) throws -> [Double] {
      let file = try Data(contentsOf: URL(fileURLWithPath: workspace.folder("\(folder)/edit.json")))
      let json = try #require(try JSONSerialization.jsonObject(with: file) as? [String: Any])
      let edits = try #require(json["edits"] as? [[String: Any]])
      return try #require(edits[0]["mask"] as? [[Double]]).flatMap(\.self)
    }
    let outcome = try intervene(["--mask", "word:circle", "--output", "half"])
    #expect(outcome.status == 0, "\(outcome.err)")
    #expect(
      try intervene(["--mask", "word:circle", "--mask-threshold", "0.9", "--output", "most"]).status == 0)
    let (half, most) = (try mask("half"), try mask("most"))
    #expect(half.count == 9 && (half + most).allSatisfy { $0 == 0 || $0 == 1 })
    #expect(half.contains(0) && most.contains(1) && zip(half, most).allSatisfy { $0 >= $1 })
    let cases: [(arguments: [String], status: Int32, message: String)] = [
      (["--mask", "word:square"], 1, "'square' is no word of \"a red circle\", which has: <start> a red"),
      (["--mask", "word:"], 64, "--mask word: names no word; give one of the prompt"),
      (["--mask-threshold", "0.5"], 64, "--mask-threshold is of a word's map; give --mask word:TEXT too"),
      (
        ["--mask", "word:red", "--mask-threshold", "1.5"], 64,
        "mask-threshold is 1.5, but it must be from 0 to 1"
      ),
      (["--mask", "word:red", "--region", "left"], 64, "--mask and --region both say where --add acts"),
    ]
    for (arguments, status, message) in cases {
      let outcome = try intervene(arguments + ["--output", "refused"])
      #expect(outcome.status == status && outcome.err.contains(message), "\(outcome.err)")
    }
    #expect(!FileManager.default.fileExists(atPath: workspace.folder("refused")))
  }

  // MARK: Truth

  private struct Table: Decodable, Equatable {
    struct Estimate: Decodable, Equatable {
      let value: Double
      let n: Int
    }
    struct Row: Decodable, Equatable {
      let block, factor: String
      let own, elsewhere, other: Estimate?
    }
    let prompts: Int
    let rows: [Row]
  }

  @Test func wordsOfShapesAreMeasured() throws {
    let folder = try TemporaryFolder()
    func measure(_ more: [String] = []) throws -> Outcome {
      try Command.run(
        ["eval", "words", "--limit", "5", "--block", "up.0.0", "down.2.1", "--workspace", "w"] + more,
        in: folder)
    }
    let outcome = try measure(["--json", "--quiet"])
    #expect(outcome.status == 0, "\(outcome.err)")
    let found = try JSON.decode(Table.self, from: Data(outcome.out.utf8), keys: .convertFromSnakeCase)
    #expect(found.prompts == 5)
    #expect(found.rows.map(\.block) == ["down.2.1", "up.0.0", "all"].flatMap { [$0, $0, $0] })
    #expect(found.rows.map(\.factor) == (0..<3).flatMap { _ in ["shape", "colour", "place"] })
    #expect(found.rows.allSatisfy { 0...1 ~= $0.own?.value ?? -1 && $0.own?.n ?? 0 > 0 })
    // Some lines are lost, and the last is cut in the middle: the same again.
    let results =
      "w/results/"
      + (try #require(FileManager.default.contentsOfDirectory(atPath: folder("w/results")).first))
    let bytes = try Data(contentsOf: URL(fileURLWithPath: folder("\(results)/done.jsonl")))
    try folder.write(Array(bytes.prefix(bytes.count / 2)), to: "\(results)/done.jsonl")
    #expect(try measure(["--json", "--quiet"]).out == outcome.out)
    #expect(
      try FileManager.default.contentsOfDirectory(atPath: folder(results)).sorted()
        == ["done.jsonl", "run.json", "words.csv", "words.json", "words.png"])
    let text = try measure(["--quiet"])
    #expect(text.out.contains("another prompt's") && !text.out.contains("nan"), "\(text.out)")
    let other = try Command.run(["eval", "words", "--model", Command.tinyModel, "--quiet"], in: folder)
    #expect(other.status == 1 && other.err.contains("is another model, but only the pictures of shapes"))
  }
}
