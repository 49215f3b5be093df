import SDLensCore

/// The area in which a feature is added: a share from 0 to 1 for every place of a block's map.
public enum Mask: Sendable, Hashable {
  /// 1 at every place.
  case everywhere
  /// At each place the share of it that the region covers, whatever the size of the map.
  case region(Region)
  /// Shares as given, for a map of just that size.
  case places(PlaceMask)

  /// The shares for a map of that size, row by row; nil when the mask is for another size.
  func values(height: Int, width: Int) -> [Float]? {
    switch self {
    case .everywhere: Array(repeating: 1, count: height * width)
    case .region(let region): region.coverage(height: height, width: width)
    case .places(let places): places.height == height && places.width == width ? places.values : nil
    }
  }
}

/// A rectangle in a picture whose sides are 1 long, the origin at the top left.
public struct Region: Sendable, Hashable, CustomStringConvertible {
  /// Left and right border, from 0 to 1.
  public let x: ClosedRange<Double>
  /// Upper and lower border, from 0 to 1.
  public let y: ClosedRange<Double>

  private static let named: [(name: String, region: Region)] = [
    ("left", Region(x: 0...0.5, y: 0...1)), ("right", Region(x: 0.5...1, y: 0...1)),
    ("top", Region(x: 0...1, y: 0...0.5)), ("bottom", Region(x: 0...1, y: 0.5...1)),
    ("centre", Region(x: 0.25...0.75, y: 0.25...0.75)),
  ]

  private init(x: ClosedRange<Double>, y: ClosedRange<Double>) { (self.x, self.y) = (x, y) }

  /// Reads `left`, `right`, `top`, `bottom`, `centre` (the middle half of each side) or `x0,y0,x1,y1`.
  ///
  /// - Throws: `MaskError`.
  public init(_ text: String) throws {
    let name = text == "center" ? "centre" : text
    if let region = Self.named.first(where: { $0.name == name })?.region {
      self = region
      return
    }
    let parts = text.split(separator: ",", omittingEmptySubsequences: false)
    let numbers = parts.compactMap { Double(String($0).filter { $0 != " " }) }
    guard parts.count == 4, numbers.count == 4, numbers.allSatisfy((0...1).contains),
      numbers[0] < numbers[2], numbers[1] < numbers[3]
    else { throw MaskError.region(text) }
    self.init(x: numbers[0]...numbers[2], y: numbers[1]...numbers[3])
  }

  /// The name, or the corners.
  public var description: String {
    Self.named.first { $0.region == self }?.name
      ?? "\(x.lowerBound),\(y.lowerBound),\(x.upperBound),\(y.upperBound)"
  }

  /// The share of every place of a map that lies inside, row by row.
  func coverage(height: Int, width: Int) -> [Float] {
    func shares(_ range: ClosedRange<Double>, _ count: Int) -> [Double] {
      (0..<count).map { place in
        let start = max(range.lowerBound * Double(count), Double(place))
        return max(0, min(range.upperBound * Double(count), Double(place + 1)) - start)
      }
    }
    let across = shares(x, width)
    return shares(y, height).flatMap { down in across.map { Float(down * $0) } }
  }
}

/// A share from 0 to 1 for every place of a map of one size.
public struct PlaceMask: Sendable, Hashable {
  /// Rows of the map.
  public let height: Int
  /// Places in a row.
  public let width: Int
  /// The shares, row by row.
  public let values: [Float]

  /// Takes the shares of a map, row by row.
  ///
  /// - Throws: `MaskError` when one is not from 0 to 1 or all are 0.
  public init(height: Int, width: Int, values: [Float]) throws {
    precondition(values.count == height * width, "\(values.count) values for \(height) × \(width)")
    if let index = values.firstIndex(where: { !(0...1).contains($0) }) {
      throw MaskError.value(values[index], row: index / width, column: index % width)
    }
    guard values.contains(where: { $0 > 0 }) else { throw MaskError.empty }
    (self.height, self.width, self.values) = (height, width, values)
  }
}

/// A mask that cannot be used.
public enum MaskError: UserError {
  case region(String)
  case value(Float, row: Int, column: Int)
  case empty
  case black(path: String)
  case tooSmall(path: String, width: Int, height: Int, mapWidth: Int, mapHeight: Int)
  case shape(path: String, width: Int, height: Int, pictureWidth: Int, pictureHeight: Int)

  /// The sentence for the user.
  public var description: String {
    switch self {
    case .region(let text):
      "'\(text)' is not a region; give left, right, top, bottom, centre, or x0,y0,x1,y1: the left, upper, right "
        + "and lower border as shares of the picture from 0 to 1, as in 0.25,0,0.75,0.5"
    case .value(let value, let row, let column):
      "the mask is \(value) in row \(row), column \(column), but it must be from 0 to 1"
    case .empty: "the mask is 0 everywhere, so that nothing would be added; give at least one place above 0"
    case .black(let path):
      "the mask '\(path)' is black everywhere, so that nothing would be added; paint the area white"
    case .tooSmall(let path, let width, let height, let mapWidth, let mapHeight):
      "the mask '\(path)' has \(width) × \(height) pixels, fewer than the \(mapWidth) × \(mapHeight) places of the "
        + "block's map; make it as large as the picture"
    case .shape(let path, let width, let height, let pictureWidth, let pictureHeight):
      "the mask '\(path)' has \(width) × \(height) pixels, which is not the shape of a picture of "
        + "\(pictureWidth) × \(pictureHeight); make it as large as the picture"
    }
  }
}
