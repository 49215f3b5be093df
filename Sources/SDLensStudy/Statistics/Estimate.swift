/// A figure, of how many it is, and how far it would move if they had been drawn anew.
public struct Estimate: Sendable, Codable, Equatable {
  /// The figure.
  public let value: Double
  /// Of how many: features, pictures, or whatever was drawn.
  public let n: Int
  /// Its 95 % interval, lower end first; nil where one or none tells nothing of the spread.
  public let interval: [Double]?

  /// Reads one that was written.
  ///
  /// - Throws: `DecodingError` for an interval that is none.
  public init(from decoder: any Decoder) throws {
    let fields = try decoder.container(keyedBy: CodingKeys.self)
    value = try fields.decode(Double.self, forKey: .value)
    n = try fields.decode(Int.self, forKey: .n)
    interval = try fields.decodeIfPresent([Double].self, forKey: .interval)
    guard interval.map({ $0.count == 2 && $0[0] <= $0[1] }) ?? true else {
      throw DecodingError.dataCorruptedError(
        forKey: .interval, in: fields, debugDescription: "an interval has two ends, the lower one first")
    }
  }

  /// A figure whose interval is known.
  public init(_ value: Double, n: Int, interval: ClosedRange<Double>?) {
    (self.value, self.n) = (value, n)
    self.interval = n > 1 ? interval.map { [$0.lowerBound, $0.upperBound] } : nil
  }

  /// The mean of values, its interval by bootstrap over them; nil of none.
  public init?(meanOf values: [Double]) {
    guard !values.isEmpty else { return nil }
    self.init(
      Bootstrap.mean(values), n: values.count, interval: values.count > 1 ? Bootstrap().interval(values) : nil
    )
  }

  /// The mean of an experiment that was repeated, its interval by Student's t: `mean ± t · s ∕ √n`; nil of none.
  public init?(ofRepetitions values: [Double]) {
    guard !values.isEmpty else { return nil }
    let mean = Bootstrap.mean(values)
    guard values.count > 1 else {
      self.init(mean, n: 1, interval: nil)
      return
    }
    let freedom = values.count - 1
    let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(freedom)
    let reach = StudentT.reach(freedom) * (variance / Double(values.count)).squareRoot()
    self.init(
      mean, n: values.count, interval: reach.isFinite && mean.isFinite ? mean - reach...mean + reach : nil)
  }

  /// `Σ part / Σ whole` over pairs that are drawn together; nil when the whole is 0.
  public init?(ratioOf pairs: [(part: Double, whole: Double)]) {
    let whole = pairs.reduce(0) { $0 + $1.whole }
    guard whole != 0 else { return nil }
    self.init(
      pairs.reduce(0) { $0 + $1.part } / whole, n: pairs.count,
      interval: pairs.count > 1 ? Bootstrap().interval(ofRatio: pairs) : nil)
  }

  /// The ends of the interval; both the figure itself where there is none.
  var ends: ClosedRange<Double> { interval.map { $0[0]...$0[1] } ?? value...value }
}
