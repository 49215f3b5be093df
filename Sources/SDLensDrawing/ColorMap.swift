import SDLensCore

/// A scale of 256 colours for numbers from 0 to 1.
public enum ColorMap: String, CaseIterable, Sendable {
  /// Blue, cyan, yellow, red: as the authors draw heat maps. Its lightness goes up and down again.
  case jet
  /// Evenly stepped in lightness, readable with every kind of colour blindness.
  case viridis
  /// As `viridis`, and looking nearly the same with and without red-green blindness.
  case cividis
  /// Blue below 0.5, white there, red above: for differences. matplotlib calls it `RdBu_r`.
  case blueRed = "blue-red"

  /// The colour `0xRRGGBB` of each of 256 steps, equal to matplotlib's.
  public var table: [UInt32] {
    switch self {
    case .jet: Self.jetTable
    case .viridis: Self.viridisTable
    case .cividis: Self.cividisTable
    case .blueRed: Self.blueRedTable
    }
  }

  /// The step of a number: `⌊256 x⌋`, and 255 from 1 on, 0 below 0 and for NaN.
  package static func step(_ x: Float) -> Int {
    x > 0 ? min(255, Int(min(x, 1) * 256)) : 0
  }

  /// The colour of a number from 0 to 1.
  public func color(_ x: Float) -> Color { Color(table[Self.step(x)]) }

  /// A picture of a map of numbers [h, w], one pixel each, from the first number of `range` to the last.
  public func picture(of values: Tensor, range: ClosedRange<Float>) -> Picture {
    precondition(values.shape.rank == 2, "a map needs two axes, not \(values.shape)")
    let table = table
    let samples = values.elements.flatMap { value in
      let color = table[Self.step(range.fraction(of: value))]
      return [UInt8(color >> 16 & 255), UInt8(color >> 8 & 255), UInt8(color & 255)]
    }
    return Picture(width: values.shape[1], height: values.shape[0], samples: samples)
  }
}

extension ClosedRange<Float> {
  /// Where a value lies, 0 at the lower end and 1 at the upper; 1 in a range of one number.
  func fraction(of value: Float) -> Float {
    let span = upperBound - lowerBound
    return span > 0 ? (value - lowerBound) / span : value >= lowerBound ? 1 : 0
  }
}
