import SDLensCore
import SDLensDiffusion
import SDLensSparse

/// `ablate-…`: other ways to make dictionaries of the first of the four blocks, as `ablate` compares them.
struct AblationPart: ReproductionPart {
  /// All of them.
  static let all = [
    AblationPart(
      kind: "representation", title: "compare dictionaries of updates, of the stream and of heads",
      variants: { study, width in
        let layer = try study.model.lastLayer(of: [block])
        return [RecordedSite.update, .input, .residual, .heads(layer: layer)].map {
          Ablation.Variant(named: "\($0)", site: $0, .topK, features: 2 * width, k: 10)
        }
      }),
    AblationPart(
      kind: "architecture", title: "compare sizes and recipes of dictionaries",
      variants: { _, width in
        [(1, 5), (2, 10), (4, 20)].map { Ablation.Variant(.topK, features: $0 * width, k: $1) }
          + AblationRecipe.all.map { Ablation.Variant($0, features: 2 * width, k: 10) }
      }),
  ]

  private static let block = BlockName.studied[0]
  /// Trainings of each variant.
  private static let seeds = 3
  /// Dictionaries of `shapes` are as good as they get then.
  private static let steps = 300

  var name: String { "ablate-\(kind)" }
  let title: String
  private let kind: String
  private let variants: @Sendable (Reproduction, _ width: Int) throws -> [Ablation.Variant]

  private init(
    kind: String, title: String,
    variants: @escaping @Sendable (Reproduction, _ width: Int) throws -> [Ablation.Variant]
  ) {
    (self.kind, self.title, self.variants) = (kind, title, variants)
  }

  func obstacle(in study: Reproduction) throws -> String? {
    let found = try study.prompts().prompts.count
    let needed = 3 * TooFewPictures.fewest
    return found < needed
      ? "it takes at least \(needed) prompts, to learn and to measure; there are \(found)" : nil
  }

  func inputs(of study: Reproduction) throws -> [Fact] {
    [
      Fact("prompts", try study.prompts().fingerprint), Fact("seed", "\(study.settings.seed)"),
      Fact("steps", "\(study.settings.steps ?? 0)"),
    ]
  }

  /// What is compared, on as many pictures as there are prompts for.
  private func ablation(_ study: Reproduction) throws -> Ablation {
    let (width, places) = try TrainingPart.width(Self.block, study)
    let prompts = try study.prompts().prompts.count
    let measuring = min(study.isShapes ? 500 : 1000, prompts / 3)
    let learning = min(2 * (study.isShapes ? 500 : 1000), prompts - measuring)
    // Of no width: the variants say how many features there are.
    var training = TrainingSettings.Preset.usual(vectors: learning * places).settings(width: 1)
    if let steps = study.settings.steps ?? (study.isShapes ? Self.steps : nil) {
      training.steps = min(steps, training.steps ?? steps)
    }
    try study.settings.seed.check(Self.seeds)
    var ablation = Ablation(
      kind, of: try variants(study, width), at: [Self.block],
      seeds: (0..<Self.seeds).map { study.settings.seed + $0 }, training: training)
    (ablation.pictures, ablation.testPictures) = (learning, measuring)
    ablation.firstPicture = study.settings.seed
    ablation.measures = [.reconstruction, .activity]
    if study.isShapes { ablation.measures += [.detection, .truth] }
    return ablation
  }

  func work(in study: Reproduction) throws -> Work {
    let ablation = try ablation(study)
    let (width, places) = try TrainingPart.width(Self.block, study)
    let pictures = ablation.pictures + ablation.testPictures
    let sites = Set(ablation.variants.map { "\($0.site)" }).count
    let features = ablation.variants.reduce(0) { $0 + $1.features } * ablation.seeds.count
    let dictionaries = ablation.variants.count * ablation.seeds.count
    let active = ablation.variants.reduce(0) { $0 + ($1.recipe.isTrained ? $1.k : 0) } * ablation.seeds.count
    let grid = TrainingPart.grid(study, vectors: pictures * places, width: width)
    var work = Work()
    work[.recorded] = sites * pictures
    // A step of the timed trainings is one of all dictionaries of a block; most of it goes by the active features.
    work[.steps] =
      ablation.training.steps(over: ablation.pictures * places) * active / grid.reduce(0) { $0 + $1.k }
    work[.trainings] = dictionaries / grid.count
    work[.evaluated] = 2 * ablation.testPictures * features / grid.reduce(0) { $0 + $1.features }
    if study.isShapes { work.seconds = 0.001 * Double(ablation.testPictures * dictionaries) }
    let collector = try Collector(
      study.model, prompts: study.prompts(), Collector.Request(blocks: BlockName.studied), study.runSettings()
    )
    work.bytes = sites * collector.bytes(pictures: pictures) + features * width * 4 * 8
    return work
  }

  func run(in study: Reproduction) throws -> PartFindings {
    let ablation = try ablation(study)
    let report = try ablation.run(
      of: study.model, prompts: study.prompts(), in: study.workspace, clip: nil, command: [], study.progress)
    // Losses of vectors of different lengths tell nothing.
    let columns = report.columns.filter { $0.name != "loss" }
    var findings = PartFindings()
    for row in report.rows {
      for column in columns {
        guard let cell = row.cells.first(where: { $0.column == column.name }) else { continue }
        findings.measurements.append(
          MeasuredColumn(name, row.variant, column.title, values: cell.values, estimate: cell.estimate))
      }
    }
    findings.notes = [
      "Each trained \(report.seeds.count) times on \(report.pictures) pictures"
        + (report.steps.map { " in \($0) steps" } ?? "")
        + " and measured on \(report.testPictures) others; intervals, by Student’s t, are of other seeds. "
        + columns.map { "\($0.title): \($0.meaning)" }.joined(separator: " ")
    ]
    return findings
  }
}
