import SDLensCore
import SDLensDiffusion
import SDLensShapes
import SDLensSparse

/// How well single features of a block tell the factors of `shapes`, beside candidates that need no dictionary.
///
/// All are chosen and measured as `FactorScorer` says, on the updates of the last denoising step:
/// - dictionaries, by their codes;
/// - random directions: for each size and k (of thresholds the rounded mean number of active features) a dictionary whose directions are random unit vectors, so that the best is
///   one of as many as there are features;
/// - principal components and raw channels, each with either sign;
/// - a linear probe, which may use all channels at once: what the best direction could reach;
/// - the difference of the means of labelled pictures or places: a direction that nobody had to learn.
public struct FactorStudy: Sendable {
  /// Candidates of one kind, and how well the best of them do.
  public struct Method: Sendable {
    /// What they are.
    public enum Kind: String, Sendable, Codable, CaseIterable {
      case dictionary
      case random = "random directions"
      case components = "principal components"
      case channels = "raw channels"
      case probe = "linear probe"
      case means = "mean difference"
    }
    /// What they are.
    public let kind: Kind
    /// Which dictionary.
    public let dictionary: String?
    /// How many candidates there are.
    public let candidates: Int
    /// For every value the best candidate; of a probe the features are all 0.
    public let scores: FactorScores
    /// The one-to-one match of candidates with values; of a probe and of means each value has its own.
    public let matches: FactorMatches
    /// Of dictionaries: how well their `k` best features tell each value together, per picture.
    public let sparseProbes: [Int: [SparseProbe?]]
    /// Of dictionaries: see `Shrinkage`.
    public let shrinkage: Estimate?

    /// Over how many features each value is split: the smallest k such that one more than k features tell it no better,
    /// by less than 0.03 in F1 (Chanin et al., 2024); nil where there are no probes.
    public func splitting(of label: Int) -> Int? {
      let f1 = FactorStudy.probeSizes.compactMap { sparseProbes[$0]?[label]?.f1 }
      guard f1.count == FactorStudy.probeSizes.count else { return nil }
      let step = f1.indices.dropLast().first { f1[$0 + 1] - f1[$0] < 0.03 }
      return FactorStudy.probeSizes[step ?? f1.count - 1]
    }
  }

  /// How many features a sparse probe takes.
  public static let probeSizes = [1, 2, 3, 4, 5]
  /// Pictures of each half whose places a linear probe sees.
  static let probedPictures = 100
  /// Bytes that the scores of places may take, for dense candidates.
  static let placeBytes = 1 << 28

  /// The methods, dictionaries first.
  public let methods: [Method]
  /// How many pictures were looked at.
  public let pictures: Int

  /// Studies a block of a store.
  ///
  /// - Parameters:
  ///   - dictionaries: at least one, with names.
  ///   - limit: pictures to look at, from the first on.
  ///   - progress: called with the number of pictures that were looked at, twice for each.
  /// - Throws: `NotOfShapes`, `BlockNotStored`, `EmptyStore`, `WidthMismatch`, `DecompositionFailed`.
  public init(
    of block: String, in store: ActivationStore,
    dictionaries: [(name: String, autoencoder: SparseAutoencoder)],
    pooling: FactorScorer.Pooling = .max, limit: Int = .max, seed: Seed = 42,
    progress: (Int) -> Void = { _ in }
  ) throws {
    let updates = try LabelledUpdates(of: block, in: store, limit: limit)
    for (_, autoencoder) in dictionaries { try updates.check(autoencoder) }
    let (count, width, places) = (updates.count, updates.width, updates.side * updates.side)
    var moments = VectorMoments(width: width)
    for picture in 0..<count {
      moments.add(try updates.vectors(picture))
      progress(1)
    }
    let components = try PrincipalComponents(moments)
    let mean = Tensor(components.mean.map { Float($0) }, [width])
    var random: [SparseAutoencoder] = []
    for (_, own) in dictionaries {
      let k = try own.k ?? updates.meanActive(own)
      guard !random.contains(where: { $0.features == own.features && $0.k == k }) else { continue }
      let directions = RandomDirections.make(own.features, width: width, seed: seed)
      random.append(
        SparseAutoencoder(
          k: k, encoder: directions, decoder: directions, preBias: mean,
          latentBias: Tensor([own.features])))
    }
    let coders = dictionaries.map(\.autoencoder) + random
    let projection = Linear(weight: WeightMatrix(components.directions), bias: nil)
    var sparse = coders.map { FactorScorer(features: $0.features, pooling: pooling) }
    let placePictures = max(2, min(2000, Self.placeBytes / (8 * places * width)))
    var dense = [0, 1].map { _ in
      FactorScorer(directions: width, pooling: pooling, placePictures: placePictures)
    }
    var shrinkages = dictionaries.map { _ in Shrinkage() }
    var probe = FactorProbe(width: width, placePictures: 2 * Self.probedPictures)
    for picture in 0..<count {
      let (truth, rows) = (updates.truth(picture), try updates.vectors(picture))
      for (index, coder) in coders.enumerated() {
        let codes = coder.encode(rows)
        sparse[index].add(codes, truth)
        if index < dictionaries.count { shrinkages[index].add(rows, codes, coder) }
      }
      let centered = coders[coders.count - 1].centered(rows)
      dense[0].add(projection(centered), truth)
      dense[1].add(rows, truth)
      probe.add(rows, truth)
      progress(1)
    }
    var methods = dictionaries.enumerated().map { index, dictionary in
      let scorer = sparse[index]
      return Method(
        kind: .dictionary, dictionary: dictionary.name, candidates: dictionary.autoencoder.features,
        scores: scorer.scores(), matches: scorer.matches(directions: dictionary.autoencoder.decoder),
        sparseProbes: Self.sparseProbes(scorer), shrinkage: shrinkages[index].estimate)
    }
    let others = zip(random, sparse[dictionaries.count...]).map {
      (Method.Kind.random, $1, $0.features, Optional($0.decoder))
    }
    for (kind, scorer, candidates, directions) in others + [
      (.components, dense[0], width, nil), (.channels, dense[1], width, nil),
    ] {
      methods.append(
        Method(
          kind: kind, dictionary: nil, candidates: candidates, scores: scorer.scores(),
          matches: scorer.matches(directions: directions), sparseProbes: [:], shrinkage: nil))
    }
    for (kind, source) in [(Method.Kind.probe, FactorProbe.Source.regression), (.means, .means)] {
      let (scores, matches) = probe.scores(source)
      methods.append(
        Method(
          kind: kind, dictionary: nil, candidates: width, scores: scores, matches: matches, sparseProbes: [:],
          shrinkage: nil))
    }
    (self.methods, pictures) = (methods, count)
  }

  /// What the pictures of a store show.
  ///
  /// - Throws: `NotOfShapes` when that is not known.
  public static func scenes(of store: ActivationStore) throws -> [ShapesScene] {
    let manifest = store.manifest
    func check(_ holds: Bool, _ reason: @autoclosure () -> String) throws {
      guard holds else { throw NotOfShapes(store: store.folder, reason: reason()) }
    }
    try check((manifest.world ?? manifest.model) == ModelFolder.embedded, "is of the model \(manifest.model)")
    try check(
      manifest.height == ShapesWorld.pictureSize && manifest.width == ShapesWorld.pictureSize,
      "has pictures of \(manifest.width) × \(manifest.height) pixels")
    try check(manifest.origin == nil, "has pictures of unknown seeds, from \(manifest.origin ?? "")")
    try check(manifest.places == nil, "keeps only \(manifest.places ?? 0) places of a map")
    return try store.prompts().map { prompt in
      let reading = ShapesGrammar.read(prompt)
      try check(reading.isCaption, "has the prompt \"\(prompt)\", which is no caption of its grammar")
      return reading.scene
    }
  }

  /// Per picture, for each of these numbers of features how well the best of them tell each value together.
  static func sparseProbes(_ scorer: FactorScorer, sizes: [Int] = probeSizes) -> [Int: [SparseProbe?]] {
    let training = (scorer.choosing.pictures, scorer.choosing.pictureLabels)
    let test = (scorer.measuring.pictures, scorer.measuring.pictureLabels)
    return Dictionary(
      uniqueKeysWithValues: sizes.map { k in
        (k, ShapesTruth.labels.indices.map { SparseProbe(k, label: $0, training: training, test: test) })
      })
  }
}

/// A store whose pictures are not known as those of `shapes` are.
public struct NotOfShapes: UserError {
  let store: String
  let reason: String

  /// Names a store or model, and why nothing is known of its pictures.
  public init(store: String, reason: String) { (self.store, self.reason) = (store, reason) }

  /// The store, the reason, and what can be scored.
  public var description: String {
    "'\(store)' \(reason), but the truth is known of the model shapes only, at its own size of "
      + "\(ShapesWorld.pictureSize) pixels and with captions of its grammar; record them with: sdlens collect --model "
      + "shapes"
  }
}
