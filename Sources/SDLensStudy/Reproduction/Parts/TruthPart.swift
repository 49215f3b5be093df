import SDLensCore
import SDLensDiffusion
import SDLensDrawing
import SDLensShapes
import SDLensSparse

/// `truth`: how well the best single feature of each block tells each factor of `shapes`.
struct TruthPart: ReproductionPart {
  /// The names of what it measures.
  static let dictionary = "told by a feature"
  static let random = "told by a random direction"
  private static let pictures = 2000

  let name = "truth"
  let title = "compare features with the truth of shapes"
  let needs = ["record", "train"]

  func obstacle(in study: Reproduction) throws -> String? {
    guard study.isShapes else { return "the truth of pictures is known of the model shapes only" }
    let strange = try study.prompts().prompts.first { !ShapesGrammar.read($0).isCaption }
    return strange.map { "the prompt \"\($0)\" is no caption of shapes" }
  }

  func inputs(of study: Reproduction) throws -> [Fact] { [Fact("seed", "\(study.settings.seed)")] }

  func work(in study: Reproduction) throws -> Work {
    var work = Work()
    // Directions are found once for a block, however few pictures there are.
    work.seconds =
      (1.5 + 0.003 * Double(min(Self.pictures, try study.prompts().prompts.count)))
      * Double(BlockName.studied.count)
    return work
  }

  func run(in study: Reproduction) throws -> PartFindings {
    let (store, progress) = (try study.store(), study.progress)
    let dictionaries = try study.dictionaries()
    var findings = PartFindings()
    progress.count(to: 2 * min(Self.pictures, store.pictures) * dictionaries.count, unit: "pictures")
    for (block, folder) in dictionaries.sorted(by: { $0.key < $1.key }) {
      let truth = try FactorStudy(
        of: "\(block)", in: store, dictionaries: [("dictionary", folder.autoencoder)], limit: Self.pictures,
        seed: study.settings.seed
      ) { progress.advance("\(block)", by: $0) }
      for (kind, name) in [(FactorStudy.Method.Kind.dictionary, Self.dictionary), (.random, Self.random)] {
        guard let method = truth.methods.first(where: { $0.kind == kind }) else { continue }
        for factor in ShapesWorld.Factor.allCases {
          guard let estimate = method.scores.mean(of: factor, in: \.pictures) else { continue }
          findings.measurements.append(
            MeasuredColumn(name, "\(block)", factor.rawValue, values: [estimate.value], estimate: estimate))
        }
      }
    }
    progress.clear()
    let factors = ShapesWorld.Factor.allCases.map(\.rawValue)
    let plot = Plot(
      title: "AUROC of the best feature, per picture", x: Axis(categories: factors),
      y: Axis("AUROC", range: 0.4...1),
      series: BlockName.studied.map { block in
        let found = factors.map { factor in
          findings.measurements.first {
            $0.metric == Self.dictionary && $0.subject == "\(block)" && $0.column == factor
          }
        }
        return .bars("\(block)", y: found.map { $0?.mean ?? .nan })
      })
    try plot.write(to: study.figure("truth.png"), size: Size(640, 270), scale: 1.5)
    findings.exhibits = [
      Exhibit(
        file: "truth.png", chapter: .roles, source: "–",
        caption:
          "How well the best single feature of each block tells the values of each factor, chosen on one half of the "
          + "pictures and measured on the other.")
    ]
    return findings
  }
}
