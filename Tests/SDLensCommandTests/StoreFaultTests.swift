import Foundation
import SDLensCore
import SDLensTestSupport
import Testing

/// Stores that many processes fill, some of which die: 40 pictures of the small model in 10 shards.
@Suite struct StoreFaultTests {
  private let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
    let prompts = (0..<40).map { "a house with \($0) windows" }.joined(separator: "\n")
    try folder.write(prompts.utf8, to: "prompts.txt")
  }

  private static let start = [
    "collect", "--model", Command.tinyModel, "--prompts", "prompts.txt", "--shard-size", "4", "--block",
    "mid.0",
    "up.0.0", "--quiet",
  ]

  private func collect(_ arguments: String...) throws -> Outcome {
    try Command.run(Self.start + arguments, in: folder)
  }

  private func info(_ store: String, _ arguments: String...) throws -> Outcome {
    try Command.run(["info", store, "--model", Command.tinyModel, "--quiet"] + arguments, in: folder)
  }

  private func shard(_ number: Int, of workspace: String = "w") -> String {
    folder("\(workspace)/activations/tiny-update/shard-0000\(number).safetensors")
  }

  /// The files of a store and their bytes.
  private func contents(_ workspace: String) throws -> [String: Data] {
    let path = folder("\(workspace)/activations/tiny-update")
    let names = try FileManager.default.contentsOfDirectory(atPath: path)
    return try Dictionary(
      uniqueKeysWithValues: names.map { ($0, try Data(contentsOf: URL(fileURLWithPath: "\(path)/\($0)"))) })
  }

  @Test func whatIsMissingDamagedAndDoubledIsNamedAndItsCommandsMakeTheStoreWhole() throws {
    #expect(try collect("--workspace", "w").status == 0)
    let whole = try contents("w")
    let manager = FileManager.default
    for number in [3, 7, 8] { try manager.removeItem(atPath: shard(number)) }
    // As a node leaves it whose disk had not kept all that was flushed.
    try Data(contentsOf: URL(fileURLWithPath: shard(5))).prefix(900).write(to: URL(fileURLWithPath: shard(5)))
    var bytes = try Data(contentsOf: URL(fileURLWithPath: shard(6)))
    bytes[bytes.count - 10] ^= 4
    try bytes.write(to: URL(fileURLWithPath: shard(6)))
    try manager.copyItem(atPath: shard(0), toPath: shard(0) + ".bak")
    try folder.write([1, 2], to: "w/activations/tiny-update/.sdlens-0123456789abcdef-7-7-1.tmp")

    let found = try info("w/activations/tiny-update")
    #expect(found.status == 1)
    #expect(found.out.contains("\nMissing    3 of 10 shards: 3,7-8\n"), "\(found.out)")
    #expect(
      found.out.contains("\nDoubled    shard-00000.safetensors.bak: not read; delete what is not needed\n"),
      "\(found.out)")
    #expect(
      found.out.contains("\nUnfinished 1 files that are being written, or whose writers were killed\n"),
      "\(found.out)")
    #expect(found.out.contains("shard-00005.safetensors' is not a whole safetensors file"), "\(found.out)")
    #expect(found.out.contains("shard-00006.safetensors' has the checksum "), "\(found.out)")
    let lines = found.out.split(separator: "\n").map { $0.drop { $0 == " " } }
    let array = try #require(lines.first { $0.hasPrefix("sbatch ") })
    #expect(array.hasPrefix("sbatch --array=4,6-9 Scripts/slurm/collect 10 --model "), "\(array)")
    let removal = try #require(lines.first { $0.hasPrefix("rm ") })
    #expect(
      removal
        == "rm w/activations/tiny-update/shard-00005.safetensors w/activations/tiny-update/shard-00006.safetensors"
    )
    let command = try #require(lines.first { $0.hasPrefix("sdlens collect ") })
      .replacingOccurrences(of: "THE-SAME-FILE", with: "prompts.txt")

    let json = try info("w/activations/tiny-update", "--json")
    #expect(json.out.contains(removal) && json.out.contains(#""doubled" : ["#), "\(json.out)")

    let mended = try shell(
      "\(removal) && rm w/activations/tiny-update/*.bak && "
        + command.replacingOccurrences(of: "sdlens collect", with: "'\(Command.program)' collect"), in: folder
    )
    #expect(mended.status == 0, "\(mended.err)")
    try manager.removeItem(atPath: folder("w/activations/tiny-update/.sdlens-0123456789abcdef-7-7-1.tmp"))
    #expect(try contents("w") == whole)
    let after = try info("w/activations/tiny-update")
    #expect(after.status == 0 && !after.out.contains("To make it whole"), "\(after.out)")
  }

  @Test(arguments: [
    ["--sample-places", "2", "--dtype", "float32"], ["--sample-places", "2", "--dtype", "float8"],
    ["--site", "residual", "--seed", "-7", "--guidance", "3.5"],
    ["--site", "heads", "--layer", "0", "--size", "64"], ["--engine", "openblas"], ["--precision", "int16"],
    ["--steps", "3", "--at-step", "2", "0"],
    ["--lora", "style.safetensors:0.5", "--sampler", "tcd", "--timesteps", "800", "300", "--eta", "0.3"],
    ["--vae", "vae"], ["--model", "unet.safetensors", "--base", "base"],
  ])
  func theCommandAsksForTheSameStore(options: [String]) throws {
    try Safetensors.write(
      [
        ("unet.mid_block.attentions.0.proj_in.lora_A.weight", Tensor.random([2, 32], seed: 1)),
        ("unet.mid_block.attentions.0.proj_in.lora_B.weight", Tensor.random([32, 2], seed: 2)),
      ], to: folder("style.safetensors"))
    for (name, part) in [
      ("base", ""), ("vae", "/vae"), ("unet.safetensors", "/unet/diffusion_pytorch_model.safetensors"),
    ] {
      try FileManager.default.createSymbolicLink(
        atPath: folder(name), withDestinationPath: Command.tinyModel + part)
    }
    #expect(
      try Command.run(Self.start + ["--workspace", "a b", "--name", "it's"] + options, in: folder).status == 0
    )
    let store = "a b/activations/it's"
    let removed = folder("\(store)/shard-00009.safetensors")
    let bytes = try Data(contentsOf: URL(fileURLWithPath: removed))
    try FileManager.default.removeItem(atPath: removed)
    let found = try info(store)
    #expect(found.status == 0)
    let line = try #require(found.out.split(separator: "\n").first { $0.hasPrefix("  sdlens collect ") })
    let mended = try shell(
      line.replacingOccurrences(of: "THE-SAME-FILE", with: "prompts.txt")
        .replacingOccurrences(of: "sdlens collect", with: "'\(Command.program)' collect"), in: folder)
    #expect(mended.status == 0, "\(line): \(mended.err)")
    #expect(try Data(contentsOf: URL(fileURLWithPath: removed)) == bytes)
  }

  @Test func filesOfNodesWhoseClocksDifferByAnHourAreLeftAlone() throws {
    let names = [-3600, 3600].map { ".sdlens-fedcba9876543210-9-9-\(abs($0 + 1)).tmp" }
    for (name, shift) in zip(names, [-3600, 3600]) {
      try folder.write([1], to: "w/activations/tiny-update/\(name)")
      let then = timeval(tv_sec: time(nil) + shift, tv_usec: 0)
      utimes(folder("w/activations/tiny-update/\(name)"), [then, then])
    }
    #expect(try collect("--workspace", "w").status == 0)
    #expect(try collect("--workspace", "v").status == 0)
    var found = try contents("w")
    for name in names { #expect(found.removeValue(forKey: name) != nil, "\(name) was taken from its writer") }
    #expect(try found == contents("v"))
  }

  @Test func ofTwoJobsWithOtherSettingsOneGetsTheStoreAndTheOtherIsRefused() throws {
    func begin(_ seed: String) throws -> (process: Process, err: Pipe) {
      let (process, err) = (Process(), Pipe())
      process.executableURL = URL(fileURLWithPath: Command.program)
      process.arguments = Self.start + ["--workspace", "w", "--seed", seed]
      process.currentDirectoryURL = URL(fileURLWithPath: folder.path)
      process.standardOutput = FileHandle.nullDevice
      process.standardError = err
      try process.run()
      return (process, err)
    }
    let seeds = ["1", "2"]
    let jobs = try seeds.map(begin)
    for job in jobs { job.process.waitUntilExit() }
    let winner = try #require(jobs.firstIndex { $0.process.terminationStatus == 0 })
    let loser = 1 - winner
    #expect(jobs[loser].process.terminationStatus == 1)
    let message = String(decoding: jobs[loser].err.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    #expect(
      message
        == "Error: 'w/activations/tiny-update' was begun with seed \(seeds[winner]), but \(seeds[loser]) is asked for now; "
        + "ask for the same, give the new store another name with collect --name, or train on this one as it is with "
        + "--store tiny-update\n")
    #expect(try collect("--workspace", "alone", "--seed", seeds[winner]).status == 0)
    #expect(try contents("w") == contents("alone"))
  }
}
