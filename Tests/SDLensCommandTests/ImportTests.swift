import Foundation
import SDLensCore
import SDLensTestSupport
import Testing

/// `sdlens import` of what Python wrote: `Scripts/goldens/unbox_activations.py`.
@Suite struct ImportTests {
  private static let goldens =
    URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().path
    + "/SDLensSparseTests/Goldens"
  private static let block = "unet.down_blocks.2.attentions.1"
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func run(_ source: String, _ arguments: [String] = []) throws -> Outcome {
    try Command.run(
      ["import", source, "--model", Command.tinyModel, "--workspace", "w", "--quiet"] + arguments, in: folder)
  }

  private func shard(_ index: Int) throws -> Safetensors {
    try Safetensors(contentsOf: folder("w/activations/tiny-unbox/shard-0000\(index).safetensors"))
  }

  @Test func theStoreHoldsWhatTheTarsHold() throws {
    let outcome = try run(
      "\(Self.goldens)/unbox/whole", ["--dtype", "float32", "--shard-size", "2", "--json"])
    #expect(outcome.status == 0 && outcome.err == "", "\(outcome.err)")
    #expect(outcome.out.contains(#""shards_made" : 3"#), "\(outcome.out)")
    let wanted = try Safetensors(contentsOf: "\(Self.goldens)/unbox.safetensors")
    for (index, pictures) in [0..<2, 2..<4, 4..<5].enumerated() {
      for block in ["down.2.1", "mid.0"] {
        expectSame(try shard(index).tensor(block), try wanted.tensor(block).pictures(pictures), block)
      }
    }
    #expect(try shard(2).metadata["prompts"] == #"["picture 2.0, a café"]"#)
    let info = try Command.run(["info", "w/activations/tiny-unbox", "--quiet"], in: folder)
    #expect(info.status == 0)
    #expect(info.out.contains("Pictures   5 of 5, 96 × 96 pixels"), "\(info.out)")
    #expect(info.out.contains("noise of sdxl-unbox"), "\(info.out)")
  }

  @Test func aDictionaryLearnsFromIt() throws {
    #expect(try run("\(Self.goldens)/unbox/whole").status == 0)
    #expect(try shard(0).entry("mid.0")?.type == .f16)
    let training = try Command.run(
      [
        "train-sae", "--model", Command.tinyModel, "--workspace", "w", "--features", "4", "--k", "3",
        "--steps", "5",
        "--batch", "16", "--aux-k", "2", "--quiet",
      ], in: folder)
    #expect(training.out == "w/saes/down.2.1/k3-n4\n", "\(training.err)")
    // Its pictures cannot be made again, and nobody gets another one in their place.
    let answers = try (0..<4).map {
      try Command.run(
        [
          "intervene", "--model", Command.tinyModel, "--workspace", "w", "--feature", "\($0)", "--beta", "2",
          "--quiet",
        ], in: folder)
    }
    #expect(answers.allSatisfy { $0.status == 1 })
    #expect(
      answers.contains { $0.err.contains("were made by sdxl-unbox, whose noise no seed") }, "\(answers)")
  }

  @Test func whatIsThereIsNotWrittenAgain() throws {
    let arguments = ["--shard-size", "2"]
    #expect(try run("\(Self.goldens)/unbox/whole", arguments).status == 0)
    let path = folder("w/activations/tiny-unbox/shard-00001.safetensors")
    let bytes = try Data(contentsOf: URL(fileURLWithPath: path))
    try FileManager.default.removeItem(atPath: path)
    let again = try run("\(Self.goldens)/unbox/whole", arguments + ["--json"])
    #expect(again.out.contains(#""shards_made" : 1"#), "\(again)")
    #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == bytes)
    let other = try run("\(Self.goldens)/unbox/whole", arguments + ["--limit", "3"])
    #expect(
      other.err.hasPrefix(
        "Error: 'w/activations/tiny-unbox' was begun with pictures 5, but 3 is asked for now;"),
      "\(other.err)")
  }

  @Test func aDamagedShardIsNotTakenForOneThatIsThere() throws {
    #expect(try run("\(Self.goldens)/unbox/whole", ["--shard-size", "2"]).status == 0)
    let path = "w/activations/tiny-unbox/shard-00001.safetensors"
    #expect(try shell("cp \(path) kept && truncate -s 300 \(path)", in: folder).status == 0)
    let damaged = try run("\(Self.goldens)/unbox/whole", ["--shard-size", "2"])
    #expect(damaged.status == 1 && damaged.err.hasPrefix("Error: '\(path)' is no shard ("), "\(damaged)")
    #expect(try shell("rm \(path)", in: folder).status == 0)
    #expect(try run("\(Self.goldens)/unbox/whole", ["--shard-size", "2"]).status == 0)
    #expect(try shell("cmp kept \(path)", in: folder).status == 0)
  }

  @Test func someBlocksOfSomePictures() throws {
    let outcome = try run(
      "\(Self.goldens)/unbox/whole", ["--limit", "3", "--block", "mid.0", "--dtype", "float32"])
    #expect(outcome.status == 0, "\(outcome.err)")
    let wanted = try Safetensors(contentsOf: "\(Self.goldens)/unbox.safetensors")
    expectSame(try shard(0).tensor("mid.0"), try wanted.tensor("mid.0").pictures(0..<3), "mid.0")
    #expect(try shard(0).entry("down.2.1") == nil)
  }

  /// In single precision the same store, and said.
  @Test func float64IsRoundedAndSaid() throws {
    let outcome = try Command.run(
      [
        "import", "\(Self.goldens)/unbox/double", "--model", Command.tinyModel, "--workspace", "w", "--dtype",
        "float32",
      ], in: folder)
    #expect(outcome.status == 0)
    #expect(
      outcome.err.contains(
        "'\(Self.block)' in '\(Self.goldens)/unbox/double' has float64, rounded to float32\n"),
      "\(outcome.err)")
    let double = try shard(0).tensor("down.2.1")
    #expect(
      try run(
        "\(Self.goldens)/unbox/other-pictures", ["--limit", "1", "--dtype", "float32", "--name", "single"]
      ).status == 0)
    let single = try Safetensors(contentsOf: folder("w/activations/single/shard-00000.safetensors"))
    expectSame(double, try single.tensor("down.2.1"), "double")
  }

  /// Folders of the goldens, options, and what is said.
  static let refused: [(folder: String, arguments: [String], says: String)] = [
    (
      "unbox/whole", ["--block", "up.0.0"],
      "has no block 'up.0.0'; there are \(block), unet.mid_block.attentions.0"
    ),
    (
      "unbox/other-pictures", [],
      "has other pictures in 'unet.mid_block.attentions.0' than in '\(block)', from sample_2"
    ),
    ("unbox/beyond-half", [], "beyond the largest half-precision number 65504; store it as float32"),
    ("unbox/nan", ["--dtype", "float32"], "nan"),
    ("unbox/two-steps", [], "is no update of a single step: a tensor [batch, 1, channels, height, width]"),
    ("unbox/two-prompts", [], "has 2 prompts for the 1 pictures of 'sample_0'"),
    ("unbox/no-update", [], "has no 'sample_0.diff.pth'; collect it again"),
    ("unbox/no-prompts", [], "has no 'sample_0.gen_args.json'; collect it again"),
    ("unbox/no-pictures", [], "has no picture in '\(block)'; collect it again"),
    (
      "unbox/other-size", [],
      "the activations of down.2.1 have 32 channels at 4 × 4, but those of the model tiny have 32 at 3 × 3; name the "
        + "model that made them with --model"
    ),
    (
      "unbox/other-name", [],
      "has a tar 'unet.down_blocks.3', which is no block's; name those to import with --block"
    ),
    ("formats/activations", [], "have 3 channels at 4 × 5, but those of the model tiny have 32 at 4 × 5"),
    ("unbox/missing", [], "does not exist; check the path"),
    ("formats", [], "has no activations of sdxl-unbox: looked for one .tar for each block"),
  ]

  @Test(arguments: refused.indices) func refusals(index: Int) throws {
    let (source, arguments, says) = Self.refused[index]
    let outcome = try run("\(Self.goldens)/\(source)", arguments)
    #expect(outcome.status == 1)
    #expect(outcome.err.contains(says), "\(outcome.err)")
    let left = FileManager.default.enumerator(atPath: folder("w"))?.allObjects as? [String] ?? []
    #expect(!left.contains { $0.contains("shard") || $0.hasSuffix(".tmp") }, "\(left)")
  }

  @Test(arguments: [700, 4_000, 20_000]) func aCutTarIsNamed(length: Int) throws {
    let whole = try Data(
      contentsOf: URL(fileURLWithPath: "\(Self.goldens)/unbox/whole/\(Self.block).tar"))
    try folder.write(whole.prefix(length), to: "cut/\(Self.block).tar")
    let outcome = try run("cut")
    #expect(outcome.status == 1)
    #expect(outcome.err.hasPrefix("Error: 'cut/\(Self.block).tar' "), "\(outcome.err)")
    #expect(try folder.contents == ["cut"])
  }

  @Test(arguments: [
    (["--limit", "0"], "limit is 0, but it must be from 1 to 1048576"),
    (["--shard-size", "-1"], "shard-size is -1, but it must be from 1 to 1048576"),
    (["--name", ".x"], "name is '.x', but it must be the name of a folder, without '/'"),
  ])
  func usage(arguments: [String], message: String) throws {
    let outcome = try Command.run(["import", "x"] + arguments, in: folder)
    #expect(outcome.status == 64)
    #expect(outcome.err.hasPrefix("Error: \(message)\n"), "\(outcome.err)")
  }
}
