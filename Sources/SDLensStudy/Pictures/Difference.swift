import SDLensCore

/// What changed between two pictures of the same size.
public enum Difference {
  /// `min(255, gain · |a − b|)` of each colour: black where nothing changed.
  public static func absolute(_ a: Picture, _ b: Picture, gain: Int = 1) -> Picture {
    combine(a, b) { a, b in
      let difference = (0..<3).map { UInt8(min(255, gain * abs(Int(a[$0]) - Int(b[$0])))) }
      return SIMD3(difference[0], difference[1], difference[2])
    }
  }

  /// The mean of `b − a` over the colours as a colour of a map, `−range…range` from its first to its last.
  ///
  /// With `blueRed`: white where nothing changed, red where `b` is lighter, blue where it is darker.
  public static func signed(
    _ a: Picture, _ b: Picture, range: Int = 128, colors: ColorMap = .blueRed
  ) -> Picture {
    precondition(range > 0, "the range of a difference must be above 0, not \(range)")
    let table = colors.table.map { SIMD3<UInt8>($0) }
    return combine(a, b) { a, b in
      let change = (0..<3).reduce(0) { $0 + Int(b[$1]) - Int(a[$1]) }
      // 256 steps have no middle one; no change is the step just above it, the lightest.
      return table[min(255, max(0, 128 + change * 128 / (3 * range)))]
    }
  }

  private static func combine(
    _ a: Picture, _ b: Picture, _ pixel: (SIMD3<UInt8>, SIMD3<UInt8>) -> SIMD3<UInt8>
  ) -> Picture {
    precondition(
      a.width == b.width && a.height == b.height,
      "pictures of \(a.width) × \(a.height) and \(b.width) × \(b.height) pixels cannot be compared")
    let step = b.channels == 1 ? 0 : 1
    return a.mapPixels { color, x, y in
      let at = (y * b.width + x) * b.channels
      return pixel(color, SIMD3(b.samples[at], b.samples[at + step], b.samples[at + 2 * step]))
    }
  }
}
