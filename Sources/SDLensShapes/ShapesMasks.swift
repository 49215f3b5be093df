/// Where the objects of a picture are: for each object the visible share of every pixel.
///
/// `inside = clamp(½ − distance to the outline)`; the first-named object hides what is behind it.
public struct ShapesMasks: Sendable {
  /// Height and width.
  public let size: Int
  /// For each object [size, size], 0 to 1.
  public let objects: [[Float]]

  /// The masks at picture size.
  ///
  /// With the shifts of the picture's seed they are exact; with `.none` each object may lie up to 5 pixels
  /// elsewhere in x and in y.
  public init(_ scene: ShapesScene, _ shifts: ShapesShifts = .none) {
    let size = ShapesWorld.pictureSize
    var masks = scene.objects.map { _ in [Float](repeating: 0, count: size * size) }
    for (index, object) in scene.objects.enumerated().reversed() {
      let (centre, radius) = (shifts.centre(of: object), (object.size ?? .large).radius)
      // No outline goes farther than this.
      let reach = 1.15 * radius + 8
      func pixels(_ centre: Float) -> Range<Int> {
        max(0, Int(centre - reach))..<min(size, Int(centre + reach) + 1)
      }
      for row in pixels(centre.y) {
        let y = Float(row) + 0.5 - centre.y
        for column in pixels(centre.x) {
          let x = Float(column) + 0.5 - centre.x
          let distance = object.shape.distance(x / radius, y / radius) * radius
          let inside = min(max(0.5 - distance, 0), 1)
          guard inside > 0 else { continue }
          for behind in index + 1..<masks.count { masks[behind][row * size + column] *= 1 - inside }
          masks[index][row * size + column] = inside
        }
      }
    }
    (self.size, objects) = (size, masks)
  }

  /// The objects' share of the area of each cell of a map, [side, side] for each object; `side` divides `size`.
  public func shares(side: Int) -> [[Float]] {
    precondition(side > 0 && size % side == 0, "a map of \(side) does not divide a picture of \(size)")
    let cell = size / side
    return objects.map { mask in
      (0..<side * side).map { index in
        let start = index / side * cell * size + index % side * cell
        let sum = (0..<cell).reduce(Float(0)) { sum, row in
          mask[start + row * size..<start + row * size + cell].reduce(sum, +)
        }
        return sum / Float(cell * cell)
      }
    }
  }
}
