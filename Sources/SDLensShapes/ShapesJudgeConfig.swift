import SDLensCore

/// The sizes of a judge and what its answers mean: `judge/config.json`.
struct ShapesJudgeConfig: Sendable {
  /// Height and width of the pictures that it looks at.
  let size: Int
  /// Channels behind each convolution.
  let channels: [Int]
  /// Groups of channels that are normalised together.
  let groups: Int
  /// Height and width of a window on the map.
  let window: Int
  /// For each place, in the order of `ShapesWorld.Place.allCases`, the first row and column of its window.
  let corners: [(row: Int, column: Int)]
  /// What a window is told by.
  let width: Int
  /// What the background is told by.
  let backgroundWidth: Int

  /// Height and width of the map: three convolutions halve the picture.
  var map: Int { size / 8 }

  /// The factors that a window has answers for.
  static let factors: [ShapesWorld.Factor] = [.shape, .colour, .size, .texture]
  /// The backgrounds, and that of the empty prompt.
  static let backgrounds = ShapesWorld.Factor.background.values + ["blank"]
  /// Cells of the map that the background is told from, along each side.
  static let backgroundCells = 4
  /// Convolutions that make the map: outputs of each, kernel, stride.
  static let convolutions = [
    (kernel: 5, stride: 2), (kernel: 3, stride: 2), (kernel: 3, stride: 1), (kernel: 3, stride: 2),
    (kernel: 3, stride: 1),
  ]

  /// Reads and checks it; the answers must be those of `ShapesWorld`.
  ///
  /// - Throws: the errors of `ConfigFile`.
  init(_ file: ConfigFile) throws {
    // A map of whole cells at either end of the range.
    size = try file.int("size", in: 32...1024)
    try Self.check(file, "size", size, dividesBy: 8 * Self.backgroundCells)
    groups = try file.int("groups", in: 1...64)
    channels = try file.ints("channels", count: Self.convolutions.count, in: 1...1024)
    for count in channels { try Self.check(file, "channels", count, dividesBy: groups) }
    window = try file.int("window", in: 2...size / 8)
    try Self.check(file, "window", window, dividesBy: 2)
    width = try file.int("width", in: 1...4096)
    backgroundWidth = try file.int("background_width", in: 1...4096)

    func section(_ key: String) throws -> ConfigFile {
      guard let section = try file.section(key) else {
        throw BadConfigValue(path: file.path, key: key, found: nil, needed: "an object")
      }
      return section
    }
    let (places, last) = (try section("places"), size / 8 - window)
    corners = try ShapesWorld.Place.allCases.map { place in
      let corner = try places.ints(place.rawValue, count: 2, in: 0...last)
      return (corner[0], corner[1])
    }
    func texts(_ values: [String]) -> JSONValue { .array(values.map { .string($0) }) }
    let answers = try section("answers")
    try answers.require("present", texts(["no", "yes"]), default: .null)
    for factor in Self.factors { try answers.require(factor.rawValue, texts(factor.values), default: .null) }
    try file.require("backgrounds", texts(Self.backgrounds), default: .null)
  }

  private static func check(_ file: ConfigFile, _ key: String, _ value: Int, dividesBy divisor: Int) throws {
    guard value % divisor == 0 else {
      throw BadConfigValue(path: file.path, key: key, found: .int(value), needed: "a multiple of \(divisor)")
    }
  }
}
