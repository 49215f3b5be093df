import SDLensCore
import SDLensDiffusion

/// `judge`: what a judge still sees in pictures of `shapes` when a block is left out.
struct JudgePart: ReproductionPart {
  /// The name of what it measures.
  static let metric = "judge"

  let name = "judge"
  let title = "let the judge of shapes read pictures without a block"

  func obstacle(in study: Reproduction) throws -> String? {
    study.isShapes ? nil : "only the pictures of shapes can be judged"
  }

  func inputs(of study: Reproduction) throws -> [Fact] {
    [Fact("count", "\(study.settings.promptCount)"), Fact("seed", "\(study.settings.seed)")]
  }

  func work(in study: Reproduction) throws -> Work {
    var work = Work()
    work[.pictures] = study.settings.promptCount * 2
    work[.edited] = study.settings.promptCount * BlockName.studied.count
    return work
  }

  func run(in study: Reproduction) throws -> PartFindings {
    let (progress, blocks) = (study.progress, BlockName.studied)
    let prompts = try JudgedPrompts(
      of: study.model, limit: study.settings.promptCount, seed: study.settings.seed)
    let results = try ResultFolder(
      "judge",
      settings: [
        "model": try study.model.fingerprint().description, "judge": prompts.judge.fingerprint.description,
        "prompts": prompts.fingerprint, "seed": "\(study.settings.seed)",
      ], in: study.workspace.folder)
    let done = try ResultCache<BlockAblation.PromptResult>(results("done.jsonl"))
    progress.count(to: prompts.count, unit: "prompts")
    let found = try (0..<prompts.count).map { index in
      defer { progress.advance("judging", by: 1) }
      return try done.value("\(index)") { try BlockAblation.measure(index, of: prompts, at: blocks) }
    }
    progress.clear()
    var findings = PartFindings()
    for row in BlockAblation.summary(found, blocks: blocks) {
      for factor in BlockAblation.factors {
        guard let estimate = row.accuracy[factor.rawValue] else { continue }
        findings.measurements.append(
          MeasuredColumn(
            Self.metric, row.block ?? "no edit", factor.rawValue, values: [estimate.value],
            estimate: estimate,
            isBaseline: row.block == nil))
      }
    }
    return findings
  }
}
