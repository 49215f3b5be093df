import SDLensCore

/// One pass of a dictionary over the recorded activations of its block.
public struct DictionaryEvaluation {
  /// How the features behave.
  public let statistics: FeatureStatistics
  /// Where they are active.
  public let examples: FeatureExamples
  /// How well the dictionary explains the vectors.
  public let variance: ExplainedVariance
  /// The principal components of the same vectors, to compare with; nil of vectors that are all equal.
  public let components: PrincipalComponents?

  /// Encodes every vector of a store, in the order of the pictures.
  ///
  /// - Parameters:
  ///   - limit: to take the first pictures only; nil for all.
  ///   - known: the components of these vectors, where another evaluation has found them.
  ///   - progress: called with the number of pictures that were added.
  /// - Throws: `WidthMismatch`, `BlockNotStored`, `EmptyStore`, `ActivationBeyondFloat`, `DecompositionFailed`.
  public init(
    of autoencoder: SparseAutoencoder, block: String, in store: ActivationStore,
    limit: Int? = nil, components known: PrincipalComponents? = nil, progress: (Int) -> Void = { _ in }
  ) throws {
    let activations = try store.activations(of: block)
    let pictures = min(activations.pictures, limit ?? .max)
    guard activations.width == autoencoder.width else {
      throw WidthMismatch(block: block, stored: activations.width, dictionary: autoencoder.width)
    }
    let (rows, isWhole) = (activations.rowsPerPicture, store.manifest.places == nil)
    let (height, width) = (activations.block.mapHeight, activations.block.mapWidth)
    let steps = store.manifest.vectorSteps.steps.count
    var counts = FeatureCounts(features: autoencoder.features)
    var collector = FeatureExampleCollector(
      features: autoencoder.features, mapShape: isWhole ? [steps, height, width] : [1, 1, rows],
      keepsMaps: isWhole)
    var variance = ExplainedVariance(width: autoencoder.width)
    var moments = VectorMoments(width: autoencoder.width)
    let numbers = store.pictureNumbers
    let atOnce = max(1, 1024 / rows)
    for start in stride(from: 0, to: pictures, by: atOnce) {
      let pictures = start..<min(pictures, start + atOnce)
      let vectors = try Tensor.stacked(pictures.map(activations.rows(ofPicture:)))
      if let position = vectors.firstNotFinite {
        throw MalformedFile(
          path: store.folder,
          reason: "holds \(vectors[position]) in a vector of \(block) of picture "
            + "\(numbers[start + position / (rows * vectors.width)]), but vectors must be finite; collect it again"
        )
      }
      let codes = autoencoder.encode(vectors)
      // A sum over the map of a picture must fit, too. (Written so that NaN is refused.)
      let most = Float.greatestFiniteMagnitude / Float(rows)
      if let position = codes.values.firstIndex(where: { !($0 < most) }) {
        throw ActivationBeyondFloat(
          feature: Int(codes.indices[position]),
          picture: numbers[start + codes.row(ofEntry: position) / rows],
          value: codes.values[position])
      }
      counts.add(codes)
      variance.add(vectors, autoencoder.decode(codes))
      if known == nil { moments.add(vectors) }
      for (index, picture) in pictures.enumerated() {
        collector.add(codes.rows(index * rows..<(index + 1) * rows), picture: numbers[picture])
      }
      progress(pictures.count)
    }
    (statistics, examples, self.variance) = (counts.statistics, collector.result, variance)
    components = try known ?? (variance.global == nil ? nil : PrincipalComponents(moments))
  }
}

/// How much of the variance of vectors a reconstruction explains, summed up as they come.
public struct ExplainedVariance: Sendable {
  private var count = 0.0
  /// The first vector, taken off all: what is far from 0 loses digits in squares, and equal vectors leave zeros.
  private var origin: [Float] = []
  private var sums: [Double]
  private var squares: [Double]
  private var errorSums: [Double]
  private var errorSquares: [Double]

  /// Nothing added yet.
  public init(width: Int) {
    sums = Array(repeating: 0, count: width)
    (squares, errorSums, errorSquares) = (sums, sums, sums)
  }

  /// Adds vectors and their reconstructions, [rows, width] each.
  public mutating func add(_ vectors: Tensor, _ reconstructions: Tensor) {
    precondition(vectors.shape == reconstructions.shape && vectors.width == sums.count)
    count += Double(vectors.rows)
    let width = sums.count
    vectors.withElements { x in
      reconstructions.withElements { y in
        if origin.isEmpty { origin = Array(x.prefix(width)) }
        for row in 0..<vectors.rows {
          for c in 0..<width {
            let (vector, place) = (Double(x[row * width + c]), row * width + c)
            let (value, error) = (vector - Double(origin[c]), vector - Double(y[place]))
            sums[c] += value
            squares[c] += value * value
            errorSums[c] += error
            errorSquares[c] += error * error
          }
        }
      }
    }
  }

  /// Adds what was summed up elsewhere, of vectors of the same width.
  public mutating func add(_ other: ExplainedVariance) {
    precondition(other.sums.count == sums.count, "widths \(sums.count) and \(other.sums.count)")
    guard !other.origin.isEmpty else { return }
    if origin.isEmpty { origin = other.origin }
    count += other.count
    for c in sums.indices {
      // From the other's origin to this one's.
      let shift = Double(other.origin[c]) - Double(origin[c])
      sums[c] += other.sums[c] + other.count * shift
      squares[c] += other.squares[c] + 2 * shift * other.sums[c] + other.count * shift * shift
      errorSums[c] += other.errorSums[c]
      errorSquares[c] += other.errorSquares[c]
    }
  }

  /// The mean vector.
  public var mean: [Double] { zip(origin, sums).map { Double($0) + $1 / count } }

  /// `Σ‖h − h'‖²`.
  public var error: Double { errorSquares.reduce(0, +) }

  /// `Σ‖h − mean‖²`.
  public func total(around mean: [Double]) -> Double {
    zip(origin, mean).enumerated().reduce(0) { total, column in
      let (c, mean) = (column.offset, column.element.1 - Double(column.element.0))
      return total + squares[c] - 2 * mean * sums[c] + count * mean * mean
    }
  }

  /// `1 − Σ‖h − h'‖² / Σ‖h − mean h‖²`; nil where the vectors are all equal, so that there is no variance.
  public var global: Double? {
    let total = sums.indices.reduce(0) { $0 + squares[$1] - sums[$1] * sums[$1] / count }
    return total > 0 ? 1 - errorSquares.reduce(0, +) / total : nil
  }

  /// `mean_d (1 − var(h − h')_d / (var(h)_d + 1e-8))`, as the authors log it (variances of a sample); nil where the
  /// vectors are all equal.
  public var perDimension: Double? {
    guard global != nil else { return nil }
    let ratios = sums.indices.map { c in
      let error = (errorSquares[c] - errorSums[c] * errorSums[c] / count) / (count - 1)
      let variance = (squares[c] - sums[c] * sums[c] / count) / (count - 1)
      return 1 - error / (variance + 1e-8)
    }
    return ratios.reduce(0, +) / Double(ratios.count)
  }
}

/// An activation of a feature that float32 cannot hold, or not its sum over a picture.
public struct ActivationBeyondFloat: UserError {
  let feature: Int
  let picture: Int
  let value: Float
  /// The feature, the picture and what to do.
  public var description: String {
    "the activation of feature \(feature) in picture \(picture) is \(value), too large to be summed in float32; check "
      + "that dictionary and store belong together, or scale both down"
  }
}

/// A dictionary for vectors of another width.
public struct WidthMismatch: UserError {
  let block: String
  let stored: Int
  let dictionary: Int

  /// Names the block and both widths.
  public init(block: String, stored: Int, dictionary: Int) {
    (self.block, self.stored, self.dictionary) = (block, stored, dictionary)
  }

  /// The block and both widths.
  public var description: String {
    "the vectors of \(block) have width \(stored), but the dictionary is for width \(dictionary); take the "
      + "dictionary of that block and model"
  }
}
