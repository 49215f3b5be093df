import SDLensCore

/// How much changed between two pictures of the same size, pixel by pixel: |Δred| + |Δgreen| + |Δblue|, 0 to 765.
///
/// Drawn from nearly white, where nothing changed, to a dark red. Most changes are small, so they are multiplied by a gain,
/// which is said beside the picture.
public struct Difference: Sendable, Equatable {
  /// The gain is at most that, so that the rounding of a sample does not look like a change.
  static let mostGain = 256
  private static let most = 765
  /// The share of the pixels that may be beyond the scale.
  private static let beyond = 0.005

  private let width: Int
  private let height: Int
  private let magnitudes: [UInt16]
  /// What the magnitudes are multiplied by.
  public var gain: Int

  /// Compares two pictures.
  ///
  /// - Parameter gain: if `nil` the highest power of two, up to 256, with which all but the strongest half percent
  ///   of the pixels stay within the scale.
  public init(_ a: Picture, _ b: Picture, gain: Int? = nil) {
    precondition(
      a.width == b.width && a.height == b.height,
      "pictures of \(a.width) × \(a.height) and \(b.width) × \(b.height) pixels cannot be compared")
    precondition(gain ?? 1 > 0, "the gain of a difference must be above 0, not \(gain ?? 1)")
    func color(_ picture: Picture, _ pixel: Int, _ index: Int) -> Int {
      Int(picture.samples[pixel * picture.channels + (picture.channels == 1 ? 0 : index)])
    }
    (width, height) = (a.width, a.height)
    let magnitudes = (0..<width * height).map { pixel in
      UInt16((0..<3).reduce(0) { $0 + abs(color(a, pixel, $1) - color(b, pixel, $1)) })
    }
    self.magnitudes = magnitudes
    self.gain = gain ?? Self.gain(for: magnitudes)
  }

  private static func gain(for magnitudes: [UInt16]) -> Int {
    var counts = [Int](repeating: 0, count: most + 1)
    for magnitude in magnitudes { counts[Int(magnitude)] += 1 }
    guard let highest = counts.lastIndex(where: { $0 > 0 }), highest > 0 else { return 1 }
    let allowed = Int(Double(magnitudes.count) * beyond)
    var (top, above) = (highest, 0)
    while top > 0, above + counts[top] <= allowed {
      above += counts[top]
      top -= 1
    }
    // A change of a few pixels alone is all that there is to show.
    if top == 0 { top = highest }
    var gain = 1
    while gain < mostGain, 2 * gain * top <= most { gain *= 2 }
    return gain
  }

  /// Whether no pixel changed.
  public var isNone: Bool { magnitudes.allSatisfy { $0 == 0 } }

  /// As in `difference × 8`.
  public var title: String { isNone ? "no difference" : gain == 1 ? "difference" : "difference × \(gain)" }

  /// The magnitudes as colours.
  public var picture: Picture {
    let samples = magnitudes.flatMap { magnitude -> [UInt8] in
      let color = Self.colors[min(127, Int(magnitude) * gain * 128 / Self.most)]
      return [color.x, color.y, color.z]
    }
    return Picture(width: width, height: height, samples: samples)
  }

  /// What the colours mean.
  public var scale: ColorScale {
    guard !isNone else { return ColorScale(low: "no difference") }
    let strip = Picture(width: 128, height: 1, samples: Self.colors.flatMap { [$0.x, $0.y, $0.z] })
    return ColorScale(strip, low: "× \(gain): 0", high: (Double(Self.most) / Double(gain)).threeDigits)
  }

  /// From white to red: the upper half of `blueRed`.
  private static let colors = ColorMap.blueRed.table[128...].map { SIMD3<UInt8>($0) }
}
