/// A place on a drawing, in points from the upper left corner, down being positive.
public struct Point: Sendable, Hashable {
  /// To the right.
  public var x: Double
  /// Down.
  public var y: Double

  /// The place `x` to the right and `y` down.
  public init(_ x: Double, _ y: Double) { (self.x, self.y) = (x, y) }
}

/// An extent on a drawing, in points.
public struct Size: Sendable, Hashable {
  /// Across.
  public var width: Double
  /// Down.
  public var height: Double

  /// An extent of the given sides.
  public init(_ width: Double, _ height: Double) { (self.width, self.height) = (width, height) }
}

/// An upright rectangle on a drawing, in points.
public struct Box: Sendable, Hashable {
  /// The left edge.
  public var x: Double
  /// The upper edge.
  public var y: Double
  /// Across.
  public var width: Double
  /// Down.
  public var height: Double

  /// The rectangle whose upper left corner is (`x`, `y`).
  public init(x: Double, y: Double, width: Double, height: Double) {
    (self.x, self.y, self.width, self.height) = (x, y, width, height)
  }

  /// The rectangle of that size with its upper left corner there.
  public init(at corner: Point, _ size: Size) {
    self.init(x: corner.x, y: corner.y, width: size.width, height: size.height)
  }

  /// The upper left corner.
  public var corner: Point { Point(x, y) }
  /// The right edge.
  public var right: Double { x + width }
  /// The lower edge.
  public var bottom: Double { y + height }
  /// The place in the middle.
  public var center: Point { Point(x + width / 2, y + height / 2) }

  /// Whether the two share more than `tolerance` in both directions.
  package func overlaps(_ other: Box, tolerance: Double = 0.01) -> Bool {
    min(right, other.right) - max(x, other.x) > tolerance
      && min(bottom, other.bottom) - max(y, other.y) > tolerance
  }

  /// Whether the other lies inside, up to `tolerance`.
  package func contains(_ other: Box, tolerance: Double = 0.01) -> Bool {
    other.x >= x - tolerance && other.y >= y - tolerance && other.right <= right + tolerance
      && other.bottom <= bottom + tolerance
  }
}

/// A colour in sRGB with an opacity, each 0…1.
public struct Color: Sendable, Hashable {
  /// How much red.
  public var red: Double
  /// How much green.
  public var green: Double
  /// How much blue.
  public var blue: Double
  /// 0 lets everything through, 1 nothing.
  public var opacity: Double

  /// The colour `0xRRGGBB`.
  public init(_ hex: UInt32, opacity: Double = 1) {
    red = Double(hex >> 16 & 255) / 255
    green = Double(hex >> 8 & 255) / 255
    blue = Double(hex & 255) / 255
    self.opacity = opacity
  }

  /// The paper.
  public static let white = Color(0xFFFFFF)
  /// Text that is to be read first.
  public static let ink = Color(0x1F2328)
  /// Text beside it: numbers of axes, captions.
  public static let quietInk = Color(0x57606A)
  /// Frames and axes.
  public static let frame = Color(0x8C959F)
  /// Lines of a grid at labelled values.
  public static let gridLine = Color(0xE4E7EB)
  /// Lines between these.
  public static let faintGridLine = Color(0xF2F4F6)

  /// Eight colours that people with colour blindness tell apart (Okabe and Ito; the yellow, too light for lines
  /// on white, is replaced by a grey).
  public static let palette = [
    0x0072B2, 0xD55E00, 0x009E73, 0xCC79A7, 0xE69F00, 0x56B4E9, 0x000000, 0x999999,
  ].map { Color($0) }
}
