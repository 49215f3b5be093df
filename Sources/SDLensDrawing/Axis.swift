import Foundation

/// What an axis of a plot measures.
public struct Axis: Sendable {
  /// How numbers become lengths.
  public enum Scale: Sendable { case linear, logarithmic }

  /// What is measured, and in which unit.
  public var label: String
  /// The unit, in brackets behind the label.
  public var unit: String
  /// How numbers become lengths.
  public var scale: Scale
  /// The ends; of the data if `nil`.
  public var range: ClosedRange<Double>?
  /// Names instead of numbers: the value 0 is the first.
  public var categories: [String]

  /// An axis; a range must not be empty, and be above 0 where the scale is logarithmic.
  public init(
    _ label: String = "", unit: String = "", scale: Scale = .linear, range: ClosedRange<Double>? = nil,
    categories: [String] = []
  ) {
    if let range {
      precondition(
        range.lowerBound < range.upperBound && range.lowerBound.isFinite && range.upperBound.isFinite
          && (scale == .linear || range.lowerBound > 0), "an axis cannot show \(range)")
    }
    (self.label, self.unit, self.scale) = (label, unit, scale)
    (self.range, self.categories) = (range, categories)
  }

  /// As in `memory (GB)`.
  var title: String { unit.isEmpty ? label : "\(label) (\(unit))" }

  /// Whether a value has a place on an axis of this kind.
  func shows(_ value: Double) -> Bool {
    value.isFinite && abs(value) < 1e300 && (scale == .linear || value > 1e-300)
      && range?.contains(value) ?? true
  }

  /// The ends for these values, with `margin` of the length free at both.
  ///
  /// Values without a place do not count; without any the axis goes from 0 to 1 (from 0.1 to 1); around a
  /// single value there is room of a tenth of it. An axis of values above 0 does not go below it.
  func range(of values: [Double], margin: Double) -> ClosedRange<Double> {
    if !categories.isEmpty { return -0.5...(Double(categories.count) - 0.5) }
    if let range { return range }
    let shown = values.filter(shows)
    guard let least = shown.min(), let most = shown.max() else { return scale == .linear ? 0...1 : 0.1...1 }
    if scale == .logarithmic {
      let (lower, upper) = (log10(least), log10(most))
      let room = upper - lower < 1e-9 ? 0.5 : (upper - lower) * margin
      return pow(10, lower - room)...pow(10, upper + room)
    }
    let span = most - least
    let room = span <= abs(most) * 1e-12 ? max(abs(most) * 0.1, most == 0 ? 1 : 1e-290) : span * margin
    let lower = least >= 0 ? max(0, least - room) : least - room
    return lower...(most <= 0 && span > 0 ? min(0, most + room) : most + room)
  }
}

/// An axis on a drawing: from values to places.
package struct AxisScale {
  let range: ClosedRange<Double>
  let logarithmic: Bool
  /// The places of both ends.
  let start: Double
  let end: Double

  /// The place of a value within the range or beyond; `nil` for what has none.
  func callAsFunction(_ value: Double) -> Double? {
    guard value.isFinite, !logarithmic || value > 0 else { return nil }
    let (lower, upper) = (transformed(range.lowerBound), transformed(range.upperBound))
    return start + (transformed(value) - lower) / (upper - lower) * (end - start)
  }

  /// The value at a place.
  func value(at place: Double) -> Double {
    let (lower, upper) = (transformed(range.lowerBound), transformed(range.upperBound))
    let value = lower + (place - start) / (end - start) * (upper - lower)
    return logarithmic ? pow(10, value) : value
  }

  private func transformed(_ value: Double) -> Double { logarithmic ? log10(value) : value }
}
