import Foundation

extension ShapesWorld.Form {
  /// The signed distance of a point to the outline, negative inside; the unit is the object's radius.
  func distance(_ x: Float, _ y: Float) -> Float {
    switch self {
    case .circle: hypot(x, y) - 0.88
    case .square: Self.box(x, y, 0.78, 0.78)
    case .triangle: max(y - 0.16, 0.8660254 * abs(x) - 0.5 * (y - 0.16)) - 0.54
    case .star: Self.star(x, y)
    case .ring: abs(hypot(x, y) - 0.68) - 0.24
    case .cross: min(Self.box(x, y, 0.92, 0.30), Self.box(x, y, 0.30, 0.92))
    }
  }

  /// An upright box around the origin.
  private static func box(_ x: Float, _ y: Float, _ halfWidth: Float, _ halfHeight: Float) -> Float {
    let (dx, dy) = (abs(x) - halfWidth, abs(y) - halfHeight)
    return hypot(max(dx, 0), max(dy, 0)) + min(max(dx, dy), 0)
  }

  /// A five-pointed star with one point up: the plane is folded into one half point, where it is one edge.
  private static func star(_ x: Float, _ y: Float) -> Float {
    let sector = 2 * Float.pi / 5
    let turn = atan2(x, -y)
    let angle = abs(turn - sector * (turn / sector).rounded(.toNearestOrEven))
    let radius = hypot(x, y)
    let (px, py) = (radius * sin(angle), radius * cos(angle))
    let (ex, ey) = (edge.x, edge.y)
    let along = min(max((px * ex + (py - 1) * ey) / (ex * ex + ey * ey), 0), 1)
    let distance = hypot(px - along * ex, py - 1 - along * ey)
    return px * ey - (py - 1) * ex > 0 ? -distance : distance
  }

  /// From a star's point, at radius 1, to its next inner corner, at radius 0.46.
  private static let edge = (
    x: Float(0.46 * sin(Double.pi / 5)), y: Float(0.46 * cos(Double.pi / 5) - 1)
  )
}
