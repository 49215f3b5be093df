import Foundation
import SDLensCore
import SDLensTestSupport
import Testing

/// Which dictionary and which store are taken, what results say of them, and that nothing is replaced unasked.
@Suite struct WorkspaceTests {
  private let workspace: TrainedWorkspace
  private var folder: TemporaryFolder { workspace.folder }

  init() throws { workspace = try TrainedWorkspace() }

  private static let prompt = ["--prompt", "a red house"]

  private func train(_ arguments: String...) throws -> Outcome {
    try workspace.run(
      "train-sae",
      ["--block", "up.0.1", "--features", "32", "--k", "4", "--steps", "20", "--batch", "64", "--store"]
        + ["tiny-update-24"] + arguments)
  }

  private func intervene(_ arguments: String...) throws -> Outcome {
    try workspace.run("intervene", ["--block", "up.0.1", "--beta", "-6"] + Self.prompt + arguments)
  }

  private struct Made: Decodable {
    struct Identity: Decodable, Equatable { let name, fingerprint: String }
    struct Outcome: Decodable {
      struct Edit: Decodable {
        let block, operation: String
        let feature: Int
        let beta: Double
      }
      let edits: [Edit]
    }
    let folder: String
    let dictionaries: [String: Identity]
    let outcomes: [Outcome]
    let run: [String: String]
  }

  private func made(_ outcome: Outcome) throws -> Made {
    try JSON.decode(Made.self, from: Data(outcome.out.utf8))
  }

  /// A feature of the taken dictionary that is active.
  private func active(_ arguments: String...) throws -> String {
    struct Found: Decodable {
      struct Feature: Decodable { let feature: Int }
      let features: [Feature]
    }
    let outcome = try workspace.run(
      "features", ["--block", "up.0.1", "--json", "--quiet", "--output", "f.png"] + Self.prompt + arguments)
    return "\(try #require(JSON.decode(Found.self, from: Data(outcome.out.utf8)).features.first).feature)"
  }

  @Test func theDictionaryTrainedLastIsTakenWhateverTheDatesOfFiles() throws {
    #expect(try train("--name", "b", "--seed", "7").status == 0)
    let old = folder("w/saes/up.0.1/k4-n32/sae.json")
    // What a copy or a touch does to the date of the older one.
    try FileManager.default.setAttributes([.modificationDate: Date.distantFuture], ofItemAtPath: old)
    let outcome = try intervene("--feature", active(), "--json")
    #expect(
      outcome.err.contains(
        "up.0.1 has 2 dictionaries; taking 'b-k4-n32', the one trained last (--sae takes another: k4-n32)"))
    #expect(try made(outcome).dictionaries["up.0.1"]?.name == "b-k4-n32")
    #expect(
      try made(intervene("--feature", "3", "--sae", "k4-n32", "--json")).dictionaries["up.0.1"]?.name
        == "k4-n32")
  }

  @Test func everyResultNamesItsDictionary() throws {
    let feature = try active()
    let result = try made(intervene("--feature", feature, "--json", "--quiet"))
    let identity = try #require(result.dictionaries["up.0.1"])
    let edit = try #require(result.outcomes.first?.edits.first)
    #expect(
      edit.block == "up.0.1" && edit.operation == "modulate" && edit.feature == Int(feature)
        && edit.beta == -6)
    #expect(result.run["dictionaries"] == "up.0.1 k4-n32 \(identity.fingerprint)")
    #expect(result.run["command"]?.hasPrefix("intervene --model ") == true)
    func texts(_ name: String) throws -> [String: String] {
      let texts = try PNG.text(of: folder("\(result.folder)/\(name).png"))
      return Dictionary(uniqueKeysWithValues: texts.map { ($0.keyword, $0.text) })
    }
    for name in ["before", "after", "difference", "heatmap", "comparison"] {
      #expect(try texts(name)["dictionaries"] == "up.0.1 k4-n32 \(identity.fingerprint)", "\(name)")
      #expect(try texts(name)["prompt"] == "a red house" && texts(name)["steps"] == "1", "\(name)")
    }
    #expect(try texts("before")["edits"] == nil && texts("before")["shows"] == "before")
    #expect(try texts("after")["shows"] == nil)
    let named = #"{"up.0.1":{"fingerprint":"\#(identity.fingerprint)","name":"k4-n32"}}"#
    let modulated = #"[{"beta":-6,"block":"up.0.1","feature":\#(feature),"operation":"modulate"}]"#
    let text = #"{"dictionaries":\#(named),"edits":\#(modulated),"format":"sdlens-edits","version":1}"#
    #expect(try texts("after")["edits"] == text)
  }

  @Test func editsOfAnotherDictionaryAreRefused() throws {
    let folder = try made(intervene("--feature", active(), "--json", "--quiet")).folder
    #expect(try train("--name", "b", "--seed", "7").status == 0)
    for file in ["edit.json", "after.png"] {
      let arguments = ["--edit", "\(folder)/\(file)", "--output", "o", "--quiet"] + Self.prompt
      let outcome = try workspace.run("intervene", arguments)
      #expect(outcome.status == 1)
      #expect(
        outcome.err.hasPrefix("Error: the edits of '\(folder)/\(file)' are for the dictionary k4-n32 ")
          && outcome.err.contains(" of up.0.1, but the one taken is b-k4-n32 ")
          && outcome.err.hasSuffix("; name the right one, as with --sae k4-n32\n"), "\(outcome.err)")
      let right = try workspace.run("intervene", arguments + ["--sae", "k4-n32", "--force"])
      #expect(right.status == 0, "\(right.err)")
      #expect(
        try PNG.read(self.folder("o/after.png")) == PNG.read(self.folder("\(folder)/after.png")))
    }
    let plain = try workspace.run("intervene", ["--edit", "f.png", "--quiet"] + Self.prompt)
    #expect(plain.err.contains("'f.png' carries no edits; give a picture that intervene made, or edit.json"))
  }

  @Test func runsThatDifferGetNamesOfTheirOwn() throws {
    let feature = try active()
    func path(_ arguments: String...) throws -> String {
      let outcome = try workspace.run(
        "intervene", ["--block", "up.0.1", "--feature", feature, "--quiet", "--json"] + arguments)
      return try made(outcome).folder
    }
    let first = try path("--beta", "-6", "--prompt", "a red house")
    #expect(first == "w/pictures/up.0.1-\(feature)-beta-6")
    let before = try FileManager.default.contentsOfDirectory(atPath: folder(first)).sorted()
    #expect(try path("--beta", "-6", "--prompt", "a blue house") == first + "-2")
    #expect(try path("--beta", "-6", "--prompt", "a red house", "--seed", "7") == first + "-3")
    // The same run again takes the same place, and leaves nothing else there.
    try folder.write([], to: "\(first)/after-9.png")
    #expect(try path("--beta", "-6", "--prompt", "a red house", "--threads", "1") == first)
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder(first)).sorted() == before)
  }

  @Test func aFolderOfAnotherRunIsNotMixedWith() throws {
    let feature = try active()
    func run(_ arguments: String...) throws -> Outcome {
      try workspace.run(
        "intervene", ["--block", "up.0.1", "--feature", feature, "--quiet"] + Self.prompt + arguments)
    }
    #expect(try run("--beta", "-2,2,4", "--output", "o").status == 0)
    #expect(try run("--beta", "-2,2,4", "--output", "o").status == 0)
    let other = try run("--beta", "3", "--output", "o")
    #expect(
      other.err
        == "Error: 'o' holds the results of another run; give another --output, or replace them with --force\n"
    )
    #expect(FileManager.default.fileExists(atPath: folder("o/after-3.png")))
    #expect(try run("--beta", "3", "--output", "o", "--force").status == 0)
    #expect(!FileManager.default.fileExists(atPath: folder("o/after-3.png")))
    try folder.write("mine".utf8, to: "p/notes.txt")
    for force in [[], ["--force"]] {
      let foreign = try workspace.run(
        "intervene",
        ["--block", "up.0.1", "--feature", feature, "--beta", "3", "--output", "p", "--quiet"] + Self.prompt
          + force)
      #expect(
        foreign.err
          == "Error: 'p' holds files that are not of this command; give a folder that is empty or not there with "
          + "--output\n")
    }
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder("p")) == ["notes.txt"])
  }

  @Test func picturesOfOtherRunsStay() throws {
    func generate(_ arguments: String...) throws -> String {
      try Command.run(
        ["generate", "--model", Command.tinyModel, "--quiet"] + arguments, in: folder
      ).out
    }
    #expect(try generate("--prompt", "a") == "picture.png\n")
    #expect(try generate("--prompt", "b") == "picture-2.png\n")
    #expect(try generate("--prompt", "a", "--threads", "1") == "picture.png\n")
    #expect(try generate("--prompt", "c", "--force") == "picture.png\n")
    #expect(try generate("--prompt", "d", "--output", "picture.png") == "picture.png\n")
    try folder.write("not a picture".utf8, to: "picture.png")
    #expect(try generate("--prompt", "d") == "picture-3.png\n")
  }

  @Test func aListShowsWhatThereIs() throws {
    #expect(try train("--name", "b", "--seed", "7").status == 0)
    let outcome = try Command.run(["list", "--workspace", "w"], in: folder)
    #expect(outcome.status == 0)
    let lines = outcome.out.split(separator: "\n").map(String.init)
    #expect(lines.contains { $0.hasPrefix("tiny-update-24 ") && $0.contains(" 24 ") })
    #expect(lines.contains { $0.hasPrefix("down.2.1  k4-n32 * ") })
    #expect(lines.contains { $0.hasPrefix("up.0.1    k4-n32  ") })
    #expect(lines.contains { $0.hasPrefix("up.0.1    b-k4-n32 * ") })
    // Something damaged stops nothing, but is said.
    try folder.write("{".utf8, to: "w/activations/bad/manifest.json")
    let damaged = try Command.run(["list", "--workspace", "w"], in: folder)
    #expect(damaged.status == 1)
    #expect(
      damaged.out.contains("tiny-update-24")
        && damaged.out.contains("Damaged\n  'w/activations/bad/manifest.json'"))
    let none = try Command.run(["list", "--workspace", "nowhere"], in: folder)
    #expect(none.out.hasPrefix("'nowhere' holds no stores, dictionaries or results yet; "), "\(none)")
  }

  @Test func infoTellsOfEverythingThatIsMade() throws {
    let result = try made(intervene("--feature", active(), "--json", "--quiet")).folder
    for (what, text) in [
      ("w", "tiny-update-24"), ("tiny-update-24", "Pictures   24 of 24"),
      ("w/activations/tiny-update-24", "Shards"),
      ("k4-n32", "w/saes/up.0.1/k4-n32"), ("w/saes/up.0.1/k4-n32", "32, 4 active in a vector of 32"),
      ("w/saes/up.0.1/k4-n32/sae.json", "Fingerprint"), (result, "run.prompt"),
      ("\(result)/after.png", "edits"),
    ] {
      let outcome = try Command.run(["info", what, "--workspace", "w"], in: folder)
      #expect(outcome.status == 0 && outcome.out.contains(text), "\(what): \(outcome.out)\(outcome.err)")
      let json = try Command.run(["info", what, "--workspace", "w", "--json", "--quiet"], in: folder)
      #expect(throws: Never.self) { try JSONSerialization.jsonObject(with: Data(json.out.utf8)) }
    }
    let none = try Command.run(["info", "nonsense", "--workspace", "w"], in: folder)
    #expect(
      none.err
        == "Error: 'nonsense' is no store, dictionary, workspace, folder of results or picture, nor the name of one in "
        + "'w'; 'sdlens list' shows what is there\n")
  }

  @Test func theLargestWholeStoreIsTaken() throws {
    let prompts = (0..<60).map { "a tree with \($0) leaves" }.joined(separator: "\n")
    try folder.write(prompts.utf8, to: "more.txt")
    let more = try workspace.run(
      "collect", ["--prompts", "more.txt", "--block", "up.0.1", "--name", "a-large", "--quiet"])
    #expect(more.status == 0, "\(more.err)")
    // Younger, but smaller.
    let small = try workspace.run(
      "collect", ["--prompts", "more.txt", "--limit", "2", "--block", "up.0.1", "--name", "small", "--quiet"])
    #expect(small.status == 0, "\(small.err)")
    let outcome = try workspace.run(
      "train-sae",
      ["--block", "up.0.1", "--features", "8", "--k", "2", "--steps", "2", "--batch", "16", "--json"])
    #expect(
      outcome.err.contains(
        "Taking the store 'a-large' (60 pictures), the largest of 3 (--store takes another: 'small' (2 pictures), "
          + "'tiny-update-24' (24 pictures))"), "\(outcome.err)")
    #expect(
      outcome.out.contains(#""store" : "w/activations/a-large""#)
        && outcome.out.contains(#""store_pictures" : 60"#))
  }

  @Test func aTrainingBeginsAnewOnlyWhenAsked() throws {
    #expect(try train("--name", "b").status == 0)
    let first = try Data(contentsOf: URL(fileURLWithPath: folder("w/saes/up.0.1/b-k4-n32/sae.safetensors")))
    try folder.write([], to: "w/saes/up.0.1/b-k4-n32/note.txt")
    #expect(try train("--name", "b", "--learning-rate", "0.01").status == 1)
    let again = try train("--name", "b", "--learning-rate", "0.01", "--restart")
    #expect(again.status == 0, "\(again.err)")
    let second = try Data(contentsOf: URL(fileURLWithPath: folder("w/saes/up.0.1/b-k4-n32/sae.safetensors")))
    #expect(first != second)
    #expect(!FileManager.default.fileExists(atPath: folder("w/saes/up.0.1/b-k4-n32/note.txt")))
  }

  @Test func dictionariesAreFoundInACheckoutOfOthers() throws {
    // As sdxl-unbox lays its checkpoints out, here in a folder and in the cache of Hugging Face.
    let hub = "hub/models--o--saes"
    for block in ["down_blocks.2.attentions.1", "up_blocks.0.attentions.1"] {
      let short = block.hasPrefix("down") ? "down.2.1" : "up.0.1"
      for step in ["100", "final"] {
        let target = "\(hub)/snapshots/abc/unet.\(block)_k10_hidden5120_auxk256_bs4096_lr0.0001/\(step)"
        try FileManager.default.createDirectory(
          atPath: folder("\(hub)/snapshots/abc/unet.\(block)_k10_hidden5120_auxk256_bs4096_lr0.0001"),
          withIntermediateDirectories: true)
        let outcome = try Command.run(
          ["convert", "w/saes/\(short)/k4-n32", target, "--to", "sdxl-unbox"], in: folder)
        #expect(outcome.status == 0, "\(outcome.err)")
      }
    }
    try folder.write("abc".utf8, to: "\(hub)/refs/main")
    for name in ["o/saes", "\(hub)/snapshots/abc"] {
      let arguments = [
        "features", "--model", Command.tinyModel, "--sae", name, "--block", "down.2.1", "up.0.1",
      ]
      let outcome = try Command.run(
        arguments + Self.prompt + ["--workspace", "w", "--json", "--quiet"], in: folder,
        environment: ["HF_HUB_CACHE": folder("hub")])
      #expect(outcome.status == 0, "\(outcome.err)")
      #expect(
        outcome.out.contains(
          #""name" : "unet.up_blocks.0.attentions.1_k10_hidden5120_auxk256_bs4096_lr0.0001/final""#))
    }
    func encode(_ name: String, _ arguments: String...) throws -> (outcome: Outcome, codes: Data?) {
      try? FileManager.default.removeItem(atPath: folder("codes.safetensors"))
      let outcome = try Command.run(
        ["encode", "--sae", name, "--input", "tiny-update-24", "--output", "codes.safetensors"]
          + ["--workspace", "w", "--quiet"] + arguments,
        in: folder, environment: ["HF_HUB_CACHE": folder("hub")])
      return (outcome, FileManager.default.contents(atPath: folder("codes.safetensors")))
    }
    let codes = try #require(try encode("k4-n32", "--block", "up.0.1").codes)
    for name in ["o/saes", "\(hub)/snapshots/abc"] {
      let found = try encode(name, "--block", "up.0.1")
      #expect(found.codes == codes, "\(found.outcome.err)")
      #expect(
        try encode(name).outcome.err
          == "Error: '\(name)' has dictionaries of down.2.1, up.0.1; choose one with --block\n")
      #expect(
        try encode(name, "--block", "mid.0").outcome.err
          == "Error: '\(name)' has no dictionary of mid.0; name another with --sae or --block\n")
    }
    #expect(
      try encode("k4-n32").outcome.err
        == "Error: 'k4-n32' has dictionaries of down.2.1, up.0.1; choose one with --block\n")
    let measured = try Command.run(
      [
        "statistics", "--sae", "o/saes", "--block", "up.0.1", "--store", "tiny-update-24", "--workspace", "w",
        "--json", "--quiet",
      ], in: folder, environment: ["HF_HUB_CACHE": folder("hub")])
    #expect(measured.status == 0 && measured.out.contains(#""block" : "up.0.1""#), "\(measured)")
    let none = try Command.run(
      ["features", "--model", Command.tinyModel, "--sae", "o/other", "--workspace", "w"] + Self.prompt,
      in: folder,
      environment: ["HF_HUB_CACHE": folder("hub")])
    #expect(none.status == 1)
    #expect(
      none.err.contains("download it with: hf download o/other")
        && none.err.contains(
          "'o/other' is no dictionary in the workspace, no folder, and not in the local cache")
    )
  }
}
