import Foundation
import SDLensDiffusion
import SDLensSparse

/// Where a modulated feature changes pictures: inside or outside the area in which it is active (paper, Table 1b).
public struct Locality: Sendable, Equatable {
  /// The mean Manhattan distance inside, 0 to 765.
  public let inside: Double
  /// The mean Manhattan distance outside.
  public let outside: Double

  /// The strengths of the paper.
  public static let strengths = [-10.0, -5, 5, 10]

  /// The means over pictures; nil when no picture has a part inside, or none a part outside.
  public init?(_ changes: [PictureChange]) {
    let (inside, outside) = (changes.compactMap(\.inside), changes.compactMap(\.outside))
    guard !inside.isEmpty, !outside.isEmpty else { return nil }
    (self.inside, self.outside) = (Bootstrap.mean(inside), Bootstrap.mean(outside))
  }
}

/// `locality`, as `eval` measures it.
enum LocalityMetric: FeatureMetric {
  static let name = "locality"
  static let abstract = "Whether modulating a feature changes pictures where it is active."
  static let discussion = """
    The Manhattan distance (0 to 765) of a picture and the one with the feature modulated by -10, -5, 5 \
    and 10, inside the area where the feature is more active than in half of the picture, and outside, \
    where it is not active at all.
    """
  static let columnGroups = Locality.strengths.map { strength in
    let title = String(format: "%g", strength)
    return (title: title, columns: ["\(title) inside", "\(title) outside"])
  }
  static let columns = columnGroups.flatMap(\.columns)
  static let decimals = 1
  static let needs: Set<MetricNeed> = [.examples, .recorded, .means]
  static let paperTable: String? = "Table 1b: inside / outside the active area"
  static let paper = [
    "down.2.1": ["148.2", "116.0", "124.2", "94.4", "101.4", "78.7", "128.9", "105.6"],
    "mid.0": ["69.2", "32.2", "39.4", "18.5", "33.2", "15.2", "59.9", "29.8"],
    "up.0.0": ["105.3", "38.4", "77.7", "23.7", "63.6", "23.3", "88.6", "37.1"],
    "up.0.1": ["125.0", "26.8", "73.1", "16.4", "68.6", "21.9", "98.9", "34.7"],
  ]
  /// Pictures of each feature: they are made anew for every strength.
  private static let pictures = 2

  static func outcome(of feature: Int, at block: BlockName, in session: MetricSession) throws
    -> MetricOutcome
  {
    guard let dictionary = session.dictionaries[block], let mean = dictionary.means?[feature], mean > 0 else {
      return MetricOutcome(skip: .dead)
    }
    let sample = try session.maps(of: feature, at: block, count: pictures)
    guard let shape = dictionary.examples?.mapShape, !sample.isEmpty else {
      return MetricOutcome(skip: .tooFewPictures)
    }
    let edits = try Locality.strengths.map {
      try EditList([Edit(.modulate(feature: feature, beta: $0), at: block)])
    }
    var changes = [[PictureChange]](repeating: [], count: edits.count)
    for (number, map) in sample {
      guard let (prompt, settings) = try session.run(of: number) else { continue }
      let area = ActiveArea(height: shape[1], width: shape[2], activations: map)
      let pictures = try session.archive.pictures(prompt, settings, edits: [nil] + edits)
      for index in edits.indices {
        changes[index].append(PictureChange(from: pictures[0], to: pictures[index + 1], area: area))
      }
    }
    let found = changes.compactMap { Locality($0) }
    guard found.count == edits.count else { return MetricOutcome(skip: .noArea) }
    return MetricOutcome(values: found.flatMap { [$0.inside, $0.outside] })
  }
}
