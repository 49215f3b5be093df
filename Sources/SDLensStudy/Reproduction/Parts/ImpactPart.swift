import SDLensCore
import SDLensDiffusion
import SDLensDrawing
import SDLensSparse

/// `impact`: how far pictures move when a block is left out, for all eleven.
struct ImpactPart: ReproductionPart {
  /// The name of what it measures.
  static let metric = "impact"

  let name = "impact"
  let title = "leave out each of the eleven blocks"

  func inputs(of study: Reproduction) throws -> [Fact] {
    [
      Fact("prompts", try study.prompts().fingerprint), Fact("count", "\(study.settings.promptCount)"),
      Fact("seed", "\(study.settings.seed)"),
    ]
  }

  func work(in study: Reproduction) throws -> Work {
    var work = Work()
    work[.pictures] =
      try min(study.settings.promptCount, study.prompts().prompts.count) * (study.model.blocks.count + 2)
    work.bytes = try work[.pictures] * study.pictureBytes
    return work
  }

  func run(in study: Reproduction) throws -> PartFindings {
    let (progress, blocks) = (study.progress, try study.model.blocks)
    let archive = try PictureArchive(
      Laboratory(study.model), folder: "\(study.workspace.pictures)/cache")
    let prompts = try study.prompts().prompts
    var random = PCG64(seed: study.settings.seed.bits)
    let chosen = random.permutation(prompts.count).prefix(study.settings.promptCount).sorted()
    let edits: [EditList?] = try [nil] + blocks.map { try EditList([Edit(.ablate, at: $0)]) }
    var changes: [String: [Double]] = [:]
    progress.count(to: chosen.count, unit: "prompts")
    for number in chosen {
      var settings = try study.runSettings()
      settings.seed = settings.seed + number
      let pictures = try archive.pictures(prompts[number], settings, edits: edits)
      let empty = try archive.picture(.init("", settings))
      for (block, picture) in zip(blocks, pictures.dropFirst()) {
        changes["\(block)", default: []].append(ReconstructionError(from: pictures[0], to: picture).mean)
      }
      changes["empty prompt", default: []].append(ReconstructionError(from: pictures[0], to: empty).mean)
      progress.advance("leaving out blocks", by: 1)
    }
    progress.clear()
    var findings = PartFindings()
    findings.measurements = (blocks.map(\.description) + ["empty prompt"]).map {
      MeasuredColumn(Self.metric, $0, "change", values: changes[$0] ?? [], isBaseline: $0 == "empty prompt")
    }
    let plot = Plot(
      title: "Change of pictures without a block", x: Axis(categories: findings.measurements.map(\.subject)),
      y: Axis("distance, 0 to 765"),
      series: [
        .bars(
          "", y: findings.measurements.map { $0.mean ?? .nan },
          errors: findings.measurements.map { item in item.interval.map { ($0[1] - $0[0]) / 2 } ?? .nan })
      ], note: "means over \(chosen.count) prompts, and 95 % intervals")
    try plot.write(to: study.figure("impact.png"), size: Size(640, 270), scale: 1.5)
    findings.exhibits = [
      Exhibit(
        file: "impact.png", chapter: .blocks, source: "App. C",
        caption:
          "How far pictures move when a block is left out; beside it, how far prompt and empty prompt are apart."
      )
    ]
    return findings
  }
}
