import Foundation
import SDLensCore
import SDLensTestSupport
import Testing

/// `sdlens explore`: words of the prompt, drafts, several dictionaries of a block, and captions of several sources.
@Suite struct ExploreWordTests {
  private let server: ExploreServer

  init() throws { server = try ExploreServer() }

  private func maps(_ answer: [String: Any]) throws -> [[String: Any]] {
    try #require(answer["maps"] as? [[String: Any]])
  }

  @Test(arguments: [
    (#""#, []), (#", "blocks": ["up.0.1"]"#, ["--block", "up.0.1"]),
    (
      #", "blocks": ["up.0.1", "mid.0"], "along": "blocks""#,
      ["--block", "up.0.1", "mid.0", "--along", "blocks"]
    ),
    (#", "words": ["house", "red house"]"#, ["--word", "house", "red house"]),
  ]) func wordsAreThoseOfTheCommand(fields: String, options: [String]) throws {
    let answer = try server.answer("words", #"{"prompt": "a red house", "steps": 2\#(fields)}"#)
    let outcome = try Command.run(
      [
        "visualize", "words", "--model", Command.tinyModel, "--prompt", "a red house", "--steps", "2",
        "--json",
        "--quiet",
      ] + options, in: server.workspace.folder)
    let wanted = try #require(
      try JSONSerialization.jsonObject(with: Data(outcome.out.utf8)) as? [String: Any], "\(outcome.err)")
    for key in ["prompt", "seed", "words", "along"] {
      #expect(answer[key] as? NSObject == wanted[key] as? NSObject, "\(key)")
    }
    let (found, expected) = (try maps(answer), try maps(wanted))
    #expect(found.count == expected.count)
    for (own, other) in zip(found, expected) {
      #expect(own["word"] as? String == other["word"] as? String)
      #expect(own["of"] as? String == other["of"] as? String)
      #expect(own["size"] as? [Int] == other["size"] as? [Int])
      let highest = other["highest"] as? Double ?? 0
      for key in ["mean", "lowest", "highest"] {
        let difference = abs((own[key] as? Double ?? 9) - (other[key] as? Double ?? 0))
        #expect(difference <= 1e-5 * highest, "\(own["word"] ?? "") \(key)")
      }
      // The map is that of which the figures speak.
      let text = try #require(own["values"] as? String)
      let values = try #require(Data(base64Encoded: text)).withUnsafeBytes {
        Array($0.bindMemory(to: Float.self))
      }
      #expect(values.count == (own["size"] as? [Int])?.reduce(1, *))
      #expect(abs(Double(values.max() ?? 0) - highest) <= 1e-5 * highest)
    }
  }

  @Test func theWordsOfAPromptComeWithItsFeatures() throws {
    let answer = try server.answer("features", #"{"prompt": "a house and a tree"}"#)
    let words = try #require(answer["words"] as? [[String: Any]]).compactMap { $0["word"] as? String }
    #expect(words == ["<start>", "a#1", "house", "and", "a#2", "tree", "<end>", "<padding>"])
  }

  @Test func aMaskOfAWordIsThatOfTheCommand() throws {
    let run = #""prompt": "a red house", "guidance": 3, "negative_prompt": "a tree", "steps": 2"#
    let answer = try server.answer("mask", "{\(run), \"block\": \"up.0.1\", \"word\": \"house\"}")
    let mask = try JSONSerialization.data(withJSONObject: #require(answer["mask"]))
    let edit = """
      {"block": "up.0.1", "operation": "add", "feature": 5, "strength": 2, "mask": \(String(decoding: mask, as: UTF8.self))}
      """
    let edited = try server.answer("intervene", "{\(run), \"edits\": [\(edit)]}")
    let outcome = try server.workspace.run(
      "intervene",
      [
        "--prompt", "a red house", "--negative-prompt", "a tree", "--guidance", "3", "--steps", "2",
        "--block",
        "up.0.1", "--feature", "5", "--add", "2", "--mask", "word:house", "--output", "masked", "--quiet",
      ])
    #expect(outcome.status == 0, "\(outcome.err)")
    let pixels = try PNG.read(server.workspace.folder("masked/after.png"))
    try server.workspace.folder.write(server.png(edited), to: "page.png")
    #expect(try PNG.read(server.workspace.folder("page.png")).samples == pixels.samples)
    // The negative prompt decides what the second step sees.
    let without = #""prompt": "a red house", "guidance": 3, "steps": 2"#
    let means = try [run, without].map {
      try maps(server.answer("words", "{\($0)}")).compactMap { $0["mean"] as? Double }
    }
    #expect(means[0] != means[1])
    let everywhere = try server.answer(
      "mask", "{\(run), \"block\": \"up.0.1\", \"word\": \"house\", \"threshold\": 0}")
    let all = try #require(everywhere["mask"] as? [[Double]]).flatMap(\.self)
    #expect(all.allSatisfy { $0 == 1 } && all.count > 1)
  }

  @Test func wordsThatAreNotThereAreRefused() throws {
    for (name, json, wanted) in [
      (
        "words", #"{"prompt": "a house", "words": ["tree"]}"#,
        "422 'tree' is no word of \"a house\", which has: <start> a house <end> <padding>"
      ),
      ("words", #"{"prompt": "a", "words": "a"}"#, "400 the request has as 'words' what is not a list"),
      ("words", #"{"prompt": "a", "words": [1]}"#, "400 the request has in 'words' 1, but it must be a text"),
      ("words", #"{"prompt": "a", "blocks": ["attic"]}"#, "422 "),
      (
        "words", #"{"prompt": "a", "along": "heads"}"#,
        "400 the request has as 'along' \"heads\", but it must"
      ),
      (
        "words",
        "{\"prompt\": \"a\", \"words\": [\(Array(repeating: "\"a\"", count: 129).joined(separator: ","))]}",
        "400 the request has as 'words' what is not a list of at most 128 texts"
      ),
      ("mask", #"{"prompt": "a", "block": "up.0.1"}"#, "400 the request has in the body no 'word'"),
      (
        "mask", #"{"prompt": "a", "block": "up.0.1", "word": "a", "threshold": 2}"#,
        "400 the request has as 'threshold' 2, but it must be from 0 to 1"
      ),
      ("mask", #"{"prompt": "a", "block": "up.0.1", "word": "b"}"#, "422 'b' is no word of \"a\""),
    ] {
      let found = try server.refusal(name, json)
      #expect(found.hasPrefix(wanted), "\(json.prefix(80)): \(found)")
    }
  }

  // MARK: Drafts

  @Test func aDraftIsThatOfItsCommandAndAtRestThePictureIsExact() throws {
    let decoder = URL(fileURLWithPath: Command.tinyModel).deletingLastPathComponent().path + "/tiny-decoder"
    let drafts = try ExploreServer(server.workspace, ["--decoder", decoder])
    let edits = #""edits": [{"block": "up.0.1", "operation": "modulate", "feature": 3, "beta": -6}]"#
    let exact = try drafts.answer("intervene", "{\"prompt\": \"a house\", \(edits)}")
    let draft = try drafts.answer("intervene", "{\"prompt\": \"a house\", \(edits), \"draft\": true}")
    #expect(exact["is_draft"] as? Bool == false && draft["is_draft"] as? Bool == true)
    try drafts.run(#require(exact["command"] as? String), output: "exact")
    try drafts.run(#require(draft["command"] as? String), output: "draft")
    #expect(try drafts.png(exact) == drafts.file("exact/after.png"))
    #expect(try drafts.png(draft) == drafts.file("draft/after.png"))
    #expect(try drafts.png(draft) != drafts.png(exact))
    // Of the twelve parts of a pass those from up.0.1 on, the seventh of eleven blocks.
    #expect(exact["anew"] as? Double == 5.0 / 12)
    #expect(
      try server.refusal("generate", #"{"prompt": "a", "draft": true}"#)
        == "422 this page has no decoder of drafts; start it with one: sdlens explore --decoder FOLDER")
    #expect(
      try server.refusal("generate", #"{"prompt": "a", "draft": 1}"#)
        == "400 the request has as 'draft' 1, but it must be true or false")
  }

  // MARK: Dictionaries

  @Test func anotherDictionaryIsChosenAndMatched() throws {
    let workspace = server.workspace
    let old = try #require(
      try FileManager.default.contentsOfDirectory(atPath: workspace.folder("w/saes/up.0.1")).first)
    try workspace.trainAnother()
    let two = try ExploreServer(workspace)
    let info = try #require(
      try JSONSerialization.jsonObject(with: two.get("api/info").body) as? [String: Any])
    let blocks = try #require(info["blocks"] as? [[String: Any]])
    let names = try #require(
      blocks.first { $0["block"] as? String == "up.0.1" }?["dictionaries"] as? [String])
    #expect(names.count == 2 && names.last == old)
    let chosen = #""dictionaries": {"up.0.1": "\#(old)"}"#
    #expect(
      try two.answer("dictionary", "{\"block\": \"up.0.1\", \(chosen)}")["features"] as? Int == 32)
    #expect(try two.answer("dictionary", #"{"block": "up.0.1"}"#)["features"] as? Int == 16)
    #expect(
      try two.refusal("feature", #"{"block": "up.0.1", "feature": 31}"#).hasPrefix(
        "422 there is no feature 31"))
    #expect(
      try two.answer("feature", "{\"block\": \"up.0.1\", \"feature\": 31, \(chosen)}")["feature"] as? Int
        == 31)
    // The picture's command names it, and writes the same bytes.
    let request =
      #"{"prompt": "a", "edits": [{"block": "up.0.1", "operation": "modulate", "feature": 31, "beta": 5}], "#
    let answer = try two.answer("intervene", request + chosen + "}")
    let command = try #require(answer["command"] as? String)
    #expect(command.contains(" --sae ") && command.hasSuffix(old), "\(command)")
    try two.run(command, output: "chosen")
    #expect(try two.png(answer) == two.file("chosen/after.png"))
    // Each feature's likest in the other.
    let match = try two.answer("match", #"{"block": "up.0.1", "other": "\#(old)"}"#)
    let (nearest, cosines) = (match["nearest"] as? [Int] ?? [], match["cosines"] as? [Double] ?? [])
    #expect(nearest.count == 16 && nearest.allSatisfy((0..<32).contains))
    #expect(cosines.allSatisfy { $0 <= 1.000001 })
    let known = try two.answer("feature", #"{"block": "up.0.1", "feature": 3}"#)
    let elsewhere = try #require(known["elsewhere"] as? [[String: Any]])
    #expect(elsewhere.count == 1 && elsewhere[0]["dictionary"] as? String == old)
    #expect(elsewhere[0]["feature"] as? Int == nearest[3])
    #expect(abs((elsewhere[0]["likeness"] as? Double ?? 0) - cosines[3]) < 1e-6)
    let same = try two.answer("match", "{\"block\": \"up.0.1\", \"other\": \"\(old)\", \(chosen)}")
    #expect(same["nearest"] as? [Int] == Array(0..<32) && same["mutual_share"] as? Double == 1)
    #expect(
      try two.refusal("features", #"{"prompt": "a", "dictionaries": {"up.0.1": "../../x"}}"#)
        == "404 up.0.1 has no dictionary '../../x'; it has: \(names.joined(separator: ", "))")
    #expect(
      try two.refusal("features", #"{"prompt": "a", "dictionaries": ["up.0.1"]}"#)
        .hasPrefix("400 the request has as 'dictionaries' [\"up.0.1\"], but it must be names by blocks"))
    #expect(
      try two.refusal("features", #"{"prompt": "a", "dictionaries": {"mid.0": "x"}}"#)
        .hasPrefix("404 there is no dictionary of mid.0"))
  }

  @Test func aDictionaryOfAnotherWidthIsNeitherComparedNorMatched() throws {
    let workspace = server.workspace
    try Safetensors.write(
      [("x", Tensor.random([300, 24], seed: 1))], to: workspace.folder("rows.safetensors"))
    let trained = try Command.run(
      [
        "train-sae", "--input", "rows.safetensors", "--block", "up.0.1", "--features", "16", "--k", "2",
        "--steps", "5", "--batch", "64", "--name", "narrow", "--workspace", "w", "--quiet",
      ], in: workspace.folder)
    #expect(trained.status == 0, "\(trained.err)")
    let old = try #require(
      try FileManager.default.contentsOfDirectory(atPath: workspace.folder("w/saes/up.0.1"))
        .first { !$0.hasPrefix("narrow") })
    try workspace.trainAnother()
    let page = try ExploreServer(workspace)
    let known = try page.answer("feature", #"{"block": "up.0.1", "feature": 3}"#)
    let elsewhere = try #require(known["elsewhere"] as? [[String: Any]])
    #expect(elsewhere.compactMap { $0["dictionary"] as? String } == [old])
    let refused = try page.refusal("match", #"{"block": "up.0.1", "other": "narrow-k2-n16"}"#)
    #expect(refused.hasPrefix("422 'k2-n16' is of vectors of width "), "\(refused)")
    #expect(refused.contains("'narrow-k2-n16' of width 24; choose dictionaries of one model"), "\(refused)")
  }

  // MARK: Captions

  @Test func aDictionaryThatIsChosenHasItsOwnCaptions() throws {
    let workspace = server.workspace
    let old = try #require(
      try FileManager.default.contentsOfDirectory(atPath: workspace.folder("w/saes/up.0.1")).first)
    try workspace.folder.write(
      #"{"feature": 4, "caption": "red roofs", "source": "clip"}"#.utf8,
      to: "w/saes/up.0.1/\(old)/captions.jsonl")
    try workspace.trainAnother()
    let page = try ExploreServer(workspace)
    func captions(_ more: String = "") throws -> [String] {
      let known = try page.answer("feature", "{\"block\": \"up.0.1\", \"feature\": 4\(more)}")
      return (known["captions"] as? [[String: Any]] ?? []).compactMap { $0["caption"] as? String }
    }
    let chosen = #", "dictionaries": {"up.0.1": "\#(old)"}"#
    #expect(try captions().isEmpty)
    #expect(try captions(chosen) == ["red roofs"])
    // What is written of one is not said of the other.
    _ = try page.answer("caption", #"{"block": "up.0.1", "feature": 4, "caption": "mine"}"#)
    #expect(try captions() == ["mine"])
    #expect(try captions(chosen) == ["red roofs"])
    // A search finds what the chosen one's captions say.
    func found(_ more: String) throws -> [[String: Any]] {
      let answer = try page.answer("search", "{\"query\": \"roofs\"\(more)}")
      return (answer["found"] as? [[String: Any]]) ?? []
    }
    #expect(try found("").isEmpty)
    #expect(try found(chosen).first?["feature"] as? Int == 4)
  }

  @Test func captionsOfAllSourcesAreTold() throws {
    let workspace = server.workspace
    let name = try #require(
      try FileManager.default.contentsOfDirectory(atPath: workspace.folder("w/saes/up.0.1")).first)
    let lines = [
      #"{"feature": 4, "caption": "red roofs", "source": "clip", "model": "m1", "date": "2026-11-28", "scores": {"detection": 0.75}}"#,
      #"{"feature": 4, "caption": "edges", "source": "endpoint", "model": "m2"}"#,
    ]
    try workspace.folder.write(
      lines.joined(separator: "\n").utf8, to: "w/saes/up.0.1/\(name)/captions.jsonl")
    let named = try ExploreServer(workspace)
    func captions(_ answer: [String: Any]) throws -> [[String: Any]] {
      try #require(answer["captions"] as? [[String: Any]])
    }
    let known = try captions(named.answer("feature", #"{"block": "up.0.1", "feature": 4}"#))
    #expect(known.compactMap { $0["source"] as? String } == ["endpoint", "clip"])
    #expect((known.last?["scores"] as? [String: Double])?["detection"] == 0.75)
    let written = try captions(
      named.answer("caption", #"{"block": "up.0.1", "feature": 4, "caption": "mine"}"#))
    #expect(written.compactMap { $0["caption"] as? String } == ["mine", "edges", "red roofs"])
    // What others say stays as it was.
    let text = try String(
      contentsOfFile: workspace.folder("w/saes/up.0.1/\(name)/captions.jsonl"), encoding: .utf8)
    #expect(text.contains("\"detection\"") && text.contains("\"endpoint\""))
  }
}
