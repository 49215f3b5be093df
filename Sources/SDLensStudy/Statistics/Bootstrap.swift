import SDLensCore

/// How far a figure would move if the data had been drawn anew.
public struct Bootstrap: Sendable {
  /// How often the data are drawn again.
  public var samples = 1000
  /// How likely the interval covers the figure.
  public var confidence = 0.95
  /// Decides what is drawn.
  public var seed: UInt64 = 42

  /// The usual settings; change what you like.
  public init() {}

  /// The percentile interval of a statistic of values, nil without values.
  ///
  /// Drawn are `default_rng(seed).integers(n, size=(samples, n))` of NumPy; ends are quantiles with linear
  /// interpolation. Source: Efron, "Bootstrap Methods", 1979.
  public func interval(
    _ values: [Double], of statistic: ([Double]) -> Double = Bootstrap.mean
  ) -> ClosedRange<Double>? {
    guard !values.isEmpty else { return nil }
    precondition(samples > 0 && 0..<1 ~= confidence, "\(samples) samples, confidence \(confidence)")
    var random = PCG64(seed: seed)
    var figures = (0..<samples).map { _ in
      statistic(values.indices.map { _ in values[random.integer(below: values.count)] })
    }
    figures.sort()
    let tail = (1 - confidence) / 2
    let (low, high) = (Self.quantile(figures, tail), Self.quantile(figures, 1 - tail))
    // Where sums are beyond a Double, nothing is known of the spread.
    return low <= high ? low...high : nil
  }

  /// The percentile interval of `Σ a / Σ b` over pairs that are drawn together; nil when all b are 0.
  public func interval(ofRatio pairs: [(part: Double, whole: Double)]) -> ClosedRange<Double>? {
    guard pairs.contains(where: { $0.whole != 0 }) else { return nil }
    func ratio(_ indices: [Double]) -> Double? {
      let whole = indices.reduce(0) { $0 + pairs[Int($1)].whole }
      return whole == 0 ? nil : indices.reduce(0) { $0 + pairs[Int($1)].part } / whole
    }
    let all = pairs.indices.map(Double.init)
    // A draw of nothing but zeros tells nothing.
    return interval(all) { ratio($0) ?? ratio(all) ?? 0 }
  }

  /// The arithmetic mean; 0 of nothing.
  public static func mean(_ values: [Double]) -> Double {
    values.isEmpty ? 0 : values.reduce(0, +) / Double(values.count)
  }

  /// The value below which a share of sorted values lies, between two of them in proportion.
  static func quantile(_ sorted: [Double], _ share: Double) -> Double {
    let place = share * Double(sorted.count - 1)
    let index = min(Int(place), sorted.count - 2)
    guard index >= 0 else { return sorted[0] }
    return sorted[index] + (place - Double(index)) * (sorted[index + 1] - sorted[index])
  }
}
