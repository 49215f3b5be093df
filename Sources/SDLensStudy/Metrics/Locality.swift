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
