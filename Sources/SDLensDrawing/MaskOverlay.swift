import SDLensCore

/// Shows an area on a picture: a tint over it and a line just inside its edge.
public struct MaskOverlay: Sendable {
  /// The colour `0xRRGGBB` of tint and line.
  public var color: UInt32
  /// How much of the picture the tint covers, 0…1.
  public var opacity: Double
  /// How wide the line is, in pixels of the picture; 1/128 of its width if `nil`.
  public var lineWidth: Int?

  /// A way to draw.
  public init(color: UInt32 = 0xE8590C, opacity: Double = 0.25, lineWidth: Int? = nil) {
    (self.color, self.opacity, self.lineWidth) = (color, opacity, lineWidth)
  }

  /// The picture with the area where the mask [h, w] is above 0; the picture's edge closes the line.
  public func callAsFunction(_ mask: Tensor, over picture: Picture) -> Picture {
    let scaling = MapScaling(mask.shape, to: picture, smooth: false)
    let line = max(1, lineWidth ?? picture.width / 128)
    let tint = SIMD3<UInt8>(color)
    return mask.withElements { mask in
      let inside = (0..<picture.width * picture.height).map {
        scaling.value(mask, $0 % picture.width, $0 / picture.width) > 0
      }
      let core = Self.eroded(inside, width: picture.width, height: picture.height, by: line)
      return picture.mapPixels { color, x, y in
        let at = y * picture.width + x
        guard inside[at] else { return color }
        return color.covered(by: tint, alpha: core[at] ? Int(opacity * 255) : 255)
      }
    }
  }

  /// What is left of an area without all that is nearer than `margin` to its edge, across or down.
  static func eroded(_ area: [Bool], width: Int, height: Int, by margin: Int) -> [Bool] {
    func erode(_ area: [Bool], count: Int, step: Int, lines: Int, lineStep: Int) -> [Bool] {
      var result = area
      for line in 0..<lines {
        // Runs of the area along the line lose `margin` at both ends.
        var run = 0
        for place in 0...count {
          if place < count, area[line * lineStep + place * step] {
            run += 1
            continue
          }
          for end in 0..<min(run, margin) {
            result[line * lineStep + (place - 1 - end) * step] = false
            result[line * lineStep + (place - run + end) * step] = false
          }
          run = 0
        }
      }
      return result
    }
    let across = erode(area, count: width, step: 1, lines: height, lineStep: width)
    return erode(across, count: height, step: width, lines: width, lineStep: 1)
  }
}
