import Foundation
import SDLensCore
import SDLensTestSupport
import Testing

/// `sdlens train-sae` with the small model: 48 pictures.
@Suite struct TrainTests {
  private let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
    let prompts = (0..<48).map { "a house with \($0) windows" }.joined(separator: "\n")
    try folder.write(prompts.utf8, to: "prompts.txt")
  }

  private static let recipe = [
    "--features", "24,40", "--k", "3", "--steps", "40", "--batch", "64", "--aux-k", "8", "--dead-after",
    "500",
    "--save-every", "3", "--log-every", "4",
  ]

  private func train(_ arguments: String...) throws -> Outcome {
    try Command.run(["train-sae", "--model", Command.tinyModel] + Self.recipe + arguments, in: folder)
  }

  private func collect(_ workspace: String) throws {
    let outcome = try Command.run(
      [
        "collect", "--model", Command.tinyModel, "--prompts", "prompts.txt", "--shard-size", "16",
        "--workspace",
        workspace, "--quiet",
      ], in: folder)
    #expect(outcome.status == 0, "\(outcome.err)")
  }

  /// All files below a folder and their bytes.
  private func contents(_ path: String) throws -> [String: Data] {
    let names = FileManager.default.enumerator(atPath: folder(path))?.allObjects as? [String] ?? []
    return Dictionary(
      uniqueKeysWithValues: names.compactMap { name in
        FileManager.default.contents(atPath: folder("\(path)/\(name)")).map { (name, $0) }
      })
  }

  /// What was said of features goes with the weights of which it was said; all else of others stays.
  @Test func captionsOfOtherWeightsAreSetAside() throws {
    try collect("w")
    func train(_ steps: String) throws -> Outcome {
      try Command.run(
        [
          "train-sae", "--model", Command.tinyModel, "--workspace", "w", "--block", "mid.0", "--features",
          "24", "--k",
          "3", "--batch", "64", "--recipe", "paper", "--learning-rate", "1e-3", "--steps", steps,
        ], in: folder)
    }
    let dictionary = "w/saes/mid.0/k3-n24"
    #expect(try train("20").status == 0)
    let info = try Command.run(["info", dictionary, "--json"], in: folder)
    let caption = #"{"feature":3,"caption":"a red circle"}"# + "\n"
    try folder.write(caption.utf8, to: "\(dictionary)/captions.jsonl")
    try folder.write("mine".utf8, to: "\(dictionary)/mine/notes.txt")
    #expect(try train("20").err.contains("captions") == false)
    #expect(try contents(dictionary)["captions.jsonl"] == Data(caption.utf8))

    let longer = try train("40")
    #expect(longer.status == 0)
    let files = try contents(dictionary)
    let aside = try #require(files.keys.first { $0.hasPrefix("captions-") })
    #expect(files["captions.jsonl"] == nil && files[aside] == Data(caption.utf8))
    #expect(files["mine/notes.txt"] == Data("mine".utf8))
    #expect(info.out.contains(aside.dropFirst("captions-".count).dropLast(".jsonl".count)))
    #expect(
      longer.err.contains(
        "k3-n24: its captions were of other weights; they are in '\(dictionary)/\(aside)' now"),
      "\(longer.err)")
  }

  @Test func collectsWhatIsMissingAndTrains() throws {
    let outcome = try train("--workspace", "w", "--prompts", "prompts.txt")
    #expect(outcome.status == 0, "\(outcome.err)")
    #expect(outcome.out == "w/saes/down.2.1/k3-n24\nw/saes/down.2.1/k3-n40\n")
    #expect(outcome.err.contains("Nothing suitable is collected yet; recording 48 prompts first"))
    #expect(outcome.err.contains("down.2.1 k3-n24: explained variance "))
    #expect(outcome.err.contains("where 3 principal components reach "))
    for name in [
      "sae.json", "sae.safetensors", "statistics.safetensors", "examples.safetensors", "pictures.jsonl",
    ] {
      #expect(FileManager.default.fileExists(atPath: folder("w/saes/down.2.1/k3-n40/\(name)")), "\(name)")
    }
    // Every fourth step and the last, for two dictionaries.
    let log = try String(
      contentsOfFile: folder("w/training/down.2.1/k3-n24+k3-n40/log.jsonl"), encoding: .utf8)
    #expect(log.split(separator: "\n").count == 20)
  }

  @Test(arguments: [SIGKILL, SIGTERM]) func killedAtAnyMomentItGoesOn(signal: Int32) throws {
    try collect("a")
    try collect("b")
    #expect(try train("--workspace", "a", "--quiet").status == 0)
    for attempt in 0..<5 {
      let process = Process()
      process.executableURL = URL(fileURLWithPath: Command.program)
      process.arguments =
        ["train-sae", "--model", Command.tinyModel] + Self.recipe + ["--workspace", "b", "--quiet"]
      process.currentDirectoryURL = URL(fileURLWithPath: folder.path)
      process.standardOutput = FileHandle.nullDevice
      process.standardError = FileHandle.nullDevice
      try process.run()
      usleep(UInt32(attempt * 30_000 + Int.random(in: 0..<60_000)))
      kill(process.processIdentifier, signal)
      process.waitUntilExit()
    }
    let last = try train("--workspace", "b", "--quiet", "--threads", "1")
    #expect(last.status == 0, "\(last.err)")
    let (a, b) = (try contents("a"), try contents("b"))
    #expect(a.keys.sorted() == b.keys.sorted())
    for (name, bytes) in a { #expect(bytes == b[name], "\(name)") }
  }

  @Test func aStreamTrainsWithoutAStore() throws {
    let arguments = ["--stream", "--prompts", "prompts.txt", "--buffer", "200", "--block", "mid.0", "up.0.0"]
    let outcome = try Command.run(
      ["train-sae", "--model", Command.tinyModel] + Self.recipe + arguments + ["--workspace", "w"], in: folder
    )
    #expect(outcome.status == 0, "\(outcome.err)")
    #expect(outcome.out.split(separator: "\n").count == 4)
    #expect(!FileManager.default.fileExists(atPath: folder("w/activations")))
    #expect(outcome.err.contains("collect activations and run: sdlens statistics --sae w/saes/mid.0/k3-n24"))
    try collect("v")
    let measured = try Command.run(
      ["statistics", "--sae", "w/saes/mid.0/k3-n24", "--store", "tiny-update", "--workspace", "v"], in: folder
    )
    #expect(measured.status == 0, "\(measured.err)")
    #expect(measured.out.contains("Explained variance"))
    #expect(measured.out.contains("By 3 principal components"))
    #expect(FileManager.default.fileExists(atPath: folder("w/saes/mid.0/k3-n24/statistics.safetensors")))
  }

  @Test func changedSettingsAreNamed() throws {
    try collect("w")
    #expect(try train("--workspace", "w", "--quiet").status == 0)
    let outcome = try train("--workspace", "w", "--quiet", "--learning-rate", "0.5")
    #expect(outcome.status == 1)
    #expect(
      outcome.err
        == "Error: 'learningRate' of dictionary 0 is 0.5, but the training began with 0.001; resume with 0.001 or "
        + "begin anew with --restart\n")
  }

  @Test func aStoreOfAnotherModelIsRefused() throws {
    try collect("w")
    let copy = try ModelCopy()
    try copy.replace("\"sample_size\": 12", with: "\"sample_size\": 16", in: "unet/config.json")
    let outcome = try Command.run(
      [
        "train-sae", "--model", copy.folder("model"), "--workspace", "w", "--store", "tiny-update", "--quiet",
      ],
      in: folder)
    #expect(outcome.status == 1)
    #expect(outcome.err.hasPrefix("Error: 'w/activations/tiny-update' was recorded with the model tiny "))
  }

  @Test func anExistingDictionaryIsNotOverwritten() throws {
    try collect("w")
    try FileManager.default.createDirectory(
      atPath: folder("w/saes/down.2.1/k3-n40"), withIntermediateDirectories: true)
    let outcome = try train("--workspace", "w", "--quiet")
    #expect(outcome.status == 1)
    #expect(
      outcome.err
        == "Error: 'w/saes/down.2.1/k3-n40' exists already; give the new dictionary a --name, or replace the old "
        + "one with --restart\n")
  }

  /// Two trainings may make a dictionary of the same name: the second finds that of the first, whoever began first.
  @Test func aDictionaryOfAnotherTrainingIsNotOverwritten() throws {
    try collect("w")
    func train(_ arguments: String...) throws -> Outcome {
      try Command.run(
        [
          "train-sae", "--model", Command.tinyModel, "--workspace", "w", "--block", "mid.0", "--features",
          "24",
          "--batch", "64", "--steps", "20", "--name", "t", "--quiet",
        ] + arguments, in: folder)
    }
    #expect(try train("--k", "3").status == 0)
    try FileManager.default.removeItem(atPath: folder("w/saes/mid.0/t-k3-n24"))
    #expect(try train("--k", "3,4", "--learning-rate", "0.01").status == 0)
    let second = try contents("w/saes")
    let again = try train("--k", "3")
    #expect(again.status == 1)
    #expect(
      again.err
        == "Error: 'w/saes/mid.0/t-k3-n24' exists already; give the new dictionary a --name, or replace the old "
        + "one with --restart\n")
    #expect(try contents("w/saes") == second)
    #expect(try train("--k", "3,4", "--learning-rate", "0.01").status == 0)
    #expect(try contents("w/saes") == second)

    let twice = try train("--k", "3,4,3")
    #expect(twice.status == 1)
    #expect(twice.err == "Error: 't-k3-n24' is to be trained twice; name each --k and each --features once\n")
    let many = try train("--k", (1...24).map(String.init).joined(separator: ","), "--name", "many")
    #expect(many.status == 0, "\(many.err)")
    let name = try #require(
      FileManager.default.contentsOfDirectory(atPath: folder("w/training/mid.0")).first {
        $0.contains("+23-")
      })
    #expect(name.hasPrefix("many-k1-n24+23-") && name.utf8.count < 40)
  }

  @Test(arguments: [
    (
      ["--k", "50", "--features", "40"],
      "the training setting 'k' is 50, but it must be from 1 to the number of features, 40"
    ),
    (["--epochs", "1", "--steps", "1"], "--epochs and --steps both say how long to train; give one of them"),
    (["--stream", "--store", "x"], "--stream records what it trains on; leave out --store, or --stream"),
    (
      ["--learning-rate", "nan"],
      "the training setting 'learningRate' is nan, but it must be above 1e-30 and at most 1"
    ),
    (["--batch", "0"], "the training setting 'batch' is 0, but it must be from 1 to 1048576"),
    (["--save-every", "0"], "save-every is 0, but it must be from 1 to 1073741824"),
  ])
  func usage(arguments: [String], message: String) throws {
    let outcome = try Command.run(["train-sae"] + arguments, in: folder)
    #expect(outcome.status == 64)
    #expect(outcome.err.hasPrefix("Error: \(message)\n"), "\(outcome.err)")
  }
}
