import SDLensCore

/// Whether an edit drives a block's update out of the range that it has by itself: what lies far outside may show
/// how the network breaks instead of what a feature means.
public struct ArtefactCheck: Sendable, Equatable {
  /// The length of an update, over places, that 99.9 % of the natural ones do not pass.
  public let limit: Double
  /// The share of places whose edited update is longer.
  public let beyond: Double
  /// The largest edited length over the limit; 0 where nothing is natural.
  public let excess: Double

  /// How much of the natural range counts as usual.
  public static let usual = 0.999

  /// Compares the lengths of vectors along the last axis.
  public init(edited: Tensor, natural: Tensor) {
    self.init(edited: Self.lengths(edited), natural: Self.lengths(natural).sorted())
  }

  /// Compares lengths; the natural ones ascend.
  public init(edited: [Double], natural: [Double]) {
    precondition(!edited.isEmpty && !natural.isEmpty, "lengths of nothing")
    let limit = Bootstrap.quantile(natural, Self.usual)
    self.limit = limit
    beyond = Double(edited.count { $0 > limit }) / Double(edited.count)
    excess = limit > 0 ? (edited.max() ?? 0) / limit : 0
  }

  /// The length of each vector along the last axis.
  public static func lengths(_ vectors: Tensor) -> [Double] {
    let width = vectors.width
    return vectors.withElements { x in
      stride(from: 0, to: x.count, by: width).map { start in
        x[start..<start + width].reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
      }
    }
  }
}
