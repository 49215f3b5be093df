/// Numbers to be drawn in a plot, in one way and one colour.
public struct Series: Sendable {
  /// How the numbers are drawn.
  public enum Kind: Sendable {
    /// A line through the points in their order; NaN leaves a gap.
    case line
    /// A dot for each point.
    case points
    /// A bar for each point, from 0 (or the lower end of a logarithmic axis), beside those of other series.
    case bars
    /// Bars side by side between edges: x has one number more than y.
    case histogram
  }

  /// What the legend says; a plot whose only series has no name has no legend.
  public var name: String
  /// How it is drawn.
  public var kind: Kind
  /// Across; of a histogram the edges.
  public var x: [Double]
  /// Up; of a histogram the counts.
  public var y: [Double]
  /// Half the length of the error bar of each point; none if empty or NaN.
  public var errors: [Double]
  /// From the palette, by the place in the plot, if `nil`.
  public var color: Color?

  private init(
    _ name: String, _ kind: Kind, _ x: [Double], _ y: [Double], _ errors: [Double], _ color: Color?
  ) {
    precondition(x.count == y.count + (kind == .histogram ? 1 : 0), "\(x.count) x for \(y.count) y")
    precondition(errors.isEmpty || errors.count == y.count, "\(errors.count) errors for \(y.count) points")
    (self.name, self.kind, self.x, self.y) = (name, kind, x, y)
    (self.errors, self.color) = (errors, color)
  }

  /// A line; without `x` over 0, 1, 2, ….
  public static func line(
    _ name: String = "", x: [Double]? = nil, y: [Double], errors: [Double] = [], color: Color? = nil
  ) -> Series {
    Series(name, .line, x ?? y.indices.map(Double.init), y, errors, color)
  }

  /// Dots.
  public static func points(
    _ name: String = "", x: [Double], y: [Double], errors: [Double] = [], color: Color? = nil
  ) -> Series {
    Series(name, .points, x, y, errors, color)
  }

  /// Bars over the categories of the x axis, in order, or over 0, 1, 2, ….
  public static func bars(
    _ name: String = "", y: [Double], errors: [Double] = [], color: Color? = nil
  ) -> Series {
    Series(name, .bars, y.indices.map(Double.init), y, errors, color)
  }

  /// How many values lie in each bin.
  public static func histogram(_ name: String = "", of histogram: Histogram, color: Color? = nil) -> Series {
    Series(name, .histogram, histogram.edges, histogram.counts.map(Double.init), [], color)
  }
}

/// How many values lie between equally spaced edges.
public struct Histogram: Sendable, Equatable {
  /// The ends of the bins, one more than there are bins; the last bin holds its upper end.
  public let edges: [Double]
  /// How many values lie in each bin.
  public let counts: [Int]
  /// Values in no bin: not finite, outside the range, or not above 0 where the axis is logarithmic.
  public let skipped: Int

  /// Counts values into `bins` bins between the least and the greatest, or the ends of `range`.
  ///
  /// - Parameter scale: whether the edges are equally spaced as they are or as their logarithms.
  public init(
    _ values: [Double], bins: Int = 50, scale: Axis.Scale = .linear, range: ClosedRange<Double>? = nil
  ) {
    precondition(bins > 0, "a histogram needs bins")
    let axis = Axis(scale: scale, range: range)
    let shown = values.filter(axis.shows)
    let ends = axis.range(of: shown, margin: 0)
    let place = AxisScale(range: ends, logarithmic: scale == .logarithmic, start: 0, end: Double(bins))
    var counts = [Int](repeating: 0, count: bins)
    for value in shown {
      guard let x = place(value) else { continue }
      counts[min(bins - 1, max(0, Int(x)))] += 1
    }
    self.counts = counts
    edges = (0...bins).map { place.value(at: Double($0)) }
    skipped = values.count - shown.count
  }
}
