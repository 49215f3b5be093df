import SDLensCore
import SDLensDiffusion
import SDLensDrawing
import SDLensSparse

/// `annotate`: what CLIP calls the features that are measured, and how well that fits pictures that it did not see.
struct AnnotationPart: ReproductionPart {
  /// The name of what it measures.
  static let metric = "annotation"
  /// Pictures that are looked at for each feature, with those of the tests.
  static let picturesOfFeature = 20
  /// Pictures that are seen through the map of a feature.
  private static let marked = 10

  /// The product that says how many captions a block has got.
  private static func captions(of block: String) -> String { "\(block) captions" }

  let name = "annotate"
  let title = "let CLIP name features, and test the names"
  let needs = ["record", "train"]

  func obstacle(in study: Reproduction) throws -> String? {
    guard study.isShapes else {
      return
        "CLIP has phrases for the world of shapes only; say what features mean with: sdlens annotate, and repeat this"
    }
    return try study.clipFolder() == nil ? "CLIP is missing; name its folder with --clip" : nil
  }

  func inputs(of study: Reproduction) throws -> [Fact] {
    study.settings.facts.filter { ["measured", "seed", "clip"].contains($0.name) }
  }

  func work(in study: Reproduction) throws -> Work {
    let recorded = try study.prompts().prompts.count
    let features = study.settings.measured * BlockName.studied.count
    var work = Work()
    work[.pictures] = Work.different(features * Self.picturesOfFeature + 200, of: recorded)
    work[.looks] = work[.pictures] + features * Self.marked
    work.bytes = try work[.pictures] * study.pictureBytes
    work.seconds = 0.001 * Double(min(CaptionTruth.pictures, recorded) * BlockName.studied.count)
    return work
  }

  /// Somebody may have taken the captions away.
  func isThere(_ findings: PartFindings, in study: Reproduction) -> Bool {
    guard let dictionaries = try? study.dictionaries() else { return false }
    return dictionaries.allSatisfy { block, folder in
      let made = findings.product(Self.captions(of: "\(block)")).flatMap { Int($0) } ?? 0
      return folder.allCaptions.all.count { $0.source == "clip" } >= made
    }
  }

  func run(in study: Reproduction) throws -> PartFindings {
    let session = try study.session()
    guard let encoder = session.captionEncoder(.shapes) else {
      preconditionFailure("without CLIP there is an obstacle")
    }
    // What was said before decides nothing.
    let key = session.key.filter { $0.key != "captions" }
    let results = try ResultFolder("annotate", settings: key, in: study.workspace.folder)
    let annotation = Annotation(try CLIPAnnotator(encoder), judge: encoder, in: session)
    try annotation.run(in: results)
    try results.write(annotation.csv, to: "scores.csv")
    study.progress.clear()
    var findings = PartFindings()
    for report in annotation.reports {
      for score in report.scores {
        for (estimate, subject, isRandom) in [
          (score.own, report.block, false), (score.random, "\(report.block), at random", true),
        ] {
          guard let estimate else { continue }
          findings.measurements.append(
            MeasuredColumn(
              Self.metric, subject, score.name, values: [estimate.value], estimate: estimate,
              isBaseline: isRandom))
        }
      }
    }
    findings.products = annotation.reports.map { Fact(Self.captions(of: $0.block), "\($0.captioned)") }
    let captioned = annotation.reports.reduce(0) { $0 + $1.captioned }
    let features = annotation.reports.reduce(0) { $0 + $1.features }
    findings.notes = [
      "\(captioned) of \(features) features have a caption."
        + (annotation.reports.first?.truthPictures.map { " What is true was seen on \($0) pictures." } ?? "")
    ]
    guard !annotation.reports.isEmpty else { return findings }
    try plot(annotation.reports).write(to: study.figure("annotation.png"), size: Size(640, 270), scale: 1.5)
    findings.exhibits = [
      Exhibit(
        file: "annotation.png", chapter: .captions, source: "–",
        caption: "How well captions tell which pictures have the feature, beside captions of other features.")
    ]
    return findings
  }

  private func plot(_ reports: [Annotation.BlockReport]) -> Plot {
    let detection = reports.map { report in report.scores.first { $0.name == Annotation.Name.detection } }
    func bars(_ name: String, _ estimate: (Annotation.Score) -> Estimate?) -> Series {
      let found = detection.map { $0.flatMap(estimate) }
      return .bars(
        name, y: found.map { $0?.value ?? .nan },
        errors: found.map { $0?.interval.map { ($0[1] - $0[0]) / 2 } ?? .nan })
    }
    return Plot(
      title: "Detection: balanced accuracy", x: Axis(categories: reports.map(\.block)),
      y: Axis("accuracy", range: 0...1), series: [bars("captions", \.own), bars("at random", \.random)],
      note: "0.5 is chance; 95 % intervals")
  }
}
