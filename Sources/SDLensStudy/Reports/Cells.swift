import Foundation
import SDLensCore

/// Numbers as cells: of tables for people, and of files of comma-separated values.
public enum Cells {
  /// What stands in a table for a value that is not there.
  public static let none = "–"

  /// So many digits behind the point.
  public static func number(_ value: Double?, _ decimals: Int = 3) -> String {
    value.map { String(format: "%.\(decimals)f", $0) } ?? none
  }

  /// Three digits.
  public static func rounded(_ value: Double?, without: String = none) -> String {
    value.map { Units.rounded($0) } ?? without
  }

  /// A share, three digits, as in `12.3 %`.
  public static func percent(_ share: Double?, without: String = none) -> String {
    share.map { "\(Units.rounded($0 * 100)) %" } ?? without
  }

  /// The ends of an interval, as in `0.251–0.268`; empty without one.
  public static func ends(_ interval: [Double]?, _ decimals: Int = 3) -> String {
    interval.map { $0.map { number($0, decimals) }.joined(separator: "–") } ?? ""
  }

  /// A figure with its interval, as in `0.52 [0.48, 0.55]`.
  public static func bracketed(_ estimate: Estimate?, _ decimals: Int) -> String {
    guard let estimate else { return none }
    let ends = estimate.interval.map { " [\($0.map { number($0, decimals) }.joined(separator: ", "))]" }
    return number(estimate.value, decimals) + (ends ?? "")
  }

  /// Of a file: six digits behind the point; empty without a value.
  public static func exact(_ value: Double?) -> String { value.map { String(format: "%.6f", $0) } ?? "" }

  /// Of a file: seven digits in all; empty without a value.
  public static func digits(_ value: Double?) -> String { value.map { String(format: "%.7g", $0) } ?? "" }

  /// A whole number; empty without one.
  public static func whole(_ value: Int?) -> String { value.map { "\($0)" } ?? "" }

  /// Of a file: the figure, n, and the ends of the interval.
  static func exact(_ estimate: Estimate) -> [String] {
    [exact(estimate.value), "\(estimate.n)", exact(estimate.interval?.first), exact(estimate.interval?.last)]
  }
}
