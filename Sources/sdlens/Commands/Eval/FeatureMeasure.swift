import SDLensCore
import SDLensDiffusion
import SDLensSparse
import SDLensStudy

/// One metric of the features of one block.
final class FeatureMeasure {
  private let session: EvalSession
  private let metric: EvalMetric
  private let block: BlockName
  private lazy var prompts = Result { try promptTable() }
  private lazy var natural = Result { try naturalLengths() }

  init(_ session: EvalSession, _ metric: EvalMetric, _ block: BlockName) {
    (self.session, self.metric, self.block) = (session, metric, block)
  }

  /// The values of a feature, or why it has none.
  func callAsFunction(_ feature: Int) throws -> FeatureOutcome {
    switch metric {
    case .specificity:
      let numbers = sample(feature).map(\.example.picture)
      guard numbers.count > 1 else { return FeatureOutcome(skip: .tooFewPictures) }
      return .found(Specificity.value(of: try session.embeddings(ofPictures: numbers)), else: .tooFewPictures)
    case .texture: return try alone(feature, text: TextSimilarity.texture)
    case .causality:
      guard let caption = try session.captions(of: block)[feature] else {
        return FeatureOutcome(skip: .noCaption)
      }
      return try alone(feature, text: caption)
    case .interpretability:
      guard let caption = try session.captions(of: block)[feature] else {
        return FeatureOutcome(skip: .noCaption)
      }
      let pictures = try session.embeddings(ofPictures: sample(feature).map(\.example.picture))
      let text = try session.embeddings(of: [caption])
      return .found(TextSimilarity.value(of: pictures, with: text), else: .tooFewPictures)
    case .color: return try color(feature)
    case .locality: return try locality(feature)
    case .sensitivity: return try sensitivity(feature)
    case .monosemanticity: return try monosemanticity(feature)
    case .artefacts: return try artefacts(feature)
    case .steps: return steps(feature)
    case .reconstruction, .position, .density: preconditionFailure("\(metric) is no metric of features")
    }
  }

  private var examples: FeatureExamples? { session.dictionaries[block]?.examples }

  private func sample(_ feature: Int, count: Int = Specificity.pictures) -> [(
    rank: Int, example: FeatureExamples.Example
  )] {
    guard let examples else { return [] }
    return Specificity.sample(
      of: feature, in: examples, count: session.options.pictures ?? count, seed: session.options.seed)
  }

  /// The picture of the feature alone, against a text.
  private func alone(_ feature: Int, text: String) throws -> FeatureOutcome {
    guard let picture = try session.emptyContextPicture(of: feature, at: block) else {
      return FeatureOutcome(skip: .dead)
    }
    return .found(
      TextSimilarity.value(
        of: try session.embeddings(of: [picture]), with: try session.embeddings(of: [text])), else: .dead)
  }

  /// The sampled pictures with the feature's maps over them.
  private func mapped(_ feature: Int, count: Int) throws -> [(number: Int, map: [Float])] {
    try sample(feature, count: count).compactMap { rank, example in
      try session.map(of: feature, at: block, rank: rank, picture: example.picture).map {
        (example.picture, $0)
      }
    }
  }

  private func color(_ feature: Int) throws -> FeatureOutcome {
    let sample = try mapped(feature, count: Specificity.pictures)
    guard let shape = examples?.mapShape, !sample.isEmpty else {
      return FeatureOutcome(skip: .tooFewPictures)
    }
    return .found(
      ColourSpread.value(
        of: try sample.map { try session.picture($0.number) }, maps: sample.map(\.map), height: shape[1],
        width: shape[2]), else: .tooFewPictures)
  }

  private func locality(_ feature: Int) throws -> FeatureOutcome {
    guard let mean = session.dictionaries[block]?.means?[feature], mean > 0 else {
      return FeatureOutcome(skip: .dead)
    }
    let sample = try mapped(feature, count: 2)
    guard let recorded = session.recorded, let shape = examples?.mapShape, !sample.isEmpty else {
      return FeatureOutcome(skip: .tooFewPictures)
    }
    let edits = try Locality.strengths.map {
      try EditList([Edit(.modulate(feature: feature, beta: $0), at: block)])
    }
    var changes = [[PictureChange]](repeating: [], count: edits.count)
    for (number, map) in sample {
      let area = ActiveArea(height: shape[1], width: shape[2], activations: map)
      let pictures = try session.archive.pictures(
        recorded.prompts[number] ?? "", PictureArchive.settings(of: number, in: recorded),
        edits: [nil] + edits)
      for index in edits.indices {
        changes[index].append(PictureChange(from: pictures[0], to: pictures[index + 1], area: area))
      }
    }
    let found = changes.compactMap { Locality($0) }
    guard found.count == edits.count else { return FeatureOutcome(skip: .noArea) }
    return FeatureOutcome(values: found.flatMap { [$0.inside, $0.outside] })
  }

  // MARK: Sensitivity

  /// The recorded prompts, each once with its first picture, and their embeddings.
  private func promptTable() throws -> (numbers: [Int], units: UnitVectors) {
    var (seen, numbers): (Set<String>, [Int]) = ([], [])
    let prompts = session.recorded?.prompts ?? [:]
    for number in session.numbers where seen.insert(prompts[number] ?? "").inserted { numbers.append(number) }
    let table = try session.sentenceEmbeddings(of: numbers.map { prompts[$0] ?? "" })
    return (numbers, UnitVectors(table))
  }

  private func sensitivity(_ feature: Int) throws -> FeatureOutcome {
    guard let caption = try session.captions(of: block)[feature] else {
      return FeatureOutcome(skip: .noCaption)
    }
    let (numbers, units) = try prompts.get()
    // CLIP's texts lie closer together than sentences: with them only equal prompts are passed over.
    let chosen = Sensitivity.nearest(
      to: try session.sentenceEmbeddings(of: [caption]), among: units,
      mostAlike: session.sentences == nil ? 0.9999 : 0.95)
    let shares = try chosen.compactMap { index in
      try session.codes(of: numbers[index], at: block).map {
        Sensitivity.activeShare(of: $0.map(of: feature))
      }
    }
    return .found(Sensitivity.shares(shares), else: .tooFewPictures)
  }

  // MARK: Newer ones

  /// Pictures whose pairs are compared for the monosemanticity score.
  private static let comparedPictures = 100

  private func monosemanticity(_ feature: Int) throws -> FeatureOutcome {
    guard let examples else { return FeatureOutcome(skip: .tooFewPictures) }
    let all = examples[feature]
    var random = session.random("monosemanticity \(feature)")
    let chosen = random.permutation(all.count).prefix(Self.comparedPictures).sorted().map { all[$0] }
    guard chosen.count > 1 else { return FeatureOutcome(skip: .tooFewPictures) }
    let units = UnitVectors(try session.embeddings(ofPictures: chosen.map(\.picture)))
    return .found(Monosemanticity.value(of: units, strengths: chosen.map(\.strength)), else: .tooFewPictures)
  }

  /// The lengths of updates as they are, ascending, of up to 100 pictures.
  private func naturalLengths() throws -> [Double] {
    var random = session.random("artefacts")
    let numbers = session.numbers
    let chosen = random.permutation(numbers.count).prefix(100).map { numbers[$0] }
    return try chosen.compactMap { try session.rows(of: $0, at: block) }.flatMap(ArtefactCheck.lengths)
      .sorted()
  }

  private func artefacts(_ feature: Int) throws -> FeatureOutcome {
    guard let dictionary = session.dictionaries[block]?.autoencoder else {
      return FeatureOutcome(skip: .dead)
    }
    let natural = try natural.get()
    let direction = dictionary.decoder.rows(feature..<feature + 1).elements
    var edited = [[Double]](repeating: [], count: Locality.strengths.count)
    for (_, example) in sample(feature) {
      guard let rows = try session.rows(of: example.picture, at: block),
        let map = try session.codes(of: example.picture, at: block)?.map(of: feature)
      else { continue }
      let width = rows.width
      rows.withElements { x in
        for (place, activation) in map.enumerated() where activation > 0 {
          for (index, beta) in Locality.strengths.enumerated() {
            let length = (0..<width).reduce(0.0) { sum, channel in
              let value =
                Double(x[place * width + channel]) + beta * Double(activation) * Double(direction[channel])
              return sum + value * value
            }
            edited[index].append(length.squareRoot())
          }
        }
      }
    }
    guard !edited[0].isEmpty, (natural.last ?? 0) > 0 else { return FeatureOutcome(skip: .tooFewPictures) }
    let checks = edited.map { ArtefactCheck(edited: $0, natural: natural) }
    return FeatureOutcome(values: checks.map(\.beyond) + checks.map(\.excess))
  }

  private func steps(_ feature: Int) -> FeatureOutcome {
    guard let examples else { return FeatureOutcome(skip: .tooFewPictures) }
    let values = (0..<FeatureExamples.mapsKept).compactMap { rank in
      examples.map(of: feature, rank: rank).flatMap {
        TemporalStability.value(of: $0, steps: examples.mapShape[0])
      }
    }
    return .found(MeanAndDeviation(values)?.mean, else: .tooFewPictures)
  }
}
