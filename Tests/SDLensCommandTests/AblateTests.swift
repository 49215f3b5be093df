import Foundation
import SDLensTestSupport
import Testing

/// `sdlens ablate` on the small model and on the embedded one.
@Suite struct AblateTests {
  private let folder: TemporaryFolder
  private static let small = [
    "--model", Command.tinyModel, "--prompts", "prompts.txt", "--pictures", "30", "--test-pictures", "100",
    "--steps", "6", "--seeds", "2", "--workspace", "w", "--block", "up.0.1",
  ]

  init() throws {
    folder = try TemporaryFolder()
    let prompts = (0..<130).map { "a house with \($0) windows" }.joined(separator: "\n")
    try folder.write(prompts.utf8, to: "prompts.txt")
  }

  private struct Report: Decodable, Equatable {
    struct Estimate: Decodable, Equatable {
      let value: Double
      let n: Int
      let interval: [Double]?
    }
    struct Cell: Decodable, Equatable {
      let column: String
      let values: [Double]
      let estimate: Estimate
    }
    struct Row: Decodable, Equatable {
      let block, variant, site, recipe: String
      let features, k: Int
      let cells: [Cell]
      let omissions: [String: String]

      subscript(column: String) -> Cell? { cells.first { $0.column == column } }
    }
    let name: String
    let seeds: [Int]
    let pictures, testPictures: Int
    let rows: [Row]
  }

  private func report(_ arguments: [String]) throws -> Report {
    let outcome = try Command.run(["ablate"] + arguments + ["--json", "--quiet"], in: folder)
    #expect(outcome.status == 0, "\(outcome.err)")
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return try decoder.decode(Report.self, from: Data(outcome.out.utf8))
  }

  private static let architecture =
    ["architecture", "--sizes", "16:2", "--recipe-size", "24:3", "--recipes"]
    + ["topk", "batch-topk", "jumprelu", "frozen-decoder", "frozen-encoder", "random"] + small

  @Test func everyVariantIsTrainedOncePerSeedAndWhatIsDoneIsKept() throws {
    let found = try report(Self.architecture)
    #expect(found.name == "architecture" && found.seeds == [42, 43])
    #expect(found.pictures == 30 && found.testPictures == 100)
    #expect(
      found.rows.map(\.variant) == [
        "topk-k2-n16", "topk-k3-n24", "batch-topk-k3-n24", "jumprelu-k3-n24", "frozen-decoder-k3-n24",
        "frozen-encoder-k3-n24", "random-k3-n24",
      ])
    for row in found.rows {
      #expect(row.block == "up.0.1" && row.site == "update")
      for column in ["loss", "explained_variance", "l0", "dead"] {
        let cell = try #require(row[column])
        #expect(cell.values.count == 2 && cell.estimate.n == 2 && cell.estimate.interval?.count == 2)
        #expect(abs(cell.estimate.value - (cell.values[0] + cell.values[1]) / 2) < 1e-9)
      }
      #expect(row["l0"].map { 0.1...Double(3 * row.k) ~= $0.estimate.value } == true, "\(row)")
      #expect(row.omissions["truth"] == "the truth is known of the model shapes only")
      #expect(row.omissions["specificity"] == "CLIP is missing; name its folder with --clip")
    }
    // Two seeds are two dictionaries, and what is frozen is another one than what learns.
    let losses = found.rows.flatMap { $0["loss"]?.values ?? [] }
    #expect(Set(losses).count == losses.count, "\(losses)")
    // The same first weights, one with training and one without.
    let explained = found.rows.compactMap { $0["explained_variance"]?.estimate.value }
    #expect(explained[1] > explained[6], "\(explained)")

    let kept = try FileManager.default.contentsOfDirectory(atPath: folder("w/ablations"))
    let place = "w/ablations/" + (try #require(kept.first))
    let results = "w/results/" + (try FileManager.default.contentsOfDirectory(atPath: folder("w/results")))[0]
    #expect(
      try FileManager.default.contentsOfDirectory(atPath: folder(results)).sorted()
        == ["ablation-up.0.1.png", "ablation.csv", "ablation.json", "run.json"])
    let csv = try String(contentsOfFile: folder("\(results)/ablation.csv"), encoding: .utf8)
    #expect(
      csv.hasPrefix(
        "block,variant,site,recipe,features,k,column,mean,low,high,n,seed_42,seed_43\nup.0.1,topk-k2-n16,"))
    #expect(csv.split(separator: "\n").count == 1 + 7 * 4)
    // One dictionary is lost, and half of the values, the last in its middle: the same again.
    try FileManager.default.removeItem(atPath: folder("\(place)/up.0.1/update-topk-k3-n24-seed43"))
    let lines = try Data(contentsOf: URL(fileURLWithPath: folder("\(place)/done.jsonl")))
    try folder.write(Array(lines.prefix(lines.count / 2)), to: "\(place)/done.jsonl")
    #expect(try report(Self.architecture) == found)
    // Another comparison takes what it shares with this one.
    let date =
      try FileManager.default.attributesOfItem(
        atPath: folder("\(place)/up.0.1/update-topk-k2-n16-seed42/sae.json"))[.modificationDate] as? Date
    let fewer = try report(
      ["architecture", "--sizes", "16:2", "--recipes", "random", "--recipe-size", "16:2"] + Self.small)
    #expect(fewer.rows[0] == found.rows[0] && fewer.rows.count == 2)
    let after =
      try FileManager.default.attributesOfItem(
        atPath: folder("\(place)/up.0.1/update-topk-k2-n16-seed42/sae.json"))[.modificationDate] as? Date
    #expect(date == after)
  }

  @Test(arguments: [SIGKILL, SIGTERM]) func killedAtAnyMomentItGoesOn(signal: Int32) throws {
    let arguments = [
      "architecture", "--only-recipes", "--recipes", "batch-topk", "random", "--recipe-size", "24:3",
    ]
    let found = try report(arguments + Self.small)
    let other = Self.small.map { $0 == "w" ? "v" : $0 }
    for attempt in 0..<4 {
      let process = Process()
      process.executableURL = URL(fileURLWithPath: Command.program)
      process.arguments = ["ablate"] + arguments + other + ["--quiet"]
      process.currentDirectoryURL = URL(fileURLWithPath: folder.path)
      process.standardOutput = FileHandle.nullDevice
      process.standardError = FileHandle.nullDevice
      try process.run()
      usleep(UInt32(attempt * 300_000 + Int.random(in: 0..<300_000)))
      kill(process.processIdentifier, signal)
      process.waitUntilExit()
    }
    #expect(try report(arguments + other) == found)
  }

  @Test func sitesAreComparedInTheirOwnVectors() throws {
    let found = try report(["representation", "--size", "16:2", "--measures", "reconstruction"] + Self.small)
    #expect(found.rows.map(\.variant) == ["update", "input", "residual", "heads.1"])
    #expect(found.rows.map(\.site) == found.rows.map(\.variant))
    let losses = found.rows.compactMap { $0["loss"]?.estimate.value }
    #expect(Set(losses).count == 4)
    let stores = try FileManager.default.contentsOfDirectory(atPath: folder("w/activations"))
    #expect(stores.contains("tiny-input-30") && stores.contains("tiny-heads.1-30-then-100"), "\(stores)")
    // The time comes first.
    let outcome = try Command.run(
      ["ablate", "representation", "--size", "16:2", "--sites", "input", "--measures", "activity"]
        + Self.small,
      in: folder)
    #expect(
      outcome.err.contains("2 dictionaries: 0 to train and 2 to measure, 0 pictures to record: about "),
      "\(outcome.err)")
    #expect(outcome.out.hasPrefix("Means over 2 seeds, learned from 30 pictures, measured on 100 others\n"))
    // A dictionary of the input edits nothing, and is for stores of the input only.
    let place = try FileManager.default.contentsOfDirectory(atPath: folder("w/ablations"))[0]
    let path = "w/ablations/\(place)/up.0.1/input-topk-k2-n16-seed42"
    let edit = try Command.run(
      [
        "intervene", "--model", Command.tinyModel, "--workspace", "w", "--block", "up.0.1", "--sae", path,
        "--feature", "3", "--beta", "2", "--prompt", "a house", "--quiet",
      ], in: folder)
    #expect(edit.status == 1)
    #expect(
      edit.err
        == "Error: the dictionary '\(path)' is of the site input, but update is needed; choose another with --sae\n"
    )
    let statistics = try Command.run(
      ["statistics", "--sae", path, "--store", "w/activations/tiny-update-30", "--quiet"], in: folder)
    #expect(statistics.status == 1)
    #expect(
      statistics.err
        == "Error: 'w/activations/tiny-update-30' has the update of its blocks, but the dictionary '\(path)' is of the "
        + "input; name a store of that with --store\n")
    // The input is probed where it was recorded.
    let probe = [
      "probe", "--model", Command.tinyModel, "--workspace", "w", "--block", "up.0.1", "--target", "row",
      "--quiet",
    ]
    let told = try Command.run(probe + ["--site", "input"], in: folder)
    #expect(told.status == 0 && told.out.hasPrefix("The row from the input of up.0.1\n"), "\(told)")
    let codes = try Command.run(probe + ["--site", "input", "--codes", "--sae", path], in: folder)
    #expect(codes.status == 0 && codes.out.hasPrefix("The row from the features of the input of up.0.1\n"))
    try FileManager.default.removeItem(atPath: folder("w/activations"))
    let missing = try Command.run(probe + ["--site", "heads"], in: folder)
    #expect(
      missing.err
        == "Error: 'w' has no store of the heads.1 of up.0.1 of the model tiny; make one with: sdlens collect --block up.0.1 "
        + "--site heads --layer 1\n", "\(missing.err)")
  }

  /// At mid.0, which carries the size alone.
  @Test func onShapesTheTruthIsMeasured() throws {
    let found = try report([
      "architecture", "--sizes", "48:4", "--recipes", "random", "--recipe-size", "48:4", "--pictures", "60",
      "--test-pictures", "100", "--steps", "40", "--seeds", "1", "--block", "mid.0", "--workspace", "s",
      "--features", "5",
    ])
    for row in found.rows {
      for column in [
        "specificity", "caption", "detection", "auroc", "auroc_place", "mcc", "f1", "probe_1", "probe_5",
        "on", "off",
      ] {
        let cell = try #require(row[column], "\(column) of \(row.variant): \(row.omissions)")
        #expect(-1...1 ~= cell.estimate.value && cell.estimate.n == 1 && cell.estimate.interval == nil)
      }
      #expect(row.omissions.isEmpty)
    }
    let (trained, random) = (found.rows[0], found.rows[1])
    let both = [trained, random].compactMap { $0["explained_variance"]?.estimate.value }
    #expect(both[0] > both[1])
  }

  @Test func whatCannotBeComparedIsRefused() throws {
    let cases: [(arguments: [String], status: Int32, message: String)] = [
      (
        ["architecture", "--sizes", "5:6"], 64,
        "a size is 5:6, but it must be n:k with n from 1 to 1048576 and k from 1 to n, as in 5120:20"
      ),
      (
        ["architecture", "--only-recipes", "--sizes", "5:2"], 64,
        "--only-recipes leaves the sizes out; leave out --sizes, or --only-recipes"
      ),
      (["representation", "--seeds", "0"], 64, "seeds is 0, but it must be from 1 to 1000"),
      (
        ["representation", "--test-pictures", "99"], 64,
        "test-pictures is 99, but it must be from 100 to 1073741824"
      ),
      (["architecture", "--features", "0"], 64, "features is 0, but it must be from 1 to 1048576"),
      (["architecture", "--steps", "0"], 64, "steps is 0, but it must be from 1 to 1073741824"),
      (
        [
          "architecture", "--model", Command.tinyModel, "--prompts", "prompts.txt", "--pictures", "31",
          "--test-pictures", "100",
        ],
        1,
        "'prompts.txt' has 130 prompts, but 31 to learn from and 100 others to measure on are needed; give a longer list "
          + "with --prompts, or take fewer with --pictures and --test-pictures"
      ),
      (
        ["architecture", "--only-recipes", "--recipe-size", "8:9"], 64,
        "a size is 8:9, but it must be n:k with n from 1 to 1048576 and k from 1 to n, as in 5120:20"
      ),
    ]
    for (arguments, status, message) in cases {
      let outcome = try Command.run(["ablate"] + arguments + ["--quiet"], in: folder)
      #expect(outcome.status == status, "\(arguments): \(outcome.err)")
      #expect(outcome.err.hasPrefix("Error: \(message)\n"), "\(outcome.err)")
    }
    let unknown = try Command.run(["ablate", "architecture", "--recipes", "gated"], in: folder)
    #expect(unknown.status == 64 && unknown.err.contains("'gated'") && unknown.err.contains("frozen-encoder"))
    #expect(!FileManager.default.fileExists(atPath: folder("sdlens-workspace/results")))
  }
}
