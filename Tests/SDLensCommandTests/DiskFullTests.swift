import Foundation
import SDLensTestSupport
import Testing

/// `collect` and `train-sae` where the disk takes no more, and where it does again. (`generate`: `OutputTests`.)
///
/// Everywhere a limit on the size of a file stands for the disk: the first write beyond it fails in the middle of a
/// file. Where tests may mount, a full disk is one.
@Suite struct DiskFullTests {
  private let folder: TemporaryFolder

  /// With what a run without any limit leaves, in `whole`.
  init() throws {
    folder = try TemporaryFolder()
    try FileManager.default.copyItem(atPath: Self.made.get()("whole"), toPath: folder("whole"))
    try FileManager.default.copyItem(atPath: Self.made.get()("prompts.txt"), toPath: folder("prompts.txt"))
  }

  // Made once, copied for every test.
  private static let made: Result<TemporaryFolder, any Error> = Result {
    let folder = try TemporaryFolder()
    try folder.write(
      (0..<40).map { "a house with \($0) windows" }.joined(separator: "\n").utf8, to: "prompts.txt")
    let outcome = try shell("\(collect("whole")) && \(train("whole"))", in: folder)
    guard outcome.status == 0 else { throw Unmade(message: outcome.err) }
    return folder
  }

  private struct Unmade: Error { let message: String }

  private static func collect(_ workspace: String) -> String {
    "'\(Command.program)' collect --model '\(Command.tinyModel)' --prompts prompts.txt --dtype float32 --shard-size 16 "
      + "--quiet --workspace \(workspace)"
  }

  /// On the store of the run without a limit; a checkpoint takes about 50 kB.
  private static func train(_ workspace: String) -> String {
    "'\(Command.program)' train-sae --model '\(Command.tinyModel)' --store whole/activations/tiny-update --features 24,40 "
      + "--k 3 --steps 20 --batch 64 --aux-k 8 --dead-after 500 --save-every 5 --log-every 4 --quiet --workspace "
      + workspace
  }

  /// Whether a part of two workspaces is the same, to the byte.
  private static func same(_ part: String, _ workspace: String) -> String {
    "diff -r whole/\(part) \(workspace)/\(part)"
  }

  @Test func collectStopsAtALimitAndGoesOnWithout() throws {
    let outcome = try shell("(ulimit -f 8; \(Self.collect("w")))", in: folder)
    #expect(
      outcome.err
        == "Error: 'w/activations/tiny-update/shard-00000.safetensors' cannot be written: File too large for 'ulimit -f' or for the "
        + "file system; raise that limit or choose another place\n")
    #expect(outcome.status == 1)
    let left = try FileManager.default.contentsOfDirectory(atPath: folder("w/activations/tiny-update"))
    #expect(left == ["manifest.json"])
    #expect(
      try shell("\(Self.collect("w")) && \(Self.same("activations", "w"))", in: folder).status == 0)
  }

  @Test func trainingStopsAtALimitAndGoesOnWithout() throws {
    let outcome = try shell("(ulimit -f 16; \(Self.train("w"))); echo $?; find w -type f", in: folder)
    #expect(
      outcome.err
        == "Error: 'w/training/down.2.1/k3-n24+k3-n40/checkpoint.safetensors' cannot be written: File too large for 'ulimit -f' or for the "
        + "file system; raise that limit or choose another place\n")
    #expect(outcome.out == "1\nw/training/down.2.1/k3-n24+k3-n40/log.jsonl\n")
    let again = try shell(
      "\(Self.train("w")) && \(Self.same("training", "w")) && \(Self.same("saes", "w"))", in: folder)
    #expect(again.status == 0, "\(again)")
  }

  /// The disk has room for the vectors, as is checked before, but not for the headers of all files.
  @Test(.enabled(if: canMount)) func collectStopsOnAFullDiskAndGoesOnWithRoom() throws {
    try folder.write([], to: "disk/.nothing")
    let vectors = 40 * (9 + 9 + 9 + 9) * 32 * 4 / 1024 + 1
    let outcome = try shell(
      """
      \(mount(kilobytes: vectors + 4)) && { \(Self.collect("disk/w")); echo $?; find disk -name '.*.tmp'; } && \
      ls disk/w/activations/tiny-update && mount -o remount,size=10m disk && \(Self.collect("disk/w")) && \
      \(Self.same("activations", "disk/w"))
      """, in: folder)
    #expect(outcome.status == 0)
    #expect(
      outcome.err.hasPrefix(
        "Error: 'disk/w/activations/tiny-update/shard-00002.safetensors' cannot be written: it needs "),
      "\(outcome.err)")
    #expect(
      outcome.err.hasSuffix(" are free on its disk; make room or choose another place\n"), "\(outcome.err)")
    let lines = outcome.out.split(separator: "\n")
    #expect(
      lines.prefix(4) == ["1", "manifest.json", "shard-00000.safetensors", "shard-00001.safetensors"],
      "\(lines)")
  }

  /// There is room for one checkpoint, but not for the next one beside it: the first stays.
  @Test(.enabled(if: canMount)) func trainingStopsOnAFullDiskAndGoesOnWithRoom() throws {
    try folder.write([], to: "disk/.nothing")
    let whole = folder("whole/training/down.2.1/k3-n24+k3-n40/checkpoint.safetensors")
    let size = try FileManager.default.attributesOfItem(atPath: whole)[.size] as! Int
    let outcome = try shell(
      """
      \(mount(kilobytes: size * 3 / 2048)) && { \(Self.train("disk/w")); echo $?; find disk -name '.*.tmp'; } && \
      ls disk/w/training/down.2.1/* && mount -o remount,size=10m disk && \(Self.train("disk/w")) && \
      \(Self.same("training", "disk/w")) && \(Self.same("saes", "disk/w"))
      """, in: folder)
    #expect(outcome.status == 0)
    #expect(
      outcome.err.hasPrefix(
        "Error: 'FOLDER/disk/w/training/down.2.1/k3-n24+k3-n40/checkpoint.safetensors' cannot be written: it needs "
      ),
      "\(outcome.err)")
    let lines = outcome.out.split(separator: "\n")
    #expect(lines.prefix(3) == ["1", "checkpoint.safetensors", "log.jsonl"], "\(lines)")
  }

  @Test(.enabled(if: canMount)) func aStoreThatDoesNotFitIsNotBegun() throws {
    try folder.write([], to: "disk/.nothing")
    let outcome = try shell("\(mount(kilobytes: 64)) && \(Self.collect("disk/w"))", in: folder)
    #expect(outcome.status == 1)
    #expect(
      outcome.err.hasPrefix(
        "Error: the store will take 180 kB, but the disk has 64 kB free; keep fewer places"),
      "\(outcome.err)")
  }
}
