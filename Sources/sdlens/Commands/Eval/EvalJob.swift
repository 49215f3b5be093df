import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensSparse
import SDLensStudy

/// Some metrics, for all blocks, feature by feature; what was measured before is taken from the result folder.
final class EvalJob {
  /// A metric that cannot be measured at a block, and what it lacks.
  struct Omission: Codable {
    let metric: EvalMetric
    let subject: String
    let reason: String
  }

  let session: EvalSession
  let metrics: [EvalMetric]
  let results: ResultFolder
  private let done: ResultCache<[FeatureOutcome]>
  private(set) var measurements: [MeasuredColumn] = []
  private(set) var omissions: [Omission] = []
  private var progress: Progress { session.progress }

  init(_ name: String, _ metrics: [EvalMetric], _ session: EvalSession) throws {
    (self.session, self.metrics) = (session, metrics)
    results = try ResultFolder(name, settings: session.settings, in: session.options.workspace)
    done = try ResultCache(results("done.jsonl"))
  }

  /// Measures everything.
  func run() throws {
    if metrics.contains(.sensitivity), session.clip != nil, session.sentences == nil {
      progress.note("no --sentences: prompts near a caption are found by the texts of CLIP")
    }
    for metric in metrics {
      var isMeasured = false
      for block in session.blocks {
        if let reason = try obstacle(to: metric, at: block) {
          omissions.append(Omission(metric: metric, subject: "\(block)", reason: reason))
          continue
        }
        isMeasured = true
        switch metric {
        case .reconstruction: try reconstruction(block)
        case .position: try position(block)
        case .density: try density(block)
        default: try features(metric, block)
        }
      }
      if isMeasured { try baselines(of: metric) }
    }
    progress.clear()
  }

  // MARK: What is lacking

  private func obstacle(to metric: EvalMetric, at block: BlockName) throws -> String? {
    guard let dictionary = session.dictionaries[block] else { return "there is no dictionary" }
    let needs = metric.needs
    if needs.contains(.clip), session.clip == nil {
      return "CLIP is missing; name its folder with --clip"
    }
    if needs.contains(.examples), dictionary.examples == nil {
      return
        "nobody knows where features are active; measure it with: sdlens statistics --sae '\(dictionary.path)' --store …"
    }
    if session.recorded == nil, metric != .density, metric != .texture, metric != .causality {
      return "no pictures are recorded; make a store with: sdlens collect --block \(block)"
    }
    if needs.contains(.store), session.store?.manifest.places != nil || session.store == nil {
      return "a store with all places is missing; make one with: sdlens collect --block \(block)"
    }
    if needs.contains(.captions), try session.captions(of: block).isEmpty {
      return "'\(dictionary.path)' has no \(FeatureCaptions.fileName) with captions of features"
    }
    if [.texture, .causality, .locality].contains(metric), dictionary.means == nil {
      return
        "the mean activations are not known; measure them with: sdlens statistics --sae '\(dictionary.path)' --store …"
    }
    if metric == .density, dictionary.statistics == nil {
      return
        "nobody knows how often features are active; measure it with: sdlens statistics --sae '\(dictionary.path)' --store …"
    }
    if metric == .steps, dictionary.examples.map({ $0.mapShape[0] < 2 }) ?? true {
      return "the data are of one denoising step; record more with: sdlens collect --steps 4"
    }
    return nil
  }

  // MARK: Feature by feature

  private func features(_ metric: EvalMetric, _ block: BlockName) throws {
    let features = session.features(of: block)
    progress.count(to: features.count, unit: "features")
    let measure = FeatureMeasure(session, metric, block)
    let outcomes = try features.flatMap { feature in
      defer { progress.advance("\(metric.rawValue) of \(block)") }
      return try done.value("\(metric.rawValue) \(block) \(feature)") { [try measure(feature)] }
    }
    add(metric, "\(block)", outcomes, features: features)
  }

  private func add(
    _ metric: EvalMetric, _ subject: String, _ outcomes: [FeatureOutcome], features: [Int] = [],
    isBaseline: Bool = false
  ) {
    var skipped: [String: Int] = [:]
    for outcome in outcomes { if let skip = outcome.skip { skipped[skip.rawValue, default: 0] += 1 } }
    for (index, column) in metric.columns.enumerated() {
      let found = outcomes.indices.filter {
        index < outcomes[$0].values.count && outcomes[$0].values[index] != nil
      }
      guard !found.isEmpty || index == 0 else { continue }
      measurements.append(
        MeasuredColumn(
          metric.rawValue, subject, column, features: features.isEmpty ? [] : found.map { features[$0] },
          values: found.compactMap { outcomes[$0].values[index] }, skipped: skipped, isBaseline: isBaseline))
    }
  }

  // MARK: Baselines of 100 elements

  /// Elements of a baseline (paper, Sec. 5.2).
  private static let baselineSize = 100

  private func baseline(_ metric: EvalMetric, _ name: String, _ make: (inout PCG64, Int) throws -> [Double?])
    throws
  {
    let count = Self.baselineSize
    progress.count(to: count, unit: "samples")
    var random = session.random("\(metric.rawValue) \(name)")
    let seeds = (0..<count).map { _ in random.bits64() }
    let outcomes = try seeds.enumerated().flatMap { index, seed in
      defer { progress.advance("\(metric.rawValue), baseline \(name)") }
      return try done.value("\(metric.rawValue) baseline \(name) \(index)") {
        var own = PCG64(seed: seed)
        return [FeatureOutcome(values: try make(&own, index))]
      }
    }
    add(metric, name, outcomes, isBaseline: true)
  }

  private func baselines(of metric: EvalMetric) throws {
    // All recorded ones where nothing must be made.
    let (session, numbers) = (session, metric == .sensitivity ? session.numbers : session.pool)
    guard numbers.count > 1 else { return }
    func draw(_ count: Int, _ random: inout PCG64) -> [Int] {
      random.permutation(numbers.count).prefix(count).map { numbers[$0] }
    }
    switch metric {
    case .specificity:
      try baseline(metric, "random") { random, _ in
        [Specificity.value(of: try session.embeddings(ofPictures: draw(2, &random)))]
      }
      try baseline(metric, "same prompt") { random, index in
        let number = draw(1, &random)[0]
        guard let recorded = session.recorded, let prompt = recorded.prompts[number] else { return [nil] }
        // Seeds far from those of recorded pictures.
        var settings = try PictureArchive.settings(of: number, in: recorded)
        settings.seed = 1_000_000_000 + index
        let other = try session.archive.picture(.init(prompt, settings))
        return [Specificity.value(of: try session.embeddings(of: [try session.picture(number), other]))]
      }
    case .texture:
      let word = try session.embeddings(of: [TextSimilarity.texture])
      try baseline(metric, "random") { random, _ in
        [TextSimilarity.value(of: try session.embeddings(ofPictures: draw(1, &random)), with: word)]
      }
      guard !session.textures.isEmpty else { break }
      try baseline(metric, "textures") { random, _ in
        let picture = try PNG.read(session.textures[random.integer(below: session.textures.count)])
        return [TextSimilarity.value(of: try session.embeddings(of: [picture]), with: word)]
      }
    case .color:
      try baseline(metric, "random") { random, _ in
        [ColourSpread.value(of: try draw(Specificity.pictures, &random).map { try session.picture($0) })]
      }
    case .interpretability:
      let captions = try session.blocks.flatMap { block in
        try session.captions(of: block).sorted { $0.key < $1.key }.map(\.value)
      }
      func caption(_ random: inout PCG64) -> String { captions[random.integer(below: captions.count)] }
      try baseline(metric, "random") { random, _ in
        let text = try session.embeddings(of: [caption(&random)])
        return [TextSimilarity.value(of: try session.embeddings(ofPictures: draw(1, &random)), with: text)]
      }
      try baseline(metric, "from the caption") { random, _ in
        let text = caption(&random)
        let picture = try session.archive.picture(.init(text, try session.ownSettings(session.options.seed)))
        return [
          TextSimilarity.value(
            of: try session.embeddings(of: [picture]), with: try session.embeddings(of: [text]))
        ]
      }
    case .sensitivity:
      for block in session.blocks where try obstacle(to: metric, at: block) == nil {
        let features = session.features(of: block)
        guard !features.isEmpty else { continue }
        try baseline(metric, "random at \(block)") { random, index in
          let feature = features[index % features.count]
          let shares = try draw(Sensitivity.prompts, &random).compactMap { number in
            try session.codes(of: number, at: block).map { Sensitivity.activeShare(of: $0.map(of: feature)) }
          }
          return Sensitivity.shares(shares) ?? []
        }
      }
    default: break
    }
  }

  // MARK: Block by block

  private func reconstruction(_ block: BlockName) throws {
    guard let dictionary = session.dictionaries[block], let recorded = session.recorded else { return }
    var random = session.random("reconstruction")
    let numbers = session.numbers
    let chosen = random.permutation(numbers.count).prefix(session.options.pictures ?? 100).map { numbers[$0] }
    progress.count(to: chosen.count, unit: "pictures")
    if session.lpips == nil {
      omissions.append(
        Omission(
          metric: .reconstruction, subject: "\(block)",
          reason: "weights of LPIPS are missing; name their folder with --lpips"))
    }
    let edits = [
      nil, try EditList([Edit(.reconstruct, at: block)]), try EditList([Edit(.ablate, at: block)]),
    ]
    let outcomes = try chosen.flatMap { number in
      defer { progress.advance("reconstruction of \(block)") }
      return try done.value("reconstruction \(block) \(number)") {
        let settings = try PictureArchive.settings(of: number, in: recorded)
        let pictures = try session.archive.pictures(
          recorded.prompts[number] ?? "", settings,
          edits: session.lpips == nil ? Array(edits.prefix(2)) : edits)
        let error = ReconstructionError(from: pictures[0], to: pictures[1])
        var values: [Double?] = [error.mean, error.median]
        if let lpips = session.lpips {
          let features = try lpips.features(of: LPIPS.tensor(of: [pictures[0]]))
          let distances = try pictures.dropFirst().map { picture in
            lpips.distances(features, try lpips.features(of: LPIPS.tensor(of: [picture])))[0]
          }
          values += [
            distances[0], ReconstructionError.recovered(reconstructed: distances[0], ablated: distances[1]),
          ]
        }
        return [FeatureOutcome(values: values)]
      }
    }
    add(.reconstruction, "\(block)", outcomes)
    let variances = try chosen.compactMap { number in
      try session.rows(of: number, at: block).map { rows in
        var variance = ExplainedVariance(width: dictionary.autoencoder.width)
        variance.add(rows, dictionary.autoencoder.decode(dictionary.autoencoder.encode(rows)))
        return variance
      }
    }
    if let explained = ReconstructionError.explainedVariance(variances) {
      measurements.append(
        MeasuredColumn(
          EvalMetric.reconstruction.rawValue, "\(block)", "explained variance", values: [explained.value],
          estimate: explained))
    }
  }

  private func position(_ block: BlockName) throws {
    guard let recorded = session.recorded else { return }
    let outcomes = try done.value("position \(block)") {
      let (training, test, size) = try inputs(of: block, recorded)
      let probe = PositionProbe(
        training: training, test: test, height: size.height, width: size.width, c: 0.1, tolerance: 1e-4)
      return probe.pictures.map { FeatureOutcome(values: [$0.rows, $0.columns, ($0.rows + $0.columns) / 2]) }
    }
    add(.position, "\(block)", outcomes)
  }

  /// What enters a block (`D_in`) in the last step of some runs: 3 of 5 to learn from, the rest to measure on.
  private func inputs(of block: BlockName, _ recorded: RecordedPictures) throws
    -> (training: Matrix, test: Matrix, size: (height: Int, width: Int))
  {
    var random = session.random("position")
    let numbers = session.numbers
    let chosen = random.permutation(numbers.count).prefix(session.options.pictures ?? 100).map { numbers[$0] }
    progress.count(to: chosen.count, unit: "pictures")
    var (rows, size): ([Tensor], (height: Int, width: Int)) = ([], (1, 1))
    for number in chosen {
      let settings = try PictureArchive.settings(of: number, in: recorded)
      let prompt = try session.archive.embeddings(of: recorded.prompts[number] ?? "", settings)
      var run = try session.archive.pipeline.start(prompt, settings)
      let steps = try session.archive.pipeline.stepCount(settings)
      while run.step + 1 < steps {
        var pass = run.pass()
        run.advance(by: pass.finish())
      }
      var pass = run.pass()
      pass.run(before: block)
      let input = pass.stream
      let last = settings.isGuided ? input.picture(1) : input
      rows.append(last.reshaped([last.rows, last.width]))
      size = (input.shape[1], input.shape[2])
      progress.advance("position at \(block)")
    }
    let split = max(1, rows.count * 3 / 5)
    func matrix(_ part: ArraySlice<Tensor>) -> Matrix {
      let tensor = Tensor.stacked(part.map { $0.reshaped([1, $0.rows, $0.width]) })
      return Matrix(tensor)
    }
    return (matrix(rows[..<split]), matrix(rows[split...]), size)
  }

  private func density(_ block: BlockName) throws {
    guard let statistics = session.dictionaries[block]?.statistics else { return }
    let density = DictionaryDensity(statistics.density)
    let shares = DictionaryDensity.shares(statistics.density)
    let alive = statistics.density.filter { $0 > 0 }.map(Double.init)
    let found = [([density.dead], shares?.dead), ([density.dense], shares?.dense), (alive, nil)]
    for (column, (values, estimate)) in zip(EvalMetric.density.columns, found) {
      measurements.append(
        MeasuredColumn(
          EvalMetric.density.rawValue, "\(block)", column, values: values, estimate: estimate))
    }
  }
}
