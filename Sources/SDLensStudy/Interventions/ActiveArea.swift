import SDLensCore

/// Where in a picture a feature acts, patch by patch; a patch is the part of the picture under one place of a map.
///
/// A patch may be neither inside nor outside, so that weak activations count for neither (paper, Sec. 5.2,
/// "Intervention locality"; 32 × 32 pixels at 512 × 512 and a map of 16 × 16).
public struct ActiveArea: Sendable, Equatable {
  /// Rows of the map.
  public let height: Int
  /// Places in a row.
  public let width: Int
  /// Which patches are inside, row by row.
  public let inside: [Bool]
  /// Which patches are outside, row by row.
  public let outside: [Bool]

  /// The area of a feature: inside are the patches whose activation is above 0 and larger than that of at least
  /// half of the patches (which is: above the median), outside those whose activation is exactly 0.
  ///
  /// - Parameter activations: `S^ρ`, row by row, never negative.
  public init(height: Int, width: Int, activations: [Float]) {
    precondition(activations.count == height * width, "\(activations.count) for \(height) × \(width)")
    (self.height, self.width) = (height, width)
    let sorted = activations.sorted()
    // The smallest activation that is larger than half of them, where there is one: ties are not larger.
    let half = sorted[..<((sorted.count + 1) / 2)].last ?? 0
    inside = activations.map { $0 > max(half, 0) }
    outside = activations.map { $0 == 0 }
  }

  /// The area of a mask, which must be for maps of that size: inside where it is above 0, outside where it is 0.
  public init(height: Int, width: Int, mask: Mask) {
    guard let values = mask.values(height: height, width: width) else {
      preconditionFailure("a mask of another size than \(height) × \(width)")
    }
    (self.height, self.width) = (height, width)
    inside = values.map { $0 > 0 }
    outside = values.map { $0 == 0 }
  }

  /// The share of the picture that is inside.
  public var share: Double { Double(inside.count { $0 }) / Double(inside.count) }
}

/// How much two pictures differ: the mean over pixels of the Manhattan distance of their colours, from 0 to 765.
public struct PictureChange: Sendable, Equatable, Encodable {
  /// Over the whole picture.
  public let overall: Double
  /// Inside the active area; nil where nothing is inside, or there is no area.
  public let inside: Double?
  /// Outside the active area; nil where nothing is outside, or there is no area.
  public let outside: Double?

  /// Compares two colour pictures of one size.
  public init(from before: Picture, to after: Picture, area: ActiveArea? = nil) {
    precondition(before.channels == 3 && after.channels == 3, "colour pictures are compared")
    precondition(before.width == after.width && before.height == after.height, "two sizes")
    var (all, inside, outside) = (Mean(), Mean(), Mean())
    for y in 0..<before.height {
      for x in 0..<before.width {
        let start = (y * before.width + x) * 3
        let distance = (start..<start + 3).reduce(0) {
          $0 + abs(Int(before.samples[$1]) - Int(after.samples[$1]))
        }
        all.add(distance)
        guard let area else { continue }
        let patch = y * area.height / before.height * area.width + x * area.width / before.width
        if area.inside[patch] { inside.add(distance) }
        if area.outside[patch] { outside.add(distance) }
      }
    }
    (overall, self.inside, self.outside) = (all.value ?? 0, inside.value, outside.value)
  }

  private struct Mean {
    var (sum, count) = (0, 0)
    var value: Double? { count == 0 ? nil : Double(sum) / Double(count) }
    mutating func add(_ distance: Int) {
      sum += distance
      count += 1
    }
  }
}
