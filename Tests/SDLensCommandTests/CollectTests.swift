import Foundation
import SDLensCore
import SDLensTestSupport
import Testing

/// `sdlens collect` with the small model: 40 pictures in 3 shards of 16.
@Suite struct CollectTests {
  private let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
    let prompts = (0..<40).map { "a house with \($0) windows" }.joined(separator: "\n")
    try folder.write(prompts.utf8, to: "prompts.txt")
  }

  private static let start = [
    "collect", "--model", Command.tinyModel, "--prompts", "prompts.txt", "--dtype", "float32", "--shard-size",
    "16",
  ]

  private func collect(_ arguments: String...) throws -> Outcome {
    try Command.run(Self.start + arguments, in: folder)
  }

  /// The files of a folder and their bytes.
  private func contents(_ path: String) throws -> [String: Data] {
    let names = try FileManager.default.contentsOfDirectory(atPath: folder(path))
    return try Dictionary(
      uniqueKeysWithValues: names.map {
        ($0, try Data(contentsOf: URL(fileURLWithPath: folder("\(path)/\($0)"))))
      })
  }

  @Test func recordsTheStudiedBlocks() throws {
    let outcome = try collect("--workspace", "w", "--limit", "20", "--json", "--quiet")
    #expect(outcome.status == 0 && outcome.err == "")
    #expect(outcome.out.contains(#""store" : "w/activations/tiny-update""#), "\(outcome.out)")
    let info = try Command.run(["info", "w/activations/tiny-update", "--quiet"], in: folder)
    #expect(info.status == 0)
    #expect(info.out.contains("Pictures   20 of 20, 96 × 96 pixels"), "\(info.out)")
    for block in ["down.2.1", "mid.0", "up.0.0", "up.0.1"] { #expect(info.out.contains(block)) }
    let again = try collect("--workspace", "w", "--limit", "20")
    #expect(again.err.contains("'w/activations/tiny-update' has nothing left to record"), "\(again.err)")
  }

  @Test func everyWayThroughTheJobGivesTheSameBytes() throws {
    #expect(try collect("--workspace", "a", "--images", "--quiet").status == 0)
    // Other batches and threads, in parts, with one shard lost and made again.
    for part in ["2/3", "1/3", "3/3"] {
      let batch = part == "1/3" ? "1" : "7"
      #expect(
        try collect(
          "--workspace", "b", "--images", "--shard", part, "--batch", batch, "--threads", batch, "--quiet"
        ).status == 0)
    }
    try FileManager.default.removeItem(atPath: folder("b/activations/tiny-update/shard-00001.safetensors"))
    #expect(try collect("--workspace", "b", "--images", "--quiet").status == 0)
    let (a, b) = (try contents("a/activations/tiny-update"), try contents("b/activations/tiny-update"))
    #expect(a.keys.sorted() == b.keys.sorted())
    for (name, bytes) in a { #expect(bytes == b[name], "\(name)") }
  }

  @Test func picturesAreMadeWhereTheyAreMissing() throws {
    #expect(try collect("--workspace", "a", "--quiet").status == 0)
    let without = try contents("a/activations/tiny-update")
    let store = "a/activations/tiny-update"
    #expect(try collect("--workspace", "a", "--images").err.contains("40 of 40 pictures to record"))
    let whole = try contents(store)
    #expect(whole.count == without.count + 3)
    for (name, bytes) in without { #expect(bytes == whole[name], "\(name)") }
    try FileManager.default.removeItem(atPath: folder("\(store)/pictures-00001.safetensors"))
    #expect(try collect("--workspace", "a", "--images").err.contains("16 of 40 pictures to record"))
    #expect(try contents(store) == whole)

    // Those of another shard.
    let path = "\(store)/pictures-00000.safetensors"
    try folder.write(try #require(whole["pictures-00001.safetensors"]), to: path)
    let swapped = try Command.run(["info", store], in: folder)
    #expect(swapped.status == 1)
    #expect(
      swapped.out.contains(
        "'\(path)' says 'first' 16, but it is 0; delete it and let the 'sdlens collect' or 'import' of its store make it again"
      ),
      "\(swapped.out)")
    var bytes = try #require(whole["pictures-00000.safetensors"])
    bytes[bytes.count - 1] ^= 1
    try folder.write(bytes, to: path)
    let changed = try Command.run(["info", store], in: folder)
    #expect(changed.status == 1 && changed.out.contains("'\(path)' says 'crc32' "), "\(changed.out)")
  }

  @Test func aDamagedShardIsNotTakenForOneThatIsThere() throws {
    #expect(try collect("--workspace", "a", "--quiet").status == 0)
    let path = "a/activations/tiny-update/shard-00001.safetensors"
    let whole = try contents("a/activations/tiny-update")
    try folder.write(try #require(whole["shard-00001.safetensors"]).prefix(5000), to: path)
    let damaged = try collect("--workspace", "a", "--quiet")
    #expect(damaged.status == 1)
    #expect(damaged.err.hasPrefix("Error: '\(path)' is no shard ("), "\(damaged.err)")
    #expect(
      damaged.err.contains(
        "); delete it and let the 'sdlens collect' or 'import' of its store make it again"), "\(damaged.err)")
    try FileManager.default.removeItem(atPath: folder(path))
    #expect(try collect("--workspace", "a", "--quiet").status == 0)
    #expect(try contents("a/activations/tiny-update") == whole)
  }

  @Test func aManifestThatIsLostIsWrittenAgain() throws {
    let store = "a/activations/tiny-update"
    #expect(try collect("--workspace", "a", "--images", "--quiet").status == 0)
    let whole = try contents(store)
    try folder.write("{".utf8, to: "\(store)/manifest.json")
    let damaged = try collect("--workspace", "a", "--images", "--quiet")
    #expect(damaged.status == 1)
    #expect(
      damaged.err.hasPrefix("Error: '\(store)/manifest.json' is not as it should be: "), "\(damaged.err)")
    #expect(
      damaged.err.hasSuffix(
        "; delete it, and the 'sdlens collect' or 'import' that began the store writes it again\n"),
      "\(damaged.err)")
    try FileManager.default.removeItem(atPath: folder("\(store)/manifest.json"))
    // Beside anything else, shards of another job too, it is somebody else's folder.
    let inUse = "Error: '\(store)' holds other files and no manifest.json; choose an empty or a new folder\n"
    #expect(try collect("--workspace", "a", "--seed", "1", "--quiet").err == inUse)
    try folder.write("a letter".utf8, to: "\(store)/letter.txt")
    #expect(try collect("--workspace", "a", "--images", "--quiet").err == inUse)
    try FileManager.default.removeItem(atPath: folder("\(store)/letter.txt"))
    #expect(try collect("--workspace", "a", "--images", "--quiet").status == 0)
    #expect(try contents(store) == whole)
  }

  @Test(arguments: [SIGKILL, SIGINT, SIGTERM]) func killedAtAnyMomentItGoesOn(signal: Int32) throws {
    #expect(try collect("--workspace", "a", "--quiet").status == 0)
    for attempt in 0..<4 {
      let process = Process()
      process.executableURL = URL(fileURLWithPath: Command.program)
      process.arguments = Self.start + ["--workspace", "b", "--quiet"]
      process.currentDirectoryURL = URL(fileURLWithPath: folder.path)
      process.standardOutput = FileHandle.nullDevice
      process.standardError = FileHandle.nullDevice
      try process.run()
      usleep(UInt32(attempt * 60_000 + Int.random(in: 0..<60_000)))
      kill(process.processIdentifier, signal)
      process.waitUntilExit()
    }
    let last = try collect("--workspace", "b", "--quiet")
    #expect(last.status == 0, "\(last.err)")
    let (a, b) = (try contents("a/activations/tiny-update"), try contents("b/activations/tiny-update"))
    #expect(a == b, "\(b.keys.sorted())")
  }

  /// One step of three alone is what all three have of it, and what is trained on either is the same.
  @Test func oneStepAlone() throws {
    let options = ["--limit", "20", "--steps", "3", "--guidance", "2", "--block", "mid.0", "--quiet"]
    #expect(try Command.run(Self.start + options + ["--workspace", "a"], in: folder).status == 0)
    let one = try Command.run(
      Self.start + options + ["--workspace", "b", "--at-step", "1", "--sample-places", "2"], in: folder)
    #expect(one.status == 0 && one.out == "b/activations/tiny-update-step1\n", "\(one.err)")
    #expect(
      try Command.run(
        Self.start + options + ["--workspace", "b", "--at-step", "1", "--name", "s"], in: folder
      )
      .status == 0)
    let (all, alone) = (
      try Safetensors(contentsOf: folder("a/activations/tiny-update/shard-00001.safetensors")).tensor(
        "mid.0"),
      try Safetensors(contentsOf: folder("b/activations/s/shard-00001.safetensors")).tensor("mid.0")
    )
    #expect(alone.shape == [4, 1, all.shape[2], all.shape[3]] && all.shape[1] == 3)
    for picture in 0..<4 {
      let (whole, part) = (all.picture(picture), alone.picture(picture))
      let size = part.count
      #expect(Array(whole.elements[size..<2 * size]) == part.elements, "picture \(picture)")
    }
    let info = try Command.run(["info", "s", "--workspace", "b", "--quiet"], in: folder)
    #expect(
      info.out.contains(
        "\nRun        3 steps, of which step 1 of 3 (from 0) is recorded, guidance 2.0, seeds from 42\n"),
      "\(info.out)")
    let list = try Command.run(["list", "--workspace", "b"], in: folder)
    #expect(list.out.contains("mid.0, step 1 of 3 (from 0)\n"), "\(list.out)")

    func train(_ workspace: String, _ arguments: String...) throws -> Outcome {
      try Command.run(
        [
          "train-sae", "--model", Command.tinyModel, "--block", "mid.0", "--features", "24", "--k", "3",
          "--steps", "20",
          "--batch", "32", "--workspace", workspace,
        ] + arguments, in: folder)
    }
    let trained = try train("a", "--at-step", "1")
    #expect(trained.out == "a/saes/mid.0/k3-n24-step1\n", "\(trained.err)")
    #expect(
      trained.err.contains("'a/activations/tiny-update' (20 pictures, step 1 of 3 (from 0))"),
      "\(trained.err)")
    #expect(try train("b", "--store", "s", "--quiet").out == "b/saes/mid.0/k3-n24-step1\n")
    let parts = try ["a", "b"].map {
      try Safetensors(contentsOf: folder("\($0)/saes/mid.0/k3-n24-step1/sae.safetensors"))
    }
    for name in parts[0].names where parts[0].entry(name)?.type == .f32 {
      #expect(try parts[0].tensor(name).elements == parts[1].tensor(name).elements, "\(name)")
    }
    let shown = try Command.run(["info", "k3-n24-step1", "--workspace", "a"], in: folder)
    #expect(shown.out.contains("tiny, step 1 of 3 (from 0)"), "\(shown.out)")
    // Its statistics are of that step, too.
    #expect(shown.out.contains("\(20 * all.shape[2]) vectors"), "\(shown.out)")

    // Where it is used at another step, that is said.
    func features(_ step: String) throws -> Outcome {
      try Command.run(
        [
          "features", "--model", Command.tinyModel, "--workspace", "a", "--block", "mid.0", "--prompt",
          "a house",
          "--steps", "3", "--at-step", step, "--force",
        ], in: folder)
    }
    let note =
      "The dictionary 'k3-n24-step1' learned from step 1 of 3 (from 0), but is used at step 2 of 3 (from 0)\n"
    let (right, wrong) = (try features("1"), try features("2"))
    #expect(right.status == 0 && !right.err.contains("learned from"), "\(right.err)")
    #expect(wrong.status == 0 && wrong.err.contains(note), "\(wrong.err)")
    let edited = try Command.run(
      [
        "intervene", "--model", Command.tinyModel, "--workspace", "a", "--block", "mid.0", "--prompt",
        "a house",
        "--feature", "3", "--beta", "2", "--steps", "3",
      ], in: folder)
    #expect(
      edited.err.contains("learned from step 1 of 3 (from 0), but is used at all 3 steps\n"), "\(edited.err)")
    let measured = try Command.run(
      ["statistics", "--sae", "a/saes/mid.0/k3-n24-step1", "--store", "tiny-update", "--workspace", "a"],
      in: folder)
    #expect(
      measured.err.contains("learned from step 1 of 3 (from 0), but is used at all 3 steps\n"),
      "\(measured.err)")
  }

  @Test func stepsThatAreNotThereAreNamed() throws {
    let beyond = try collect("--steps", "2", "--at-step", "2", "--quiet")
    #expect(
      beyond.err == "Error: at-step is 2, but it must be from 0 to 1, the steps of the run (--steps)\n",
      "\(beyond.err)")
    #expect(try collect("--workspace", "w", "--limit", "4", "--block", "mid.0", "--quiet").status == 0)
    func train(_ arguments: String...) throws -> String {
      try Command.run(
        ["train-sae", "--model", Command.tinyModel, "--workspace", "w", "--block", "mid.0", "--quiet"]
          + arguments,
        in: folder
      ).err
    }
    #expect(
      try train("--at-step", "1")
        == "Error: 'w' has no store of the updates at step 1 of mid.0 of the model tiny; make one with: sdlens collect "
        + "--block mid.0 --steps … --at-step 1\n")
    #expect(
      try train("--at-step", "1", "--store", "tiny-update")
        == "Error: 'w/activations/tiny-update' has the vectors of 1 step, but at-step asks for 1; name another with --store, or "
        + "record them with: sdlens collect --steps … --at-step 1\n")
    #expect(
      try train("--at-step", "1", "--stream").hasPrefix(
        "Error: --at-step chooses steps of a store; leave it out, or --stream\n"))
    #expect(
      try train("--at-step", "1", "--input", "x.npy").hasPrefix(
        "Error: --at-step chooses steps of a store; leave it out, or --input\n"))
  }

  @Test func anotherJobInTheSamePlaceIsRefused() throws {
    #expect(try collect("--workspace", "w", "--limit", "16", "--quiet").status == 0)
    let outcome = try collect("--workspace", "w", "--limit", "16", "--seed", "43", "--quiet")
    #expect(outcome.status == 1)
    #expect(
      outcome.err
        == "Error: 'w/activations/tiny-update' was begun with seed 42, but 43 is asked for now; ask for the same, "
        + "give the new store another name with collect --name, or train on this one as it is with --store tiny-update\n"
    )
  }

  @Test(arguments: ["float8", "bfloat16"])
  func roundedVectorsSayWhatItCostsAndTrain(dtype: String) throws {
    func collect(_ dtype: String, _ arguments: String...) throws -> Outcome {
      try Command.run(
        [
          "collect", "--model", Command.tinyModel, "--prompts", "prompts.txt", "--workspace", "w", "--dtype",
          dtype,
        ]
          + arguments, in: folder)
    }
    let outcome = try collect(dtype)
    #expect(outcome.status == 0)
    #expect(
      outcome.err.contains(
        "\nAs \(dtype), vectors differ from those computed by (root mean square): down.2.1 "),
      "\(outcome.err)")
    let info = try Command.run(["info", "w/activations/tiny-update", "--quiet"], in: folder)
    #expect(info.status == 0 && info.out.contains("of every map, as \(dtype)\n"), "\(info.out)")
    #expect(info.out.contains("  Rounding\n"), "\(info.out)")
    let again = try collect("float16")
    #expect(again.status == 1)
    #expect(
      again.err.contains(
        "Error: 'w/activations/tiny-update' was begun with dtype \(dtype), but float16 is asked for now; "),
      "\(again.err)")
    let trained = try Command.run(
      [
        "train-sae", "--model", Command.tinyModel, "--workspace", "w", "--features", "24", "--k", "3",
        "--steps", "2",
        "--batch", "64",
      ], in: folder)
    #expect(trained.status == 0, "\(trained.err)")
  }

  @Test func aFolderWithOtherFilesIsLeftAlone() throws {
    try FileManager.default.createDirectory(
      atPath: folder("w/activations/x"), withIntermediateDirectories: true)
    try folder.write("mine".utf8, to: "w/activations/x/letter.txt")
    let outcome = try collect("--workspace", "w", "--name", "x", "--quiet")
    #expect(outcome.status == 1)
    #expect(
      outcome.err
        == "Error: 'w/activations/x' holds other files and no manifest.json; choose an empty or a new folder\n"
    )
  }

  @Test func damageIsShownAndExitsWithAnError() throws {
    #expect(try collect("--workspace", "w", "--limit", "17", "--quiet").status == 0)
    let path = folder("w/activations/tiny-update/shard-00000.safetensors")
    var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
    bytes[bytes.count - 100] ^= 1
    try bytes.write(to: URL(fileURLWithPath: path))
    let info = try Command.run(["info", "w/activations/tiny-update", "--quiet"], in: folder)
    #expect(info.status == 1)
    #expect(info.out.contains("shard-00000.safetensors' has the checksum "), "\(info.out)")
  }

  @Test func aModelWithoutPromptsAsksForThem() throws {
    let outcome = try Command.run(["collect", "--model", Command.tinyModel, "--quiet"], in: folder)
    #expect(outcome.status == 1)
    #expect(
      outcome.err.hasSuffix(
        "brings no list of prompts; give a file of them with --prompts (.txt, .jsonl, .csv, .tsv or .parquet)\n"
      ))
  }

  @Test func aLayerThatIsNotThereIsNamed() throws {
    let outcome = try collect("--site", "heads", "--layer", "99", "--quiet")
    #expect(outcome.status == 1)
    #expect(outcome.err.hasPrefix("Error: layer is 99, but it must be below "), "\(outcome.err)")
  }

  @Test(arguments: [
    (["--limit", "0"], "limit is 0, but it must be from 1 to 1073741824"),
    (["--limit", "4294967296"], "limit is 4294967296, but it must be from 1 to 1073741824"),
    (["--sample-places", "0"], "sample-places is 0, but it must be from 1 to 65536"),
    (["--shard-size", "1073741824"], "shard-size is 1073741824, but it must be from 1 to 1048576"),
    (["--batch", "-1"], "batch is -1, but it must be from 1 to 1073741824"),
    (["--layer", "0"], "--layer belongs to --site heads"),
    (["--shard", "4/3"], "shard is '4/3', but it must be i/n with i from 1 to n, as in 3/8"),
    (
      ["--dtype", "float4"],
      "The value 'float4' is invalid for '--dtype <format>'. Please provide one of 'float16', 'bfloat16', 'float8' or "
        + "'float32'."
    ),
    (["--name", "a/b"], "name is 'a/b', but it must be the name of a folder, without '/'"),
  ])
  func usage(arguments: [String], message: String) throws {
    let outcome = try Command.run(["collect"] + arguments, in: folder)
    #expect(outcome.status == 64)
    #expect(outcome.err.hasPrefix("Error: \(message)\n"), "\(outcome.err)")
  }
}
