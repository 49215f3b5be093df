import SDLensCore
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
  /// pictures drawn anew. Nil without pictures.
  public static func explainedVariance(_ pictures: [ExplainedVariance]) -> Estimate? {
    guard var all = pictures.first else { return nil }
    for picture in pictures.dropFirst() { all.add(picture) }
    let mean = all.mean
    let parts = pictures.map { (part: $0.error, whole: $0.total(around: mean)) }
    let interval = Bootstrap().interval(ofRatio: parts).map { 1 - $0.upperBound...1 - $0.lowerBound }
    return Estimate(all.global, n: pictures.count, interval: interval)
  }
}
