/// A picture of 8-bit samples, row by row: `[height, width, channels]`.
public struct Picture: Sendable, Equatable {
  /// Pixels in a row.
  public let width: Int
  /// Rows.
  public let height: Int
  /// 1 grey, 3 red-green-blue, 4 red-green-blue-opacity.
  public let channels: Int
  /// The samples, in sRGB.
  public var samples: [UInt8]

  /// A picture of the given samples; their number must fit.
  public init(width: Int, height: Int, channels: Int = 3, samples: [UInt8]) {
    precondition([1, 3, 4].contains(channels), "\(channels) channels")
    precondition(samples.count == width * height * channels, "\(samples.count) samples do not fill it")
    self.width = width
    self.height = height
    self.channels = channels
    self.samples = samples
  }

  /// The picture with red, green and blue and nothing else, what is transparent over a grey, to the sample as PIL's
  /// `alpha_composite` does it.
  package func colored(over grey: UInt8 = 255) -> Picture {
    guard channels != 3 else { return self }
    var colors: [UInt8] = []
    colors.reserveCapacity(width * height * 3)
    for start in stride(from: 0, to: samples.count, by: channels) {
      let opacity = channels == 4 ? Int(samples[start + 3]) : 255
      for channel in 0..<3 {
        let sum =
          Int(samples[start + (channels == 1 ? 0 : channel)]) * opacity + Int(grey) * (255 - opacity)
        // Over 255, rounded, by PIL's shifts on 7 more bits.
        let wide = sum << 7 + 0x80 << 7
        colors.append(UInt8(((wide >> 8 + wide) >> 8) >> 7))
      }
    }
    return Picture(width: width, height: height, samples: colors)
  }
}
