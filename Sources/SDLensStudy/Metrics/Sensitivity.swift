import SDLensCore

/// Whether a feature is active where its caption says it should be (paper, Sec. 5.2, "Sensitivity").
public enum Sensitivity {
  /// A feature counts as active on a picture when it is on more than such a share of its area.
  public static let areas = [0, 0.1, 0.3]
  /// Prompts for a caption.
  public static let prompts = 100

  /// For each of `areas` the share of pictures in which the feature is active on more than that; nil without
  /// pictures.
  ///
  /// - Parameter active: for each picture the share of places at which the feature is active.
  public static func shares(_ active: [Double]) -> [Double]? {
    guard !active.isEmpty else { return nil }
    return areas.map { area in Double(active.count { $0 > area }) / Double(active.count) }
  }

  /// The share of places at which a feature is active.
  public static func activeShare(of map: [Float]) -> Double {
    map.isEmpty ? 0 : Double(map.count { $0 > 0 }) / Double(map.count)
  }

  /// The prompts nearest to a caption that are not nearly equal to each other.
  ///
  /// Prompts are taken in the order of their cosine with the caption, of equal ones the earlier first; one is
  /// passed over when its cosine with one already taken is above `mostAlike`.
  public static func nearest(
    to caption: Tensor, among prompts: UnitVectors, count: Int = prompts, mostAlike: Double = 0.95
  ) -> [Int] {
    let cosines = prompts.cosines(with: UnitVectors(caption)).elements
    var chosen: [Int] = []
    for prompt in cosines.indices.sorted(by: { (-cosines[$0], $0) < (-cosines[$1], $1) }) {
      guard chosen.count < count else { break }
      if chosen.allSatisfy({ prompts.cosine(prompt, with: $0, of: prompts) <= mostAlike }) {
        chosen.append(prompt)
      }
    }
    return chosen
  }
}
