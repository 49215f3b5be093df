import Foundation

/// Mean and standard deviation of a figure, written "M (S)" as in the paper.
public struct MeanAndDeviation: Sendable, Equatable, Codable {
  /// The mean.
  public let mean: Double
  /// The standard deviation, `√(Σ (x − mean)² / n)`.
  public let deviation: Double
  /// How many values there were.
  public let count: Int

  /// Of some values; nil without any.
  public init?(_ values: [Double]) {
    guard !values.isEmpty else { return nil }
    let mean = values.reduce(0, +) / Double(values.count)
    let squares = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
    (self.mean, count) = (mean, values.count)
    deviation = (squares / Double(values.count)).squareRoot()
  }

  /// As in `.71 (.11)` or `86.2 (3.4)`: without the zero before the point.
  public func text(decimals: Int = 2) -> String {
    "\(Self.text(mean, decimals)) (\(Self.text(deviation, decimals)))"
  }

  private static func text(_ value: Double, _ decimals: Int) -> String {
    let text = String(format: "%.\(decimals)f", abs(value))
    let sign = value < 0 && text.contains { "1"..."9" ~= $0 } ? "-" : ""
    return sign + (text.hasPrefix("0.") ? text.dropFirst() : text[...])
  }
}
