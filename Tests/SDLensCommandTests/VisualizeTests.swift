import Foundation
import SDLensCore
import SDLensTestSupport
import Testing

/// `sdlens visualize` with the small model and dictionaries of 32 features.
@Suite struct VisualizeTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TrainedWorkspace().folder }

  private func visualize(_ arguments: [String]) throws -> Outcome {
    try Command.run(["visualize"] + arguments + ["--workspace", "w"], in: folder)
  }

  /// Draws with the small model, which must work.
  private func draw(_ arguments: String...) throws -> String {
    let outcome = try visualize(arguments + ["--model", Command.tinyModel, "--quiet"])
    #expect(outcome.status == 0, "\(outcome.err)")
    #expect(outcome.err == "")
    return outcome.out
  }

  private func text(_ name: String) throws -> String {
    try String(contentsOfFile: folder(name), encoding: .utf8)
  }

  static let figures: [(arguments: [String], name: String, cites: String)] = [
    (["prompt", "--top", "2"], "prompt", "A cinematic shot of a professor sloth"),
    (["feature"], "feature-down.2.1", " windows"),
    (["blocks", "--prompt", "a house", ""], "blocks", "a house"),
    (["reconstruction", "--count", "3"], "reconstruction", "a house with "),
    (["transfer", "--top", "2"], "transfer-down.2.1", "a photo of a colorful model"),
    (["paint", "--region", "left"], "paint-up.0.1", "a cinematic shot of a classroom"),
    (["annotation", "--examples", "3"], "annotation-down.2.1", " windows"),
  ]

  @Test func figuresOfEachKind() throws {
    for (arguments, name, cites) in Self.figures {
      let outcome = try visualize(arguments + ["--model", Command.tinyModel, "--quiet"])
      let files = "w/pictures/\(name).png\nw/pictures/\(name)-prompts.txt\n"
      #expect(outcome == Outcome(status: 0, out: files, err: ""))
      let picture = try PNG.read(folder("w/pictures/\(name).png"))
      #expect(picture.width > 200 && picture.height > 200)
      #expect(Set(picture.samples).count > 30)
      let table = try text("w/pictures/\(name)-prompts.txt")
      #expect(table.hasPrefix("Block ") && table.contains(cites), "\(table)")
      // A second time, on one thread, and reported in full.
      let again = try visualize(
        arguments + ["--model", Command.tinyModel, "--threads", "1", "--output", "again.png", "--json"])
      #expect(again.status == 0, "\(again.err)")
      let result = try #require(
        try JSONSerialization.jsonObject(with: Data(again.out.utf8)) as? [String: Any])
      #expect(result["figure"] as? String == "again.png")
      #expect((result["prompts"] as? [Any])?.isEmpty == false)
      #expect(try PNG.read(folder("again.png")).samples == picture.samples, "\(name)")
    }
  }

  @Test(arguments: [("svg", "<?xml"), ("pdf", "%PDF-")]) func vectors(ending: String, start: String) throws {
    let outcome = try draw("blocks", "--prompt", "a house", "--block", "mid.0", "--output", "f.\(ending)")
    #expect(outcome == "f.\(ending)\nf-prompts.txt\n")
    let data = try #require(FileManager.default.contents(atPath: folder("f.\(ending)")))
    #expect(data.starts(with: start.utf8))
  }

  @Test func trainingCurves() throws {
    let outcome = try visualize(["training"])
    #expect(outcome == Outcome(status: 0, out: "w/pictures/training-down.2.1-k4-n32.png\n", err: ""))
    #expect(try PNG.read(folder("w/pictures/training-down.2.1-k4-n32.png")).width > 1000)
    let named = try visualize(["training", "w/training/up.0.1/k4-n32", "--output", "c.svg"])
    #expect(named == Outcome(status: 0, out: "c.svg\n", err: ""))
    let none = try visualize(["training", "--block", "mid.0"])
    #expect(none.status == 1)
    #expect(
      none.err
        == "Error: no dictionary of mid.0 was trained in 'w'; train one with: sdlens train-sae --block mid.0\n"
    )
  }

  @Test func galleryMakesOnlyWhatChanged() throws {
    func gallery(_ more: String...) throws -> String {
      let outcome = try visualize(["gallery", "--output", "g", "--model", Command.tinyModel] + more)
      #expect(outcome.status == 0 && outcome.out == "g/index.html\n", "\(outcome.err)")
      return outcome.err.split(separator: "\n").last.map(String.init) ?? ""
    }
    let captions = "{\"feature\": 3, \"caption\": \"<script>alert('x')</script> & \\\"more\\\"\"}\n"
    try folder.write(captions.utf8, to: "w/saes/down.2.1/k4-n32/captions.jsonl")
    let pictures = "w/saes/down.2.1/k4-n32/pictures.jsonl"
    try folder.write(
      text(pictures).replacingOccurrences(of: " windows", with: " windows & <b>doors</b>").utf8, to: pictures)
    #expect(try gallery("--features", "all") == "Cards made: 32, there already: 0")
    let page = try text("g/index.html")
    let (cards, sources) = try cardsShown(by: "g")
    #expect(cards.count == 32)
    #expect(cards[3]["caption"] as? String == "<script>alert('x')</script> & \"more\"")
    #expect(page.contains("windows & \\u003cb>doors\\u003c/b>"))
    #expect(!page.contains("<script>alert") && !page.contains("<b>"))
    // Every picture is there, and nothing from elsewhere.
    #expect(sources.count > 50)
    for source in sources {
      #expect(throws: Never.self) { _ = try PNG.read(folder("g/\(source)")) }
    }
    #expect(!page.contains("http:") && !page.contains("https:") && !page.contains("//"))

    #expect(try gallery("--features", "all") == "Cards made: 0, there already: 32")
    #expect(try text("g/index.html") == page)
    let first = try #require(sources.first)
    let bytes = FileManager.default.contents(atPath: folder("g/\(first)"))
    try FileManager.default.removeItem(atPath: folder("g/\(first)"))
    #expect(try gallery("--features", "all") == "Cards made: 1, there already: 31")
    #expect(FileManager.default.contents(atPath: folder("g/\(first)")) == bytes)
    try FileManager.default.removeItem(atPath: folder("w/saes/down.2.1/k4-n32/captions.jsonl"))
    #expect(try gallery("--features", "2-4,9") == "Cards made: 0, there already: 4")
    #expect(try cardsShown(by: "g").cards.compactMap { $0["feature"] as? Int } == [2, 3, 4, 9])
    // Other strengths are other pictures, but not for features without any.
    #expect(try gallery("--beta", "-3").hasSuffix(", there already: 0"))
  }

  /// What the script of a gallery's page makes cards of, and the pictures that these show.
  private func cardsShown(by gallery: String) throws -> (cards: [[String: Any]], sources: [String]) {
    let page = try text("\(gallery)/index.html")
    let data = try #require(page.firstMatch(of: /<script id="data" type="application\/json">(.*?)<\/script>/))
      .1
    let cards = try #require(
      try JSONSerialization.jsonObject(with: Data(data.utf8)) as? [[String: Any]])
    let sources = cards.flatMap { card in
      (card["items"] as? [[String: Any]] ?? []).compactMap { item in
        item["file"].map { "features/\(card["feature"] ?? "")/\($0)" }
      }
    }
    return (cards, sources)
  }

  /// The first examples have heat maps beside them, on a scale whose end is told.
  @Test func cardsTellScalesAndPrompts() throws {
    _ = try draw("gallery", "--output", "g")
    for card in try cardsShown(by: "g").cards {
      let items = try #require(card["items"] as? [[String: Any]])
      let kinds = items.compactMap { $0["kind"] as? String }
      #expect(kinds.count { $0 == "example" } == kinds.count { $0 == "overlay" })
      let prompts = items.filter { $0["kind"] as? String == "example" }.compactMap { $0["prompt"] as? String }
      #expect(!prompts.isEmpty && prompts.allSatisfy { $0.contains(" windows") })
      #expect(Double(card["highest"] as? String ?? "") ?? 0 > 0, "\(card["feature"] ?? "")")
    }
  }

  /// Without any font a figure is refused before anything is computed or written; a training keeps its dictionaries.
  @Test func withoutFonts() throws {
    try folder.write(#"<?xml version="1.0"?><fontconfig></fontconfig>"#.utf8, to: "fonts.conf")
    let none = ["FONTCONFIG_FILE": folder("fonts.conf")]
    let before = try FileManager.default.subpathsOfDirectory(atPath: folder("w")).sorted()
    let model = ["--model", Command.tinyModel, "--workspace", "w"]
    let calls =
      Self.figures.map { ["visualize"] + $0.arguments + model }
      + [
        ["visualize", "training", "--workspace", "w"],
        ["features", "--prompt", "x", "--output", "f.png"] + model,
      ]
    for call in calls {
      let outcome = try Command.run(call, in: folder, environment: none)
      #expect(outcome.status == 1)
      #expect(
        outcome.err.hasSuffix(
          "Error: there are no fonts, so that no text can be drawn; install some, e.g. with: "
            + "apt-get install fonts-dejavu-core\n"), "\(outcome.err)")
    }
    let after = try FileManager.default.subpathsOfDirectory(atPath: folder("w")).sorted()
    #expect(after == before)
    try folder.write("a house\na tree\n".utf8, to: "prompts.txt")
    let trained = try Command.run(
      [
        "train-sae", "--prompts", "prompts.txt", "--block", "mid.0", "up.0.0", "--features", "16", "--k", "4",
        "--steps", "2", "--batch", "8",
      ] + model, in: folder, environment: none)
    #expect(trained.status == 0, "\(trained.err)")
    #expect(trained.err.contains("The curves were not drawn: there are no fonts"))
    #expect(trained.err.contains("later: sdlens visualize training w/training/mid.0/"))
    for block in ["mid.0", "up.0.0"] {
      #expect(FileManager.default.fileExists(atPath: folder("w/saes/\(block)/k4-n16/sae.json")))
    }
  }

  @Test func aStoppedGalleryGoesOn() throws {
    let arguments = [
      "visualize", "gallery", "--model", Command.tinyModel, "--workspace", "w", "--quiet", "--output",
    ]
    #expect(try Command.run(arguments + ["whole"], in: folder).status == 0)
    for attempt in 1...3 {
      let process = Process()
      process.executableURL = URL(fileURLWithPath: Command.program)
      process.arguments = arguments + ["parts"]
      process.currentDirectoryURL = URL(fileURLWithPath: folder.path)
      process.standardOutput = FileHandle.nullDevice
      process.standardError = FileHandle.nullDevice
      try process.run()
      usleep(UInt32(attempt * 100_000 + Int.random(in: 0..<100_000)))
      kill(process.processIdentifier, attempt == 1 ? SIGTERM : SIGKILL)
      process.waitUntilExit()
    }
    #expect(try Command.run(arguments + ["parts"], in: folder).status == 0)
    let names = try #require(
      FileManager.default.enumerator(atPath: folder("whole"))?.allObjects as? [String]
    ).sorted()
    let others = FileManager.default.enumerator(atPath: folder("parts"))?.allObjects as? [String]
    #expect(others?.sorted() == names)
    for name in names where name.contains(".") {
      #expect(
        FileManager.default.contents(atPath: folder("whole/\(name)"))
          == FileManager.default.contents(atPath: folder("parts/\(name)")), "\(name)")
    }
  }

  static let refused: [(arguments: [String], message: String)] = [
    (["feature", "32"], "there is no feature 32; 'w/saes/down.2.1/k4-n32' has the features 0 to 31"),
    (["annotation", "99"], "there is no feature 99; 'w/saes/down.2.1/k4-n32' has the features 0 to 31"),
    (["transfer", "32"], "there is no feature 32; 'w/saes/down.2.1/k4-n32' has the features 0 to 31"),
    (["gallery", "--features", "3,32"], "there is no feature 32; 'w/saes/down.2.1/k4-n32' has"),
    (
      ["paint", "32"],
      "edit 1 (add at up.0.1): there is no feature 32; the dictionary of up.0.1 has the features 0 to 31"
    ),
    (["feature", "--block", "mid.0"], "there is no dictionary of mid.0 for the model tiny in 'w'"),
    (["blocks", "--output", "none/f.png"], "none/f.png"),
    (["prompt", "--output", "figure.gif"], "'figure.gif'"),
  ]

  @Test func refusals() throws {
    func refuse(_ arguments: [String], _ message: String) throws {
      let outcome = try visualize(arguments + ["--model", Command.tinyModel, "--quiet"])
      #expect(outcome.status == 1)
      #expect(outcome.err.hasPrefix("Error: ") && outcome.err.contains(message), "\(outcome.err)")
    }
    for (arguments, message) in Self.refused { try refuse(arguments, message) }
    try FileManager.default.removeItem(atPath: folder("w/saes/down.2.1/k4-n32/examples.safetensors"))
    for command in ["feature", "annotation", "gallery"] {
      try refuse([command], "does not know in which pictures its features are active")
    }
  }

  @Test(arguments: [
    (["prompt", "--top", "0"], "top is 0, but it must be from 1 to 100"),
    (["prompt", "--beta", "nan"], "edit 1 (modulate at down.2.1): beta is nan"),
    (["feature", "--gamma", "1e9"], "edit 1 (empty-context at down.2.1): gamma is 1000000000.0"),
    (["blocks", "--cell", "5"], "cell is 5, but it must be from 32 to 2048"),
    (["transfer", "3", "--from", "x"], "--from chooses the features; leave it out, or the features"),
    (["paint", "1", "2", "--region", "left"], "there are 2 features and 1 areas; give one for each feature"),
    (["paint", "1", "2", "3", "4", "5"], "5 features need as many areas; give --region or --mask for each"),
    (["paint", "--region", "middle"], "'middle' is not a region"),
    (["gallery", "--features", "9-3"], "The value '9-3' is invalid for '--features <features>'"),
    (["annotation", "--examples", "0"], "examples is 0, but it must be from 1 to 50"),
  ])
  func usage(arguments: [String], message: String) throws {
    let outcome = try visualize(arguments)
    #expect(outcome.status == 64)
    #expect(outcome.err.contains(message), "\(outcome.err)")
  }
}
