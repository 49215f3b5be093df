import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensSparse

/// `train`: dictionaries of the four blocks for every k and size, as in the paper's Table 2.
struct TrainingPart: ReproductionPart {
  /// The names of what it measures.
  static let variance = "explained variance"
  static let dead = "never active"

  let name = "train"
  let title = "train dictionaries of every k and size"
  let needs = ["record"]

  /// The settings of all dictionaries of a block, that which is measured and drawn last; all are learned in one pass.
  static func grid(_ study: Reproduction, vectors: Int, width: Int) -> [TrainingSettings] {
    let chosen = study.settings
    var common = TrainingSettings.Preset.usual(vectors: vectors).settings(width: width)
    common.steps = chosen.steps ?? common.steps
    common.seed = chosen.seed
    let sizes = (chosen.features ?? [width / 2, common.features]).sorted()
    let main = chosen.k.contains(10) ? 10 : chosen.k[chosen.k.count / 2]
    return sizes.flatMap { features in
      (chosen.k.filter { $0 != main } + [main]).map { k in
        var settings = common
        (settings.features, settings.k) = (features, k)
        return settings
      }
    }
  }

  /// The entries of a block's vectors, and how many vectors a picture has.
  static func width(_ block: BlockName, _ study: Reproduction) throws -> (width: Int, places: Int) {
    let layout = try study.model.layout
    let shape = ActivationManifest.Block(layout[block], latents: (layout.sampleSize, layout.sampleSize))
    return (shape.width, shape.mapHeight * shape.mapWidth)
  }

  func inputs(of study: Reproduction) throws -> [Fact] {
    let chosen = study.settings
    return [
      Fact("k", "\(chosen.k)"), Fact("features", "\(chosen.features ?? [])"),
      Fact("steps", "\(chosen.steps ?? 0)"), Fact("seed", "\(chosen.seed)"),
    ]
  }

  func work(in study: Reproduction) throws -> Work {
    let pictures = try study.prompts().prompts.count
    return try BlockName.studied.reduce(Work()) { sum, block in
      let (width, places) = try Self.width(block, study)
      let grid = Self.grid(study, vectors: pictures * places, width: width)
      var work = Work()
      work[.steps] = grid[0].steps ?? (pictures * places + grid[0].batch - 1) / grid[0].batch
      work[.evaluated] = pictures
      work[.trainings] = 1
      // Of each feature its weights and both means of their gradient, twice the weights, and maps; of each picture its
      // active features, a few times k. Then log and curves.
      work.bytes = grid.reduce(400_000) { sum, settings in
        let feature = width * 4 * (6 + 2) + FeatureExamples.mapsKept * places * 2
        return sum + settings.features * feature + pictures
          * (min(settings.features, 6 * settings.k) * 10 + 100)
      }
      return sum + work
    }
  }

  func isThere(_ findings: PartFindings, in study: Reproduction) -> Bool {
    BlockName.studied.allSatisfy { block in
      guard let path = study.path("\(block)", in: findings), let found = try? DictionaryFolder(path) else {
        return false
      }
      return found.examples != nil && found.statistics != nil
        && found.identity.fingerprint == findings.product("\(block) fingerprint")
    }
  }

  func run(in study: Reproduction) throws -> PartFindings {
    let store = try study.store()
    var findings = PartFindings()
    for block in BlockName.studied {
      let source = try TrainingSource(block, of: store, seed: study.settings.seed)
      let grid = Self.grid(study, vectors: source.rows.count, width: source.rows.width)
      for settings in grid { try settings.check() }
      // Named by all that decides them, so that no other training of the workspace is met.
      var fingerprint = Fingerprint()
      for settings in grid { fingerprint.add(try JSON.line(settings)) }
      fingerprint.add(try store.manifest.fingerprint.utf8)
      let job = try TrainingJob(
        source, settings: grid, name: "report-\(fingerprint.description.prefix(8))",
        workspace: study.workspace,
        saveEvery: 100, logEvery: 10, restart: false)
      try TrainingJob.train([job], study.progress)
      let results = try job.finish(study.progress)
      study.progress.clear()
      let largest = grid.map(\.features).max() ?? 0
      for result in results {
        let column = PaperValues.column(k: result.k ?? 0, isLarge: result.features == largest)
        for (name, value) in [
          (Self.variance, result.explainedVariance), (Self.dead, result.neverActiveShare),
        ] {
          guard let value else { continue }
          findings.measurements.append(MeasuredColumn(name, "\(block)", column, values: [value]))
        }
      }
      if let main = results.last {
        // Whatever is wrong with what lies there is told here.
        _ = try DictionaryFolder(main.dictionary)
        findings.products += [
          Fact("\(block)", study.inWorkspace(main.dictionary)),
          Fact("\(block) fingerprint", main.fingerprint),
        ]
        let file = "training-\(block).png"
        let curves = Array(try Data(contentsOf: URL(fileURLWithPath: "\(job.folder)/curves.png")))
        try AtomicFile.write(to: study.figure(file)) { try $0.append(curves) }
        if block == BlockName.studied[0] {
          findings.exhibits.append(
            Exhibit(
              file: file, chapter: .training, source: "App. A",
              caption:
                "How the training of \(block) went: loss, explained variance, active features, and features that "
                + "were not active for long, for each dictionary."))
        }
      }
      if block == BlockName.studied[0] {
        let sizes = Set(grid.map(\.features)).sorted().map { "\($0)" }
        findings.notes = [
          "Dictionaries have \(sizes.joined(separator: " and ")) features (small and large; the paper: 640 and 5120), "
            + "\(grid[0].steps.map { "\($0) steps" } ?? "one pass over the data") of \(grid[0].batch) vectors; k "
            + "\(grid[grid.count - 1].k) and the large size is measured and drawn."
        ]
      }
    }
    return findings
  }
}
