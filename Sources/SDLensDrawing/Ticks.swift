import Foundation

/// A labelled place on an axis.
package struct Tick: Sendable, Equatable {
  package let value: Double
  package let label: String
}

/// The labelled places of axes: round numbers.
package enum Ticks {
  /// About `count` multiples of 1, 2, 2.5 or 5 times a power of ten within a range of numbers.
  package static func linear(_ range: ClosedRange<Double>, count: Int) -> [Tick] {
    let step = step(range, count: count)
    let most = max(abs(range.lowerBound), abs(range.upperBound))
    guard step > 0, step.isFinite, most / step < 1e12 else { return [] }
    let tolerance = step * 1e-9
    let first = ((range.lowerBound - tolerance) / step).rounded(.up)
    let last = ((range.upperBound + tolerance) / step).rounded(.down)
    return first > last
      ? []
      : (Int(first)...Int(last)).map { index in
        let value = Double(index) * step
        return Tick(value: value, label: label(value, step: step, most: most))
      }
  }

  private static func step(_ range: ClosedRange<Double>, count: Int) -> Double {
    let rough = (range.upperBound - range.lowerBound) / Double(max(1, count))
    guard rough > 0, rough.isFinite else { return 0 }
    let power = pow(10, log10(rough).rounded(.down))
    let steps = [1, 2, 2.5, 5, 10].map { $0 * power }
    return steps.min { abs(log($0 / rough)) < abs(log($1 / rough)) } ?? power
  }

  /// Powers of ten within a range of numbers above 0, every second or third if there are many; below two powers,
  /// 1, 2 and 5 times each, and below one, round numbers.
  package static func logarithmic(_ range: ClosedRange<Double>, count: Int) -> [Tick] {
    let (lower, upper) = (log10(range.lowerBound), log10(range.upperBound))
    let tolerance = 1e-9 * max(1, abs(lower), abs(upper))
    let first = Int((lower - tolerance).rounded(.down))
    let last = Int((upper + tolerance).rounded(.up))
    func inside(_ value: Double) -> Bool {
      value > 0 && value.isFinite && log10(value) >= lower - tolerance && log10(value) <= upper + tolerance
    }
    guard upper - lower >= 1 else { return linear(range, count: count).filter { inside($0.value) } }
    let powers = (first...last).filter { inside(pow(10, Double($0))) }
    if upper - lower < 2 {
      return (first...last).flatMap { power in
        [1, 2, 5].map { $0 * pow(10, Double(power)) }.filter(inside).map { value in
          Tick(value: value, label: label(value, step: pow(10, Double(power)), most: value))
        }
      }
    }
    let stride = max(1, (powers.count + count - 1) / max(1, count))
    let plain = powers.allSatisfy { abs($0) <= 3 }
    return powers.filter { $0 % stride == 0 }.map { power in
      let value = pow(10, Double(power))
      return Tick(
        value: value,
        label: plain ? label(value, step: value, most: value) : "10" + superscript(power))
    }
  }

  /// 2 to 9 times each power of ten within a range, for unlabelled lines; none where they would be dense.
  static func minor(_ range: ClosedRange<Double>) -> [Double] {
    let (lower, upper) = (log10(range.lowerBound), log10(range.upperBound))
    guard upper - lower <= 6 else { return [] }
    return (Int(lower.rounded(.down))...Int(upper.rounded(.up))).flatMap { power in
      (2...9).map { Double($0) * pow(10, Double(power)) }.filter { range.contains($0) }
    }
  }

  /// A number with as many places as its step needs: 0.25, 1,500 as 1500, 20k, 2.5M, 3×10⁻⁵.
  static func label(_ value: Double, step: Double, most: Double) -> String {
    guard value != 0 else { return "0" }
    let sign = value < 0 ? "−" : ""
    func text(_ unit: Double) -> String {
      let places = stride(from: 0, through: 12, by: 1).first { places in
        let scaled = step / unit * pow(10, Double(places))
        return abs(scaled - scaled.rounded()) < 1e-6 * max(1, scaled) && scaled > 0.5
      }
      return sign + String(format: "%.\(places ?? 12)f", abs(value) / unit)
    }
    if most >= 1e15 || most < 1e-3 {
      let power = Int(log10(most).rounded(.down))
      return text(pow(10, Double(power))) + "×10" + superscript(power)
    }
    if most < 1e4 { return text(1) }
    let units = [(1e3, "k"), (1e6, "M"), (1e9, "G"), (1e12, "T")]
    let (unit, suffix) = units.last { $0.0 <= most } ?? units[0]
    return text(unit) + suffix
  }

  private static func superscript(_ number: Int) -> String {
    let digits = Array("⁰¹²³⁴⁵⁶⁷⁸⁹")
    return (number < 0 ? "⁻" : "")
      + String(String(abs(number)).compactMap(\.wholeNumberValue).map { digits[$0] })
  }
}
