import SDLensCore
import SDLensDiffusion
import SDLensSparse

/// How far a feature stays where it is from one denoising step to the next.
public enum TemporalStability {
  /// The mean cosine between the maps of consecutive steps, over the pairs in which the feature is active at
  /// least once; nil without such a pair.
  ///
  /// 1: the same map at every step; 0: active at other places, or at one step of each pair only.
  /// - Parameter map: [steps, places], never negative.
  public static func value(of map: [Float], steps: Int) -> Double? {
    precondition(steps > 0 && map.count % steps == 0, "a map of \(map.count) in \(steps) steps")
    let places = map.count / steps
    var cosines: [Double] = []
    for step in 1..<max(steps, 1) {
      let (before, after) = (
        map[(step - 1) * places..<step * places], map[step * places..<(step + 1) * places]
      )
      func sum(_ a: ArraySlice<Float>, _ b: ArraySlice<Float>) -> Double {
        zip(a, b).reduce(0) { $0 + Double($1.0) * Double($1.1) }
      }
      let (first, second) = (sum(before, before), sum(after, after))
      guard first > 0 || second > 0 else { continue }
      cosines.append(first > 0 && second > 0 ? sum(before, after) / (first * second).squareRoot() : 0)
    }
    return cosines.isEmpty ? nil : Bootstrap.mean(cosines)
  }
}

/// `steps`, as `eval` measures it.
enum TemporalStabilityMetric: FeatureMetric {
  static let name = "steps"
  static let abstract = "How far features stay in place over denoising steps."
  static let discussion =
    "The mean cosine between a feature's maps in consecutive steps, over its 16 strongest pictures."
  static let needs: Set<MetricNeed> = [.recorded, .steps]

  static func outcome(of feature: Int, at block: BlockName, in session: MetricSession) throws
    -> MetricOutcome
  {
    guard let examples = session.dictionaries[block]?.examples else {
      return MetricOutcome(skip: .tooFewPictures)
    }
    let values = (0..<FeatureExamples.mapsKept).compactMap { rank in
      examples.map(of: feature, rank: rank).flatMap {
        TemporalStability.value(of: $0, steps: examples.mapShape[0])
      }
    }
    return MetricOutcome(MeanAndDeviation(values)?.mean, else: .tooFewPictures)
  }
}
