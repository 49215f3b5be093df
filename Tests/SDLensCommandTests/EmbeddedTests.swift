import Foundation
import SDLensTestSupport
import Testing

/// The dictionaries that come with `shapes`, in folders where nothing else is.
@Suite struct EmbeddedTests {
  private let folder: TemporaryFolder
  private static let shapes =
    URL(fileURLWithPath: Command.program).deletingLastPathComponent().path
    + "/sdlens_SDLensDiffusion.resources/Models/shapes"

  init() throws { folder = try TemporaryFolder() }

  private func run(_ arguments: [String]) throws -> Outcome { try Command.run(arguments, in: folder) }

  private func object(_ outcome: Outcome) throws -> [String: Any] {
    try #require(
      try JSONSerialization.jsonObject(with: Data(outcome.out.utf8)) as? [String: Any], "\(outcome)")
  }

  /// `shapes` in the folder, whose own files are those of another model or damaged, the rest borrowed.
  private func model(without name: String) throws {
    try FileManager.default.createDirectory(atPath: folder("shapes"), withIntermediateDirectories: true)
    for other in try FileManager.default.contentsOfDirectory(atPath: Self.shapes) where other != name {
      try FileManager.default.createSymbolicLink(
        atPath: folder("shapes/\(other)"), withDestinationPath: "\(Self.shapes)/\(other)")
    }
  }

  // MARK: Each alone and first

  /// The paper's number is that of a feature that shows.
  @Test(arguments: ["down.2.1", "mid.0", "up.0.0", "up.0.1"]) func aFeatureIsSwitched(block: String) throws {
    let chosen = block == "down.2.1" ? [] : ["--block", block]
    let outcome = try run(["intervene", "--feature", "4539", "--beta", "-6", "--json"] + chosen)
    #expect(outcome.status == 0, "\(outcome.err)")
    #expect(
      outcome.err.contains(
        "'sdlens-workspace' has no dictionary of \(block); taking 'embedded-k10-n5120', which comes with the model shapes "
          + "(train-sae makes one of your own)"), "\(outcome.err)")
    let result = try object(outcome)
    let dictionary = (result["dictionaries"] as? [String: [String: String]])?[block]
    #expect(dictionary?["name"] == "embedded-k10-n5120" && dictionary?["fingerprint"]?.count == 16)
    let path = try #require(result["folder"] as? String)
    #expect(FileManager.default.fileExists(atPath: folder("\(path)/comparison.png")))
    // Summed over three channels: 23 to 65 grey levels where it acts, and next to nothing elsewhere.
    let change = try #require((result["outcomes"] as? [[String: Any]])?.first?["change"] as? [String: Double])
    #expect(try #require(change["inside"]) > 3 * 15, "\(change)")
    #expect(try #require(change["outside"]) < 0.1 * #require(change["inside"]), "\(change)")
  }

  @Test func featuresOfAPromptAreShown() throws {
    let outcome = try run(["features", "--prompt", "a large red circle on the left", "--json"])
    #expect(outcome.status == 0, "\(outcome.err)")
    let result = try object(outcome)
    #expect(
      (result["dictionaries"] as? [String: Any])?.keys.sorted() == ["down.2.1", "mid.0", "up.0.0", "up.0.1"])
    let features = try #require(result["features"] as? [[String: Any]])
    #expect(features.count == 4 * 9 && features.contains { $0["caption"] is String })
    #expect(features.allSatisfy { ($0["mean"] as? Double ?? 0) > 0 && ($0["density"] as? Double ?? 0) > 0 })
    #expect(outcome.err.split(separator: "\n").count { $0.contains("which comes with") } == 1)
    #expect(FileManager.default.fileExists(atPath: folder("features.png")))
  }

  @Test func aFigureIsDrawn() throws {
    let outcome = try run(["visualize", "feature", "4539", "--cell", "64", "--examples", "1", "--quiet"])
    #expect(outcome.status == 0 && outcome.err == "", "\(outcome.err)")
    let path = outcome.out.split(separator: "\n").first.map(String.init) ?? ""
    #expect(FileManager.default.fileExists(atPath: folder(path)), "\(outcome.out)")
  }

  @Test func specificityIsMeasured() throws {
    let outcome = try run([
      "eval", "specificity", "--features", "random:2", "--block", "up.0.1", "--json", "--quiet",
    ])
    #expect(outcome.status == 0 && outcome.err == "", "\(outcome.err)")
    #expect(outcome.out.contains("embedded-k10-n5120"), "\(outcome.out)")
  }

  /// The feature that tells red is found by its caption, and without it the red circle changes.
  @Test func redIsTakenAway() throws {
    let prompt = "a large red circle on the left and a small blue star on the right, on a gray background"
    let seen = try object(
      run(["features", "--prompt", prompt, "--block", "up.0.1", "--top", "3", "--json", "--quiet"]))
    let features = try #require(seen["features"] as? [[String: Any]])
    let red = try #require(features.first { $0["caption"] as? String == "a red shape" }?["feature"] as? Int)
    let result = try object(
      run([
        "intervene", "--block", "up.0.1", "--feature", "\(red)", "--beta", "-6", "--prompt", prompt, "--json",
        "--quiet",
      ]))
    let change = (result["outcomes"] as? [[String: Any]])?.first?["change"] as? [String: Any]
    #expect(try #require(change?["inside"] as? Double) > 50)
    #expect(try #require(change?["outside"] as? Double) < 20)
  }

  /// What looks at vectors makes them again, since nothing is stored.
  @Test func updatesAreMadeAgain() throws {
    let outcome = try run([
      "eval", "color", "--features", "random:1", "--pictures", "2", "--block", "up.0.1", "--json",
      "--quiet",
    ])
    #expect(outcome.status == 0 && !outcome.out.contains("a store with all places"), "\(outcome)")
  }

  @Test func theyAreListed() throws {
    let outcome = try run(["list"])
    #expect(outcome.status == 0 && outcome.err == "", "\(outcome.err)")
    #expect(outcome.out.hasPrefix("'sdlens-workspace' holds no stores, dictionaries or results yet; "))
    for block in ["down.2.1", "mid.0", "up.0.0", "up.0.1"] {
      let lines = outcome.out.split(separator: "\n").filter { $0.hasPrefix("\(block) ") }
      try #require(lines.count == 2)
      #expect(lines[0].contains("embedded-k10-n256 "), "\(outcome.out)")
      #expect(lines[1].contains("embedded-k10-n5120 * "), "\(outcome.out)")
    }
    let info = try run(["info", "embedded-k10-n5120"])
    #expect(
      info.status == 0 && info.out.contains("5120, k = 10 active") || info.out.contains("5120, 10 active"))
    // Nothing was made by looking.
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == [])
  }

  // MARK: Which is taken

  @Test func aDictionaryIsNamed() throws {
    let arguments = [
      "intervene", "--block", "up.0.1", "--sae", "embedded-k10-n256", "--feature", "3", "--add", "2",
    ]
    let outcome = try run(arguments + ["--prompt", "a red circle", "--json", "--quiet"])
    #expect(outcome.status == 0 && outcome.err == "", "\(outcome.err)")
    #expect(outcome.out.contains("\"embedded-k10-n256\""))
    let beyond = try run(arguments.map { $0 == "3" ? "256" : $0 } + ["--prompt", "a red circle", "--quiet"])
    #expect(beyond.status == 1 && beyond.err.contains("256"), "\(beyond.err)")
  }

  @Test func theWorkspaceComesFirst() throws {
    try folder.write("a red circle\na blue star\na small ring on the left\n".utf8, to: "prompts.txt")
    let training = try run([
      "train-sae", "--prompts", "prompts.txt", "--block", "up.0.1", "--features", "16", "--k", "2", "--steps",
      "5",
      "--batch", "64", "--quiet",
    ])
    #expect(training.status == 0, "\(training.err)")
    let own = try run(["features", "--prompt", "a red circle", "--block", "up.0.1"])
    #expect(own.status == 0 && own.out.contains("Dictionary of up.0.1: k2-n16 "), "\(own)")
    #expect(!own.err.contains("which comes with"))
    let both = try run(["features", "--prompt", "a red circle"])
    #expect(both.out.contains("Dictionary of up.0.1: k2-n16 "))
    #expect(both.out.contains("Dictionary of mid.0: embedded-k10-n5120 "))
    #expect(both.err.contains("has no dictionary of down.2.1, mid.0, up.0.0; taking 'embedded-k10-n5120'"))
    let list = try run(["list"]).out.split(separator: "\n")
    #expect(list.contains { $0.hasPrefix("up.0.1 ") && $0.contains("k2-n16 *") })
    #expect(!list.contains { $0.hasPrefix("up.0.1 ") && $0.contains("embedded-k10-n5120 *") })
    // Both were measured on pictures of their own.
    let apart = try run(["eval", "specificity", "--block", "up.0.1", "mid.0", "--quiet"])
    #expect(apart.status == 1)
    #expect(
      apart.err.contains(
        "of mid.0 was measured on other pictures than 'sdlens-workspace/saes/up.0.1/k2-n16' of up.0.1"),
      "\(apart.err)")
  }

  /// The copy of a model with other weights does not get what was trained on the true ones.
  @Test func anotherModelHasNone() throws {
    try model(without: "unet")
    try FileManager.default.copyItem(atPath: "\(Self.shapes)/unet", toPath: folder("shapes/unet"))
    let weights = "shapes/unet/diffusion_pytorch_model.safetensors"
    var bytes = Array(try Data(contentsOf: URL(fileURLWithPath: folder(weights))))
    bytes[bytes.count - 1] ^= 1
    try folder.write(bytes, to: weights)
    let outcome = try run(["features", "--prompt", "a red circle", "--model", "./shapes", "--quiet"])
    #expect(outcome.status == 1)
    #expect(outcome.err.contains("there is no dictionary of down.2.1 for the model shapes"), "\(outcome.err)")
    let named = try run([
      "features", "--prompt", "a", "--model", Command.tinyModel, "--sae", "embedded-k10-n5120", "--quiet",
    ])
    #expect(named.status == 1 && named.out == "", "\(named)")
  }

  // MARK: Damage

  /// A file of an embedded dictionary that is cut, changed or no JSON: its name is in the message.
  @Test(arguments: [
    "sae.safetensors", "sae.json", "statistics.safetensors", "examples.safetensors", "captions.jsonl",
  ])
  func damageIsNamed(file: String) throws {
    try model(without: "dictionaries")
    try FileManager.default.copyItem(
      atPath: "\(Self.shapes)/dictionaries", toPath: folder("shapes/dictionaries"))
    let path = "shapes/dictionaries/up.0.1/embedded-k10-n5120/\(file)"
    let bytes = Array(try Data(contentsOf: URL(fileURLWithPath: folder(path))))
    let arguments = [
      "features", "--prompt", "a red circle", "--block", "up.0.1", "--model", "./shapes", "--quiet",
    ]
    try folder.write(bytes.prefix(bytes.count / 2), to: path)
    let cut = try run(arguments)
    #expect(cut.status == 1 && cut.err.contains(path) && cut.out == "", "\(cut.err)")
    guard file == "sae.safetensors" else { return }
    // A number that is another one: the parity case does not fit.
    var changed = bytes
    let start = 8 + Int(bytes[0]) + Int(bytes[1]) << 8
    for place in start..<start + 128 * 2 * 5120 where (place - start) % 2 == 1 { changed[place] ^= 0x04 }
    try folder.write(changed, to: path)
    let other = try run(arguments)
    #expect(other.status == 1 && other.err.contains("is not what was saved"), "\(other.err)")
  }

  /// Captions go into the workspace, count before those that come with the program, and are tested against the truth without a store.
  @Test func captionsAreWrittenIntoTheWorkspace() throws {
    try model(without: "dictionaries")
    let place = "shapes/dictionaries/up.0.1/embedded-k10-n256"
    try FileManager.default.createDirectory(
      atPath: folder("shapes/dictionaries/up.0.1"), withIntermediateDirectories: true)
    try FileManager.default.copyItem(
      atPath: "\(Self.shapes)/dictionaries/up.0.1/embedded-k10-n256", toPath: folder(place))
    for name in ["activations.json", "pictures.jsonl"] {
      try FileManager.default.copyItem(
        atPath: "\(Self.shapes)/dictionaries/\(name)", toPath: folder("shapes/dictionaries/\(name)"))
    }
    let before = try shell("chmod -R a-w shapes/dictionaries && cat \(place)/*.json* | sha256sum", in: folder)
    #expect(before.status == 0, "\(before)")
    defer { _ = try? shell("chmod -R u+w shapes/dictionaries", in: folder) }
    let own = ["--model", "./shapes", "--block", "up.0.1", "--quiet", "--workspace", "w"]
    try folder.write(
      [2, 3].map { "{\"block\": \"up.0.1\", \"feature\": \($0), \"caption\": \"a blue thing\"}\n" }.joined()
        .utf8,
      to: "labels.jsonl")
    let told = try run(["annotate", "--import", "labels.jsonl", "--source", "Ada", "--json"] + own)
    let report = try #require((object(told)["blocks"] as? [[String: Any]])?.first, "\(told.err)")
    let file = try #require(report["file"] as? String)
    #expect(file.hasPrefix("w/captions/") && FileManager.default.fileExists(atPath: folder(file)))
    #expect(report["truth_pictures"] as? Int == 500)
    let names = (report["scores"] as? [[String: Any]])?.compactMap { $0["name"] as? String } ?? []
    #expect(names.contains("truth"), "\(report)")
    #expect(try shell("cat \(place)/*.json* | sha256sum", in: folder).out == before.out)

    // Who reads captions has both: one more than there were, and the other ones as they are.
    func captions(in workspace: String) throws -> String? {
      let info = try run(["info", place, "--workspace", workspace])
      return info.out.split(separator: "\n").first { $0.hasPrefix("Captions") }.map {
        "\($0.split(separator: " ")[1])"
      }
    }
    let count = try #require(try captions(in: "v").flatMap { Int($0) })
    #expect(try captions(in: "w") == "\(count + 1)")
    let gallery = try run(["visualize", "gallery", "--features", "0,3", "--output", "page"] + own)
    #expect(gallery.status == 0, "\(gallery.err)")
    for words in ["a blue thing", "a red shape"] {
      #expect(try shell("grep -rl '\(words)' page", in: folder).out != "", "\(words)")
    }
  }

  @Test func theyStayAsTheyAre() throws {
    let outcome = try run([
      "statistics", "--sae", "embedded-k10-n256", "--block", "mid.0", "--store", "any", "--quiet",
    ])
    #expect(outcome.status == 1)
    #expect(
      outcome.err.contains("comes with the program and stays as it is; measure a copy"), "\(outcome.err)")
  }

  // MARK: Making them

  /// Half the room, the same features; compact examples know how many pictures there are.
  @Test func dictionariesAreMadeSmall() throws {
    let workspace = try TrainedWorkspace()
    func run(_ arguments: String...) throws -> Outcome { try Command.run(arguments, in: workspace.folder) }
    let source = "w/saes/up.0.1/k4-n32"
    #expect(try run("convert", source, "half", "--to", "sdlens", "--half").status == 0)
    func size(_ path: String) throws -> Int {
      try Data(contentsOf: URL(fileURLWithPath: workspace.folder(path))).count
    }
    #expect(try size("half/sae.safetensors") < size("\(source)/sae.safetensors") * 7 / 10)
    let measured = try run(
      "statistics", "--sae", "half", "--store", "w/activations/tiny-update-24", "--compact")
    #expect(measured.status == 0, "\(measured.err)")
    #expect(try size("half/examples.safetensors") < size("\(source)/examples.safetensors") / 4)
    let model = ["--model", Command.tinyModel, "--workspace", "w", "--block", "up.0.1", "--sae", "half"]
    let figure = try Command.run(
      ["visualize", "annotation", "0", "--quiet"] + model, in: workspace.folder)
    #expect(figure.status == 0 || figure.err.contains("was active in no recorded picture"), "\(figure.err)")
    let slow = try Command.run(
      ["eval", "monosemanticity", "--store", "tiny-update-24"] + model, in: workspace.folder)
    #expect(
      (slow.out + slow.err).contains("only the strongest pictures are known") || slow.err.contains("CLIP"))
    let other = try run("convert", source, "x", "--to", "saelens", "--half")
    #expect(other.status == 64 && other.err.contains("only the format sdlens keeps --half precision"))
  }
}
