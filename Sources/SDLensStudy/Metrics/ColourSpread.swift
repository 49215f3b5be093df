import SDLensCore
import SDLensDiffusion
import SDLensSparse

/// How much colours differ where a feature is active, 0 to 765 (paper, Sec. 5.2, "Color sensitivity").
///
/// `c̄ = Σ w c / Σ w` over all pixels of all pictures, `w` being the activation of the place over a pixel; the
/// spread is `Σ w ‖c − c̄‖₁ / Σ w`.
public enum ColourSpread {
  /// The spread over pictures and the feature's maps over them, row by row; nil when it is nowhere active.
  ///
  /// - Parameters:
  ///   - maps: for each picture [height · width], never negative; one place lies over whole pixels.
  public static func value(of pictures: [Picture], maps: [[Float]], height: Int, width: Int) -> Double? {
    precondition(pictures.count == maps.count && maps.allSatisfy { $0.count == height * width })
    var (total, sums) = (0.0, [0.0, 0.0, 0.0])
    forEachPixel(pictures, maps, height, width) { weight, samples, start in
      total += weight
      for channel in 0..<3 { sums[channel] += weight * Double(samples[start + channel]) }
    }
    guard total > 0 else { return nil }
    let mean = sums.map { $0 / total }
    var distance = 0.0
    forEachPixel(pictures, maps, height, width) { weight, samples, start in
      for channel in 0..<3 { distance += weight * abs(Double(samples[start + channel]) - mean[channel]) }
    }
    return distance / total
  }

  /// The spread of whole pictures, every pixel counting alike.
  public static func value(of pictures: [Picture]) -> Double? {
    value(of: pictures, maps: pictures.map { _ in [1] }, height: 1, width: 1)
  }

  private static func forEachPixel(
    _ pictures: [Picture], _ maps: [[Float]], _ height: Int, _ width: Int,
    _ body: (Double, UnsafeBufferPointer<UInt8>, Int) -> Void
  ) {
    for (picture, map) in zip(pictures, maps) {
      precondition(picture.channels == 3, "colours of colour pictures")
      picture.samples.withUnsafeBufferPointer { samples in
        for y in 0..<picture.height {
          let row = y * height / picture.height * width
          for x in 0..<picture.width {
            let weight = Double(map[row + x * width / picture.width])
            if weight > 0 { body(weight, samples, (y * picture.width + x) * 3) }
          }
        }
      }
    }
  }
}

/// `color`, as `eval` measures it.
enum ColourSpreadMetric: FeatureMetric {
  static let name = "color"
  static let abstract = "How much colours differ where a feature is active."
  static let discussion = """
    The Manhattan distance (0 to 765) of pixels to their mean colour, both weighted by the activation, \
    over 10 random pictures of a feature's top 5 %.
    """
  static let decimals = 1
  static let needs: Set<MetricNeed> = [.examples, .recorded]
  static let paperTable: String? = "Table 1a"
  static let paper = [
    "down.2.1": ["86.2 (14.9)"], "mid.0": ["84.7 (16.3)"], "up.0.0": ["86.3 (16.5)"],
    "up.0.1": ["73.8 (20.6)"], "random": ["90.7 (54.9)"],
  ]

  static func outcome(of feature: Int, at block: BlockName, in session: MetricSession) throws
    -> MetricOutcome
  {
    let sample = try session.maps(of: feature, at: block, count: Specificity.pictures)
    guard let shape = session.dictionaries[block]?.examples?.mapShape, !sample.isEmpty else {
      return MetricOutcome(skip: .tooFewPictures)
    }
    let pictures = try sample.map { try session.picture($0.number) }
    return MetricOutcome(
      ColourSpread.value(of: pictures, maps: sample.map(\.map), height: shape[1], width: shape[2]),
      else: .tooFewPictures)
  }

  /// Random pictures.
  static func baselines(in run: MetricRun) throws {
    let session = run.session
    guard session.pool.count > 1 else { return }
    try run.baseline(self, "random") { random, _ in
      let numbers = session.draw(Specificity.pictures, of: session.pool, &random)
      return [ColourSpread.value(of: try numbers.map { try session.picture($0) })]
    }
  }
}
