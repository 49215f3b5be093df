import SDLensCore
import SDLensDiffusion
import SDLensEncoders
import SDLensSparse

/// How much a picture changes when an update is replaced by its reconstruction (paper, Table 2).
public struct ReconstructionError: Sendable, Equatable {
  /// The mean over pixels of the Manhattan distance, 0 to 765.
  public let mean: Double
  /// The median over pixels.
  public let median: Double

  /// Compares two colour pictures of one size.
  public init(from before: Picture, to after: Picture) {
    precondition(before.samples.count == after.samples.count && before.channels == 3)
    // Distances are whole numbers up to 765: counted, they need no sorting.
    var counts = [Int](repeating: 0, count: 766)
    for start in stride(from: 0, to: before.samples.count, by: 3) {
      counts[(start..<start + 3).reduce(0) { $0 + abs(Int(before.samples[$1]) - Int(after.samples[$1])) }] +=
        1
    }
    let pixels = before.samples.count / 3
    mean = Double(counts.indices.reduce(0) { $0 + $1 * counts[$1] }) / Double(pixels)
    func distance(at rank: Int) -> Int {
      var below = 0
      return counts.firstIndex { count in
        below += count
        return below > rank
      } ?? 0
    }
    median = Double(distance(at: (pixels - 1) / 2) + distance(at: pixels / 2)) / 2
  }

  /// The share of a block's effect on how a picture looks that its reconstruction keeps: `1 − r / a`, with the
  /// LPIPS distances `r` of the reconstructed and `a` of the ablated picture to the original.
  ///
  /// As "loss recovered" of language models (Rajamanoharan et al., 2024); nil when ablating changes nothing.
  public static func recovered(reconstructed: Double, ablated: Double) -> Double? {
    ablated > 0 ? 1 - reconstructed / ablated : nil
  }

  /// The share of variance that reconstructions explain, of what was summed up of each picture; its interval is of
  /// pictures drawn anew. Nil without pictures, or where their vectors are all equal.
  public static func explainedVariance(_ pictures: [ExplainedVariance]) -> Estimate? {
    guard var all = pictures.first else { return nil }
    for picture in pictures.dropFirst() { all.add(picture) }
    guard let global = all.global else { return nil }
    let mean = all.mean
    let parts = pictures.map { (part: $0.error, whole: $0.total(around: mean)) }
    let interval = Bootstrap().interval(ofRatio: parts).map { 1 - $0.upperBound...1 - $0.lowerBound }
    return Estimate(global, n: pictures.count, interval: interval)
  }
}

/// `reconstruction`, as `eval` measures it.
enum ReconstructionErrorMetric: Metric {
  static let name = "reconstruction"
  static let abstract = "How much a picture changes when a block is reconstructed."
  static let discussion = """
    Mean and median Manhattan distance of pixels (0 to 765), LPIPS, the share of LPIPS that the \
    reconstruction keeps of what leaving out the block takes, and explained variance. The paper's values \
    are those of k = 10 and 5120 features.

    A dictionary that is named with --sae may be of another model than --model: then the table says how well the \
    updates of this model are explained by it. Of a --store of another model the prompts and seeds are taken, and run \
    on this one.
    """
  static let columns = ["mean", "median", "LPIPS", "LPIPS recovered", "explained variance"]
  static let decimals = 3
  static let needs: Set<MetricNeed> = [.recorded]
  static let goesAcrossModels = true
  static let paperTable: String? = "Table 2"
  static let paper = [
    "down.2.1": ["64.97", "34.77", "0.2582", "", "0.737"],
    "mid.0": ["44.02", "21.72", "0.1627", "", "0.588"],
    "up.0.0": ["42.08", "21.54", "0.1624", "", "0.642"],
    "up.0.1": ["39.77", "24.84", "0.1453", "", "0.671"],
  ]

  static func measure(_ block: BlockName, in run: MetricRun) throws {
    let session = run.session
    guard let autoencoder = session.dictionaries[block]?.autoencoder else { return }
    let numbers = session.sample(of: session.settings.pictures ?? MetricRun.baselineSize, name)
    let lpips = session.lpips
    if lpips == nil {
      run.leaveOut(self, block, "weights of LPIPS are missing; name their folder with --lpips")
    }
    let edits = [
      nil, try EditList([Edit(.reconstruct, at: block)]), try EditList([Edit(.ablate, at: block)]),
    ]
    try run.pictures(self, block, numbers) { number in
      guard let (prompt, settings) = try session.run(of: number) else {
        return MetricOutcome(skip: .tooFewPictures)
      }
      let pictures = try session.archive.pictures(
        prompt, settings, edits: lpips == nil ? Array(edits.prefix(2)) : edits)
      let error = ReconstructionError(from: pictures[0], to: pictures[1])
      guard let lpips else { return MetricOutcome(values: [error.mean, error.median]) }
      let features = try lpips.features(of: LPIPS.tensor(of: [pictures[0]]))
      let distances = try pictures.dropFirst().map { picture in
        lpips.distances(features, try lpips.features(of: LPIPS.tensor(of: [picture])))[0]
      }
      return MetricOutcome(values: [
        error.mean, error.median, distances[0],
        ReconstructionError.recovered(reconstructed: distances[0], ablated: distances[1]),
      ])
    }
    let variances = try numbers.compactMap { number in
      try session.rows(of: number, at: block).map { rows in
        var variance = ExplainedVariance(width: autoencoder.width)
        variance.add(rows, autoencoder.decode(autoencoder.encode(rows)))
        return variance
      }
    }
    if let explained = ReconstructionError.explainedVariance(variances) {
      run.add(self, block, "explained variance", values: [explained.value], estimate: explained)
    }
  }
}
