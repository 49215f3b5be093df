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
}
