import SDLensCore
import SDLensDiffusion
import SDLensSparse

/// A figure of the paper, drawn with what the model and its dictionaries are.
struct FigurePart: ReproductionPart {
  let name: String
  let title: String
  let needs: [String]
  private let chapter: Chapter
  private let source: String
  private let caption: String
  /// Runs and decoded pictures, about.
  private let pictures: Int
  private let figure: @Sendable (Reproduction, FigureRenderer) throws -> Figure

  private init(
    _ name: String, _ chapter: Chapter, _ source: String, _ caption: String,
    needs: [String] = ["record", "train"],
    pictures: Int, _ figure: @escaping @Sendable (Reproduction, FigureRenderer) throws -> Figure
  ) {
    (self.name, self.chapter, self.source, self.caption) = (name, chapter, source, caption)
    (self.needs, self.pictures, self.figure) = (needs, pictures, figure)
    title = "draw \(source)"
  }

  func inputs(of study: Reproduction) throws -> [Fact] {
    [Fact("seed", "\(study.settings.seed)")] + (needs.isEmpty ? [] : [try study.captions()])
  }

  func work(in study: Reproduction) throws -> Work {
    var work = Work()
    // As a PNG, and again in the page, where three bytes take four.
    let cell = Self.cellWidth(study)
    let pixels = Double(pictures * cell * cell * 3) * (study.isShapes ? 0.2 : 0.7)
    (work[.edited], work.bytes) = (pictures, Int(pixels * (1 + 4.0 / 3)))
    return work
  }

  /// The pixels of a cell: few, as all figures lie in one page.
  private static func cellWidth(_ study: Reproduction) -> Int { study.isShapes ? 96 : 128 }

  func run(in study: Reproduction) throws -> PartFindings {
    let renderer = try needs.isEmpty ? FigureRenderer(Laboratory(study.model)) : study.renderer()
    study.progress.stage("choosing features")
    var drawn = try figure(study, renderer)
    var findings = PartFindings()
    guard !drawn.panels.isEmpty else {
      findings.notes = ["no feature was active in the recorded data, so that there is nothing to draw"]
      return findings
    }
    drawn.cellWidth = Self.cellWidth(study)
    drawn.origin = try renderer.laboratory.origin(study.runSettings())
    study.progress.count(to: drawn.work, unit: "passes")
    renderer.advance = { [progress = study.progress] in progress.advance("drawing", by: 1) }
    let file = "\(name).png"
    let record = try RunRecord(
      of: study.model, settings: study.runSettings(), dictionaries: renderer.dictionaries)
    try drawn.write(to: study.figure(file), renderer, text: record.texts(shows: drawn.title))
    study.progress.clear()
    findings.exhibits = [
      Exhibit(
        file: file, chapter: chapter, source: source, caption: caption,
        prompts: drawn.promptTable.split(separator: "\n").map(String.init))
    ]
    return findings
  }

  /// The scene of a prompt of the paper, or of the model's own in its place.
  private static func scenes(_ study: Reproduction, _ prompts: [String]) throws -> [Scene] {
    let settings = try study.runSettings()
    return try FigurePrompts(for: study.model).instead(of: prompts).map { Scene($0, settings) }
  }

  /// All of them.
  static let all: [FigurePart] = [first, features, last].flatMap(\.self)

  private static let first: [FigurePart] =
    [
      FigurePart(
        "figure-3", .blocks, "Fig. 3", "Prompts, each painted without each of the eleven blocks.", needs: [],
        pictures: 60
      ) { study, _ in
        var figure = BlocksFigure(try scenes(study, FigurePrompts.ablation))
        figure.blocks = try study.model.blocks
        return figure.figure()
      },
      FigurePart(
        "figure-4", .training, "Fig. 4",
        "Pictures, the same with the update of each block replaced by its reconstruction, and the difference.",
        pictures: 30
      ) { study, renderer in
        let recorded = try RecordedPictures(study.store())
        let prompts = try FigurePrompts(for: study.model, recorded: recorded).random(6)
        let settings = try study.runSettings()
        return ReconstructionFigure(prompts.map { Scene($0, settings) }, blocks: BlockName.studied).figure()
      },
      FigurePart(
        "figure-1", .cases, "Fig. 1 and 5",
        "The strongest features of each block on one prompt: heat map, modulated by β (A), alone on the empty prompt by γ "
          + "(B), and recorded pictures in which they are strongest (C).", pictures: 100
      ) { study, renderer in
        let scene = try scenes(study, [FigurePrompts.sloth])[0]
        let blocks = renderer.dictionaries.keys.sorted()
        return try PromptFigure(scene, features: renderer.strongest(5, on: scene, of: blocks)).figure(
          renderer)
      },
    ]

  private static let features: [FigurePart] = zip(BlockName.studied, ["a", "b", "c", "d"]).map {
    block, letter in
    FigurePart(
      "figure-6\(letter)", .cases, "Fig. 6 to 8",
      "Features of \(block) in pictures that have them, modulated by β; for down.2.1 and up.0.1 also alone, by γ.",
      pictures: 33
    ) { study, renderer in
      let features = try EffectiveFeatures.telling(3, of: block, renderer)
      return try FeatureFigure(block, features: features, study.runSettings()).figure(renderer)
    }
  }

  private static let last: [FigurePart] =
    [
      FigurePart(
        "figure-9", .cases, "Fig. 9",
        "Features of down.2.1 added everywhere to prompts that they do not come from.",
        pictures: 30
      ) { study, renderer in
        let block = BlockName.studied[0]
        let all = try scenes(study, [FigurePrompts.sloth] + FigurePrompts.unrelated)
        let (source, others) = (all[0], Array(all.dropFirst()))
        let strength = try renderer.dictionaries[block]?.usualStrength ?? 1
        let strong = try renderer.strongest(EffectiveFeatures.tries(for: 4), on: source, of: [block])[0]
          .features
        let chosen = try EffectiveFeatures.added(
          4, of: strong, to: others, of: block, strength: strength, renderer)
        return try TransferFigure(chosen, of: block, from: source, on: others, strength: strength).figure(
          renderer)
      },
      FigurePart(
        "figure-10", .cases, "Fig. 10", "Features of up.0.1 painted on the four quarters of a picture.",
        pictures: 20
      ) { study, renderer in
        let block = BlockName.studied[3]
        let all = try scenes(study, [FigurePrompts.unrelated[2], FigurePrompts.sloth])
        let quarters = PaintFigure.quarters
        let masks = try quarters.map { Mask.region(try Region($0)) }
        let strength = try renderer.dictionaries[block]?.usualStrength ?? 1
        let strong = try renderer.strongest(EffectiveFeatures.tries(for: 4), on: all[1], of: [block])[0]
          .features
        let chosen = try EffectiveFeatures.added(
          strong, to: all[0], on: masks, of: block, strength: strength, renderer)
        let strokes = zip(chosen, zip(masks, quarters)).map { PaintFigure.Stroke($0, on: $1.0, called: $1.1) }
        return PaintFigure(strokes, of: block, on: all[0], strength: strength).figure(renderer)
      },
      FigurePart(
        "figure-11", .captions, "Fig. 11",
        "What an annotator sees of a feature: pictures without it, with it from weak to strong, and the strongest, with cold "
          + "maps.", pictures: 27
      ) { study, renderer in
        let block = BlockName.studied[0]
        var figure = AnnotationFigure(block, features: try EffectiveFeatures.telling(1, of: block, renderer))
        figure.examples = 7
        return try figure.figure(renderer)
      },
    ]
}
