import SDLensCore

/// A map of numbers [h, w] read at the pixels of a larger picture.
///
/// The pixel (x, y) of a picture W wide lies at `(x + ½) w/W − ½` of the map. Nearest takes the number whose
/// square holds the middle of the pixel (for whole factors, every number fills a block: the Kronecker product with ones);
/// bilinear takes the weighted mean of four, and the edge's numbers beyond the edge, as `interpolate(mode=
/// "bilinear", align_corners=False)` of PyTorch and `resize` of PIL do when they enlarge.
package struct MapScaling {
  private struct Tap {
    let first: Int
    let second: Int
    let share: Double
  }

  private let rows: [Tap]
  private let columns: [Tap]
  private let mapWidth: Int

  init(_ shape: Shape, to picture: Picture, smooth: Bool) {
    self.init(shape, height: picture.height, width: picture.width, smooth: smooth)
  }

  package init(_ shape: Shape, height: Int, width: Int, smooth: Bool) {
    precondition(shape.rank == 2 && shape.count > 0, "a map needs two axes that are not empty, not \(shape)")
    func taps(_ count: Int, to size: Int) -> [Tap] {
      (0..<size).map { pixel in
        let nearest = (2 * pixel + 1) * count / (2 * size)
        guard smooth else { return Tap(first: nearest, second: nearest, share: 0) }
        let place = (Double(pixel) + 0.5) * Double(count) / Double(size) - 0.5
        let lower = place.rounded(.down)
        return Tap(
          first: max(0, Int(lower)), second: min(count - 1, max(0, Int(lower) + 1)),
          share: place - lower)
      }
    }
    rows = taps(shape[0], to: height)
    columns = taps(shape[1], to: width)
    mapWidth = shape[1]
  }

  /// The number at a pixel.
  package func value(_ map: UnsafeBufferPointer<Float>, _ x: Int, _ y: Int) -> Float {
    let (row, column) = (rows[y], columns[x])
    let (upper, lower) = (row.first * mapWidth, row.second * mapWidth)
    if row.share == 0 && column.share == 0 { return map[upper + column.first] }
    func mix(_ a: Float, _ b: Float, _ share: Double) -> Float {
      Float(Double(a) * (1 - share) + Double(b) * share)
    }
    return mix(
      mix(map[upper + column.first], map[upper + column.second], column.share),
      mix(map[lower + column.first], map[lower + column.second], column.share), row.share)
  }
}

extension Picture {
  /// The picture with each pixel changed by a rule: red, green, blue, and its place.
  func mapPixels(_ change: (SIMD3<UInt8>, _ x: Int, _ y: Int) -> SIMD3<UInt8>) -> Picture {
    var result = Picture(
      width: width, height: height, samples: [UInt8](repeating: 0, count: width * height * 3))
    samples.withUnsafeBufferPointer { samples in
      result.samples.withUnsafeMutableBufferPointer { out in
        for y in 0..<height {
          for x in 0..<width {
            let from = (y * width + x) * channels
            let second = channels == 1 ? 0 : 1
            let color = change(
              SIMD3(samples[from], samples[from + second], samples[from + 2 * second]), x, y)
            let to = (y * width + x) * 3
            (out[to], out[to + 1], out[to + 2]) = (color.x, color.y, color.z)
          }
        }
      }
    }
    return result
  }

  /// Every pixel as a square of `factor` × `factor`.
  public func enlarged(by factor: Int) -> Picture {
    precondition(factor > 0, "a picture cannot be enlarged by \(factor)")
    guard factor > 1 else { return self }
    var samples = [UInt8]()
    samples.reserveCapacity(self.samples.count * factor * factor)
    for y in 0..<height {
      var row = [UInt8]()
      row.reserveCapacity(width * factor * channels)
      for x in 0..<width {
        let pixel = self.samples[(y * width + x) * channels..<(y * width + x + 1) * channels]
        for _ in 0..<factor { row += pixel }
      }
      for _ in 0..<factor { samples += row }
    }
    return Picture(width: width * factor, height: height * factor, channels: channels, samples: samples)
  }
}

extension SIMD3<UInt8> {
  /// `(α other + (255 − α) self) / 255`, rounded.
  func covered(by other: SIMD3<UInt8>, alpha: Int) -> SIMD3<UInt8> {
    func mix(_ below: UInt8, _ above: UInt8) -> UInt8 {
      UInt8((Int(above) * alpha + Int(below) * (255 - alpha) + 127) / 255)
    }
    return SIMD3(mix(x, other.x), mix(y, other.y), mix(z, other.z))
  }

  /// Of the colour `0xRRGGBB`.
  package init(_ hex: UInt32) {
    self.init(UInt8(hex >> 16 & 255), UInt8(hex >> 8 & 255), UInt8(hex & 255))
  }
}
