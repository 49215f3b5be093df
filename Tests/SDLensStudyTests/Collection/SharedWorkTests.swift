import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensSparse
import SDLensStudy
import SDLensTestSupport
import Testing

/// What several ranks make and train together, which are threads here.
@Suite struct SharedWorkTests {
  private struct Silent: MetricProgress {
    func stage(_ text: String) {}
    func count(to total: Int, unit: String) {}
    func advance(_ text: String, by pieces: Int) {}
    func note(_ text: String) {}
  }

  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  /// 13 pictures in groups of 5, of which each rank makes a part.
  @Test func aStreamOfRanksIsThatOfOne() throws {
    let blocks = try ["down.2.1", "mid.0"].map { try BlockName($0) }
    let lines = (0..<13).map { "a house with \($0) windows" }.joined(separator: "\n")
    try folder.write(lines.utf8, to: "prompts.txt")
    let prompts = try PromptList(contentsOf: folder("prompts.txt"))
    @Sendable func rows(_ ranks: any Communicator) throws -> [Tensor] {
      let collector = try Collector(
        ModelFolder(EditedModel.tinyPath), prompts: prompts, Collector.Request(blocks: blocks),
        RunSettings(seed: 42, height: 96, width: 96))
      let stream = ActivationStream(collector, ranks)
      return try collector.manifest.blocks.map { block in
        let rows = stream.rows(of: block, buffer: 40, seed: 3)
        return try rows.rows(0..<rows.count, epoch: 1)
      }
    }
    let alone = try rows(Alone())
    for count in [2, 4] {
      for found in ThreadRanks.run(count, { try rows($0) }) {
        for (found, wanted) in zip(try found.get(), alone) { expectSame(found, wanted, "\(count) ranks") }
      }
    }
  }

  /// Dictionaries, checkpoint and log are those of one process, and the first rank tells of all dictionaries.
  @Test(arguments: RankUse.allCases) func ranksWriteWhatOneWrites(use: RankUse) throws {
    try Safetensors.write([("x", Tensor.random([700, 12], seed: 1))], to: folder("x.safetensors"))
    let path = folder("x.safetensors")
    @Sendable func train(_ ranks: any Communicator, _ workspace: String) throws -> [String] {
      let settings = [24, 40, 16].map { features in
        var settings = TrainingSettings()
        (settings.features, settings.k, settings.batch, settings.steps) = (features, 3, 256, 7)
        return settings
      }
      let job = try TrainingJob(
        TrainingSource(VectorFile(path), block: BlockName("mid.0"), seed: 1), settings: settings, name: nil,
        workspace: Workspace(workspace), saveEvery: 3, logEvery: 1, restart: false, ranks: ranks, use: use)
      try TrainingJob.train([job], Silent())
      return try job.finish(Silent()).map { "\($0.fingerprint) \($0.features) \($0.explainedVariance ?? 0)" }
    }
    let alone = try train(Alone(), folder("alone"))
    let place = folder("ranks")
    let all = try ThreadRanks.run(2) { try train($0, place) }.map { try $0.get() }
    #expect(all[1].isEmpty)
    #expect(all[0] == alone && alone.count == 3)
    let files = try contents("alone")
    #expect(files.keys.contains("saes/mid.0/k3-n40/sae.json"), "\(files.keys)")
    #expect(try contents("ranks") == files)
  }

  /// The files of a folder below, and their bytes.
  private func contents(_ name: String) throws -> [String: Data] {
    let paths = try FileManager.default.subpathsOfDirectory(atPath: folder(name))
    return try Dictionary(
      uniqueKeysWithValues: paths.filter {
        $0.hasSuffix(".safetensors") || $0.hasSuffix(".json") || $0.hasSuffix(".jsonl")
      }
      .map { ($0, try Data(contentsOf: URL(fileURLWithPath: folder("\(name)/\($0)")))) })
  }
}
