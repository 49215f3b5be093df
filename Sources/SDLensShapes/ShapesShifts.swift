import SDLensCore

/// How far the objects of a picture lie from their places, in pixels: what the initial noise decides.
///
/// A shift is 2.5 times the noise's projection on one 4 × 4 patch, cut at two standard deviations: at most 5
/// pixels in x and in y.
public struct ShapesShifts: Sendable, Equatable {
  private let x: [Float]
  private let y: [Float]

  /// Every object exactly at its place; masks are then right up to 5 pixels in x and y.
  public static let none = ShapesShifts(x: [0, 0, 0, 0, 0], y: [0, 0, 0, 0, 0])

  /// Shifts for each place, in the order of `ShapesWorld.Place.allCases`.
  public init(x: [Float], y: [Float]) {
    precondition(x.count == ShapesWorld.Place.allCases.count && y.count == x.count)
    (self.x, self.y) = (x, y)
  }

  /// The shifts of the picture that a run with this seed makes at the model's own size.
  public init(seed: Seed) {
    var generator = MersenneTwister(seed: seed.bits)
    self.init(noise: generator.normal(4 * Self.latentSize * Self.latentSize))
  }

  /// The shifts that an initial noise of unit variance stands for, [4, 32, 32] in PyTorch's order.
  public init(noise: [Float]) {
    precondition(noise.count == 4 * Self.latentSize * Self.latentSize, "\(noise.count) values are no noise")
    /// The shift that the patch around a place says in a channel.
    func shift(_ place: ShapesWorld.Place, channel: Int) -> Float {
      let (row, column) = (Int(place.centre.y) / 32 * 4, Int(place.centre.x) / 32 * 4)
      let start = (channel * Self.latentSize + row) * Self.latentSize + column
      let sum = (0..<16).reduce(Float(0)) { $0 + 0.25 * noise[start + $1 / 4 * Self.latentSize + $1 % 4] }
      return 2.5 * min(max(sum, -2), 2)
    }
    let places = ShapesWorld.Place.allCases
    self.init(x: places.map { shift($0, channel: 0) }, y: places.map { shift($0, channel: 1) })
  }

  private static let latentSize = ShapesWorld.pictureSize / 8

  /// The centre of an object.
  func centre(of object: ShapesScene.Object) -> (x: Float, y: Float) {
    let place = object.resolved.place ?? .centre
    let index = ShapesWorld.Place.allCases.firstIndex(of: place) ?? 0
    return (place.centre.x + x[index], place.centre.y + y[index])
  }
}
