import SDLensCore
import SDLensDiffusion
import SDLensSparse

/// `tables`: every metric of the paper, with its baselines; what is measured is kept where `eval all` keeps it.
struct TablesPart: ReproductionPart {
  let name = "tables"
  let title = "measure every number of the paper's tables"
  let needs = ["record", "train"]

  static let metrics: [any Metric.Type] = Metrics.paper + [AloneMetric.self]

  /// What compares pictures and texts decides the figures, too.
  func inputs(of study: Reproduction) throws -> [Fact] {
    study.settings.facts.filter { !["prompts", "k", "features", "steps"].contains($0.name) }
      + [try study.captions()]
  }

  func work(in study: Reproduction) throws -> Work {
    var work = Work()
    let (blocks, baseline) = (BlockName.studied.count, MetricRun.baselineSize)
    let (features, prompts) = (study.settings.measured * blocks, study.settings.promptCount)
    let recorded = try study.prompts().prompts.count
    // Features alone and modulated, in pictures that are their own; reconstructions of all blocks of one prompt.
    let modulated = (study.settings.pictures ?? 2) * (1 + Locality.strengths.count)
    work[.pictures] = min(prompts, recorded)
    work[.edited] = features * (1 + modulated) + min(prompts, recorded) * blocks
    if try study.clipFolder() != nil {
      let perFeature = study.settings.pictures ?? Specificity.pictures
      let made =
        try AnnotationPart().obstacle(in: study) == nil ? features * AnnotationPart.picturesOfFeature : 0
      let shown =
        Work.different(made + features * perFeature, of: recorded) - Work.different(made, of: recorded)
      // The pool of recorded pictures, other pictures of their prompts, and pictures of captions.
      let pool = made > 0 ? 0 : min(2 * baseline, recorded)
      let compared = shown + pool + 2 * baseline
      work[.pictures] += compared
      work[.looks] = compared + features
    }
    // Inputs of blocks.
    work[.runs] = min(prompts, recorded) * blocks
    work.bytes = try (work[.pictures] + work[.edited]) * study.pictureBytes
    return work
  }

  func run(in study: Reproduction) throws -> PartFindings {
    let session = try study.session()
    let results = try ResultFolder("all", settings: session.key, in: study.workspace.folder)
    let run = try MetricRun(Self.metrics, in: session, keeping: results("done.jsonl"))
    try run.run()
    study.progress.clear()
    let report = MetricReport(run)
    var findings = PartFindings()
    findings.measurements = run.columns
    findings.omissions = run.omissions.map { Fact($0.metric, $0.reason) }
    for metric in report.metrics {
      guard let chapter = Self.chapters[metric.name] else { continue }
      let file = "\(metric.name).png"
      try report.plot(metric).write(to: study.figure(file), scale: 1.5)
      findings.exhibits.append(
        Exhibit(
          file: file, chapter: chapter,
          source: metric.paperTable.map { String($0.prefix { $0 != ":" }) } ?? "Sec. 4 and 5",
          caption: "\(metric.abstract) Means over features, with 95 % intervals."))
    }
    if !session.madeCaptions.isEmpty {
      findings.notes.append(
        "Captions were made by a rule: of each feature the phrase that CLIP finds nearest to its pictures.")
    }
    return findings
  }

  /// Where the plot of a metric stands; others have a table only.
  private static let chapters: [String: Chapter] = [
    "specificity": .features, "texture": .features, "color": .features, "locality": .locality,
    "interpretability": .captions, "sensitivity": .captions, "alone": .cases,
  ]
}

extension Reproduction {
  /// What measurements of the chosen features of all blocks share.
  func session() throws -> MetricSession {
    var chosen = MetricSettings()
    (chosen.features, chosen.pictures, chosen.seed) = (
      .random(settings.measured), settings.pictures, settings.seed
    )
    (chosen.clip, chosen.lpips, chosen.sentences, chosen.textures) = (
      settings.clip, settings.lpips, settings.sentences, settings.textures
    )
    let store = try store()
    return try MetricSession(
      model, dictionaries: dictionaries(), store: store, recorded: RecordedPictures(store),
      settings: chosen, workspace: workspace.folder, progress: progress, say: say)
  }
}
