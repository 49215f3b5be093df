import Foundation
import SDLensCore
import SDLensTestSupport
import Testing

/// `sdlens eval` with dictionaries of the small model and the small CLIP, on a store that is named: it is small.
@Suite struct EvalTests {
  private let workspace: TrainedWorkspace
  private var folder: TemporaryFolder { workspace.folder }
  private static let clip =
    URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().path
    + "/SDLensStudyTests/Goldens/clip"

  init() throws { workspace = try TrainedWorkspace() }

  private struct Report: Decodable, Equatable {
    struct Measurement: Decodable, Equatable {
      let metric, subject, column: String
      let values: [Double]
      let features: [Int]
      let skipped: [String: Int]
      let mean: Double?
      let n: Int
      let interval: [Double]?
    }
    struct Omission: Decodable, Equatable { let metric, subject, reason: String }
    struct Sources: Decodable, Equatable {
      struct Dictionary: Decodable, Equatable {
        let block, name, path, fingerprint: String
        let model: String?
      }
      struct Store: Decodable, Equatable {
        let folder: String?
        let pictures: Int
        let model: String?
      }
      let dictionaries: [Dictionary]
      let store: Store?
    }
    let measurements: [Measurement]
    let omissions: [Omission]
    let sources: Sources

    func callAsFunction(_ metric: String, _ subject: String, _ column: String? = nil) -> Measurement? {
      measurements.first { $0.metric == metric && $0.subject == subject && $0.column == column ?? metric }
    }
  }

  private func eval(_ arguments: [String]) throws -> Outcome {
    try Command.run(
      ["eval"] + arguments + ["--model", Command.tinyModel, "--workspace", "w", "--store", store()],
      in: folder)
  }

  /// The name of the store.
  private func store() throws -> String {
    try #require(try FileManager.default.contentsOfDirectory(atPath: folder("w/activations")).first)
  }

  private func report(_ arguments: [String]) throws -> Report {
    let outcome = try eval(arguments + ["--json", "--quiet"])
    #expect(outcome.status == 0, "\(outcome.err)")
    return try JSONDecoder().decode(Report.self, from: Data(outcome.out.utf8))
  }

  private func refusal(_ arguments: [String], status: Int32 = 1) throws -> String {
    let outcome = try eval(arguments + ["--quiet"])
    #expect(outcome.status == status)
    #expect(outcome.out == "")
    return outcome.err
  }

  // MARK: What is measured

  @Test func specificityIsMeasuredOnceAndCountsWhatItLeavesOut() throws {
    let arguments = ["specificity", "--clip", Self.clip, "--features", "all", "--block", "up.0.1"]
    let found = try report(arguments)
    let own = try #require(found("specificity", "up.0.1"))
    #expect(own.values.count + (own.skipped["too few pictures"] ?? 0) == 32)
    #expect(own.values.count == own.features.count)
    #expect(own.values.allSatisfy { -1...1 ~= $0 })
    #expect(found("specificity", "random")?.values.count == 100)
    #expect(found("specificity", "same prompt")?.values.count == 100)
    #expect(own.n == own.values.count && own.interval?.count == 2)
    // What was measured is named.
    #expect(found.sources.dictionaries.map(\.path) == ["w/saes/up.0.1/k4-n32"])
    #expect(found.sources.dictionaries[0].fingerprint.count == 16)
    #expect(found.sources.store == .init(folder: "w/activations/\(try store())", pictures: 24, model: nil))
    // Again: nothing is made, and all is the same.
    let again = try eval(arguments + ["--json"])
    #expect(again.err.contains("0 pictures made"))
    #expect(try JSONDecoder().decode(Report.self, from: Data(again.out.utf8)) == found)
  }

  @Test func anInterruptedMeasurementGoesOn() throws {
    let arguments = ["color", "--features", "0,1,2,3,4,5", "--block", "down.2.1"]
    let whole = try report(arguments)
    let name = try #require(try FileManager.default.contentsOfDirectory(atPath: folder("w/results")).first)
    let path = "w/results/\(name)/done.jsonl"
    // Some lines are lost, and the last is cut in the middle.
    let bytes = try Data(contentsOf: URL(fileURLWithPath: folder(path)))
    try folder.write(Array(bytes.prefix(bytes.count / 3)), to: path)
    #expect(try report(arguments) == whole)
    let files = try FileManager.default.contentsOfDirectory(atPath: folder("w/results/\(name)")).sorted()
    #expect(files == ["color.png", "done.jsonl", "results.json", "run.json", "summary.csv", "values.csv"])
  }

  @Test func withoutLPIPSItsColumnsAreLeftOutAndSaid() throws {
    let found = try report(["reconstruction", "--pictures", "4", "--block", "up.0.1"])
    #expect(found.measurements.map(\.column) == ["mean", "median", "explained variance"])
    #expect(found.omissions.map(\.reason) == ["weights of LPIPS are missing; name their folder with --lpips"])
    #expect((found("reconstruction", "up.0.1", "mean")?.mean ?? 0) > 0)
  }

  /// Dictionaries of the small model on one that a LoRA changes: named, with the pictures of that model.
  @Test func reconstructionGoesAcrossModels() throws {
    try Safetensors.write(
      [
        ("unet.up_blocks.0.attentions.1.proj_out.lora_A.weight", Tensor.random([2, 32], seed: 1)),
        ("unet.up_blocks.0.attentions.1.proj_out.lora_B.weight", Tensor.random([32, 2], seed: 2)),
      ], to: folder("style.safetensors"))
    let store = try store()
    func run(_ metric: String, _ arguments: [String]) throws -> Outcome {
      try Command.run(
        [
          "eval", metric, "--pictures", "4", "--block", "up.0.1", "--model", Command.tinyModel, "--workspace",
          "w",
          "--store", store,
        ] + arguments, in: folder)
    }
    func report(_ arguments: [String]) throws -> Report {
      let outcome = try run("reconstruction", arguments + ["--json", "--quiet"])
      #expect(outcome.status == 0, "\(outcome.err)")
      return try JSONDecoder().decode(Report.self, from: Data(outcome.out.utf8))
    }
    let changed = ["--lora", "style.safetensors:3", "--sae", "k4-n32"]
    let (own, other) = (try report([]), try report(changed))
    let model = try #require(other.sources.dictionaries[0].model)
    #expect(model.hasPrefix("tiny ") && other.sources.store?.model == model)
    #expect(own.sources.dictionaries[0].model == nil && own.sources.store?.model == nil)
    func explained(_ report: Report) throws -> Double {
      try #require(report("reconstruction", "up.0.1", "explained variance")?.mean)
    }
    let (ours, theirs) = (try explained(own), try explained(other))
    #expect(theirs < ours - 0.01, "\(theirs), \(ours)")
    let said = try run("reconstruction", changed)
    #expect(
      said.err.contains("The dictionary 'k4-n32' of up.0.1 is of the model \(model), and used on tiny "),
      "\(said.err)")
    #expect(
      said.err.contains(
        "'w/activations/\(store)' was recorded with the model \(model); its prompts and seeds are run on tiny "
      ),
      "\(said.err)")
    #expect(said.out.contains(" of the model \(model)"), "\(said.out)")
    // A store of the changed model gives the same: the updates are those of its own runs.
    let prompts = (0..<24).map { "a house with \($0) windows" }.joined(separator: "\n")
    try folder.write(prompts.utf8, to: "prompts.txt")
    let collected = try Command.run(
      [
        "collect", "--model", Command.tinyModel, "--workspace", "w", "--lora", "style.safetensors:3",
        "--prompts",
        "prompts.txt", "--block", "up.0.1", "--dtype", "float32", "--name", "changed", "--quiet",
      ], in: folder)
    #expect(collected.status == 0, "\(collected.err)")
    let stored = try report(changed + ["--store", "changed"])
    #expect(stored.sources.store?.model == nil)
    #expect(try abs(explained(stored) - theirs) < 1e-4)
    // Where numbers of features are compared, models are not mixed.
    let refused = try run("locality", changed)
    #expect(
      refused.status == 1 && refused.err.contains("' is of the model \(model), but tiny "), "\(refused.err)")
  }

  @Test func localityHasInsideAndOutside() throws {
    let found = try report(["locality", "--features", "all", "--block", "up.0.1", "--pictures", "2"])
    let inside = try #require(found("locality", "up.0.1", "-10 inside"))
    let outside = try #require(found("locality", "up.0.1", "-10 outside"))
    #expect(inside.values.count == outside.values.count)
    #expect(inside.values.count + inside.skipped.values.reduce(0, +) == 32)
    #expect(inside.values.allSatisfy { 0...765 ~= $0 })
  }

  @Test func picturesOfTexturesAreABaseline() throws {
    let arguments = ["texture", "--clip", Self.clip, "--features", "1", "--textures", "t"]
    #expect(
      try refusal(arguments)
        == "Error: 't' is to have pictures of textures, but no PNG lies there; name a folder of PNG files with "
        + "--textures\n")
    let picture = Picture(width: 40, height: 30, samples: (0..<3600).map { UInt8($0 % 251) })
    try folder.write([], to: "t/readme")
    try PNG.write(picture, to: folder("t/a.png"))
    let found = try report(arguments)
    let own = try #require(found("texture", "textures"))
    // One picture, a hundred times.
    #expect(own.values.count == 100 && Set(own.values).count == 1)
    #expect(found("texture", "random")?.values.count == 100)
    // Another picture of the same name and size is measured anew.
    let other = Picture(width: 40, height: 30, samples: (0..<3600).map { UInt8($0 % 13) })
    try PNG.write(other, to: folder("t/a.png"))
    let changed = try #require(try report(arguments)("texture", "textures"))
    #expect(Set(changed.values).isDisjoint(with: own.values))
  }

  @Test func captionsComeFromTheDictionarysFolder() throws {
    let arguments = ["causality", "--clip", Self.clip, "--features", "all", "--block", "up.0.1"]
    #expect(try refusal(arguments).contains("has no captions.jsonl with captions of features"))
    let path = "w/saes/up.0.1/k4-n32/captions.jsonl"
    let captions = "{\"feature\":1,\"caption\":\"a house\"}\n{\"feature\":2,\"caption\":\"a window\"}\n"
    try folder.write(captions.utf8, to: path)
    let own = try #require(try report(arguments)("causality", "up.0.1"))
    #expect(own.skipped["no caption"] == 30)
    #expect(own.values.count + (own.skipped["never active"] ?? 0) == 2)
    try folder.write("{\"feature\":99,\"caption\":\"a house\"}\n".utf8, to: path)
    #expect(try refusal(arguments).contains("captions.jsonl' line 1 must be like"))
  }

  @Test func allPrintsTheTablesOfThePaperAndWhatIsLeftOut() throws {
    let outcome = try eval([
      "all", "--clip", Self.clip, "--features", "random:4", "--pictures", "4", "--quiet",
    ])
    #expect(outcome.status == 0, "\(outcome.err)")
    for text in [
      "Table 1a", "Table 1b: inside / outside the active area", "Table 2", "position of up.0.1: ",
      "density of down.2.1",
      "What the paper found", "specific beyond chance",
      "Left out at down.2.1, up.0.1: steps: the data are of one denoising step",
      "Left out at down.2.1, up.0.1: reconstruction: weights of LPIPS are missing",
    ] { #expect(outcome.out.contains(text), "\(text) in \(outcome.out)") }
    // The paper's values are for another model.
    #expect(!outcome.out.contains("paper  "))
    #expect(!outcome.out.contains("nan"))
  }

  @Test func aDictionaryMatchesItself() throws {
    let path = "w/saes/up.0.1/k4-n32"
    let outcome = try Command.run(
      ["eval", "match", path, path, "--store", store(), "--workspace", "w", "--json", "--quiet"], in: folder)
    #expect(outcome.status == 0, "\(outcome.err)")
    let result = try #require(
      try JSONSerialization.jsonObject(with: Data(outcome.out.utf8)) as? [String: Any])
    #expect(abs((result["mean_matched_cosine"] as? Double ?? 0) - 1) < 1e-9)
    #expect(result["mutual_share"] as? Double == 1)
    #expect(result["absorption"] as? Double == 0)
    let estimates = try #require(result["estimates"] as? [String: [String: Any]])
    #expect(estimates.keys.contains("mean_matched_cosine") && estimates.values.allSatisfy { $0["n"] is Int })
    let other = try Command.run(
      ["eval", "match", path, "w/saes/down.2.1/k4-n32", "--workspace", "w", "--quiet"], in: folder)
    #expect(other.status == 1)
    #expect(other.err.contains("only dictionaries of one block can be matched"))
  }

  @Test func everyNumberHasACountAndAnInterval() throws {
    let found = try report([
      "all", "--clip", Self.clip, "--features", "random:4", "--pictures", "10", "--block", "up.0.1",
    ])
    #expect(!found.measurements.isEmpty)
    for measurement in found.measurements where !measurement.values.isEmpty {
      #expect(measurement.n > 0, "\(measurement)")
      #expect((measurement.interval?.count == 2) == (measurement.n > 1), "\(measurement)")
    }
    // Of the pictures that the probes did not learn from.
    #expect(found("position", "up.0.1", "both")?.n == 4)
    #expect(found("reconstruction", "up.0.1", "explained variance")?.n == 10)
    #expect(found("density", "up.0.1", "dead share")?.n == 32)
  }

  // MARK: What is refused

  @Test func fewPicturesAreNotMeasuredOnUnasked() throws {
    let arguments = [
      "color", "--features", "0", "--block", "up.0.1", "--model", Command.tinyModel, "--workspace", "w",
    ]
    let refused = try Command.run(["eval"] + arguments, in: folder)
    #expect(refused.status == 1 && refused.out == "")
    #expect(
      refused.err.contains("24 pictures") && refused.err.contains("100")
        && refused.err.contains("sdlens collect --block up.0.1") && refused.err.contains("--store"),
      "\(refused.err)")
    #expect(!FileManager.default.fileExists(atPath: folder("w/results")))
    // Of a store that somebody names it is said.
    let named = try Command.run(["eval"] + arguments + ["--store", store()], in: folder)
    #expect(named.status == 0 && named.err.contains("take its figures for noise"), "\(named.err)")
  }

  @Test func withoutCLIPAMetricThatNeedsItIsRefused() throws {
    #expect(
      try refusal(["specificity", "--block", "up.0.1"])
        == "Error: specificity cannot be measured at up.0.1: CLIP is missing; name its folder with --clip\n")
  }

  @Test func aCLIPOfAnotherKindIsRefused() throws {
    try FileManager.default.copyItem(atPath: Self.clip, toPath: folder("clip"))
    let config = try String(contentsOfFile: folder("clip/config.json"), encoding: .utf8)
    let other = config.replacingOccurrences(
      of: "\"model_type\": \"clip\"", with: "\"model_type\": \"siglip\"")
    try folder.write(other.utf8, to: "clip/config.json")
    let message = try refusal(["specificity", "--clip", "clip"])
    #expect(message.contains("'model_type'") && message.contains("siglip"), "\(message)")
  }

  @Test func lpipsWithoutWeightsIsRefused() throws {
    try folder.write([1], to: "lpips/readme")
    #expect(try refusal(["reconstruction", "--lpips", "lpips"]).contains("has no 'alex.safetensors'"))
  }

  @Test func aBlockWithoutDictionaryIsRefused() throws {
    #expect(
      try refusal(["density", "--block", "mid.0"]).contains(
        "there is no dictionary of mid.0 for the model tiny in 'w'; train one with: sdlens train-sae --block mid.0"
      ))
  }

  @Test func aFeatureBeyondTheDictionaryIsRefused() throws {
    let message = try refusal(["density", "--features", "3,32"])
    #expect(
      message
        == "Error: there is no feature 32 in the dictionary of down.2.1, which has the features 0 to 31; choose "
        + "others with --features\n")
  }

  @Test(arguments: ["random:0", "random:", "3,,4", "-1", "some"]) func choicesAreChecked(choice: String)
    throws
  {
    #expect(try refusal(["density", "--features=\(choice)"], status: 64).contains("'--features"))
  }

  @Test func truthIsKnownOfShapesOnly() throws {
    #expect(
      try refusal(["truth"]).contains("is another model, but the truth is known of the model shapes only"))
    // A model of that name, of another size.
    try FileManager.default.copyItem(atPath: Command.tinyModel, toPath: folder("shapes"))
    let outcome = try Command.run(
      ["eval", "truth", "--model", "./shapes", "--workspace", "w", "--store", "tiny-update-24", "--quiet"],
      in: folder)
    #expect(outcome.status == 1)
    #expect(outcome.err.contains("but the truth is known of the model shapes only"), "\(outcome.err)")
  }
}
