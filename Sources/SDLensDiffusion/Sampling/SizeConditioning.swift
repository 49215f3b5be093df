import SDLensCore

/// What the model is told of the sizes of a picture, besides the prompt (SDXL, arXiv 2307.01952, section 2.2).
public struct SizeConditioning: Sendable, Hashable {
  /// Height and width, in pixels.
  public struct Size: Sendable, Hashable, CustomStringConvertible {
    /// Pixels.
    public let height, width: Int

    /// Names a size.
    public init(height: Int, width: Int) { (self.height, self.width) = (height, width) }

    /// Width × height.
    public var description: String { "\(width)x\(height)" }
  }

  /// Rows and columns that were cut off.
  public struct Crop: Sendable, Hashable, CustomStringConvertible {
    /// Pixels.
    public let top, left: Int

    /// Names a crop.
    public init(top: Int, left: Int) { (self.top, self.left) = (top, left) }

    /// Top, left.
    public var description: String { "\(top),\(left)" }
  }

  /// Of the training picture before it was scaled; nil for the size of the run's own.
  public var original: Size?
  /// What was cut off it, at the top and at the left; nil for nothing.
  public var crop: Crop?
  /// Of the training picture's bucket; nil for the size of the run's own.
  public var target: Size?

  /// What is told where nothing is chosen: the picture's own size, and nothing cut off.
  public init(original: Size? = nil, crop: Crop? = nil, target: Size? = nil) {
    (self.original, self.crop, self.target) = (original, crop, target)
  }

  /// The six numbers for the U-net (diffusers: `_get_add_time_ids`).
  func timeIDs(height: Int, width: Int) -> [Float] {
    let own = Size(height: height, width: width)
    let (original, target, crop) = (original ?? own, target ?? own, crop ?? Crop(top: 0, left: 0))
    return [
      original.height, original.width, crop.top, crop.left, target.height, target.width,
    ].map { Float($0) }
  }
}
