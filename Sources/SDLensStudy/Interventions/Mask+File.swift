import SDLensCore

extension Mask {
  /// Reads a mask painted as a PNG: white acts fully, grey in part, black and what is transparent not at all.
  ///
  /// A place of the map takes the mean of the pixels over it. The mask may have any size from that of the map on,
  /// as long as it has the shape of the picture (each side may be rounded to a whole pixel).
  ///
  /// - Parameters:
  ///   - picture: height and width of the pictures to be made.
  ///   - map: height and width of the block's map (`Pipeline.mapSize`).
  /// - Throws: `FileError`, `PNGError`; `MaskError` when it is smaller than the map, of another shape than the
  ///   picture, or black everywhere.
  public init(
    contentsOf path: String, picture: (height: Int, width: Int), map: (height: Int, width: Int)
  ) throws {
    let mask = try PNG.read(path, over: 0)
    guard mask.width >= map.width, mask.height >= map.height else {
      throw MaskError.tooSmall(
        path: path, width: mask.width, height: mask.height, mapWidth: map.width, mapHeight: map.height)
    }
    // At most half a pixel from the exact shape, on the side that was rounded.
    guard
      2 * abs(mask.width * picture.height - mask.height * picture.width) <= max(picture.width, picture.height)
    else {
      throw MaskError.shape(
        path: path, width: mask.width, height: mask.height, pictureWidth: picture.width,
        pictureHeight: picture.height)
    }
    guard mask.samples.contains(where: { $0 > 0 }) else { throw MaskError.black(path: path) }
    self = .places(
      try PlaceMask(
        height: map.height, width: map.width, values: mask.brightness(height: map.height, width: map.width)))
  }

  /// Reads the mask of an edit in a file; `place` says in messages where it stands.
  init(_ json: JSONValue, _ place: String) throws {
    if case .string(let text) = json {
      self = .region(try Region(text))
      return
    }
    guard case .array(let lines) = json, !lines.isEmpty else {
      throw EditFields.Mistake("has as \(place) \(json), but it must be a region or rows of numbers")
    }
    let rows = try lines.enumerated().map { row, line in
      guard case .array(let elements) = line, !elements.isEmpty else {
        throw EditFields.Mistake("has as row \(row) of \(place) \(line), but it must be a list of numbers")
      }
      let numbers = elements.compactMap(\.number).map(Float.init)
      guard numbers.count == elements.count else {
        throw EditFields.Mistake("has in row \(row) of \(place) what is not a number: \(line)")
      }
      return numbers
    }
    if let row = rows.firstIndex(where: { $0.count != rows[0].count }) {
      throw EditFields.Mistake(
        "has \(rows[row].count) numbers in row \(row) of \(place), but \(rows[0].count) in row 0")
    }
    self = .places(
      try PlaceMask(height: rows.count, width: rows[0].count, values: rows.flatMap { $0 }))
  }
}

extension Mask: Encodable {
  /// The mask as it stands in a file of edits.
  public func encode(to encoder: any Encoder) throws {
    var value = encoder.singleValueContainer()
    switch self {
    case .everywhere: try value.encode("0,0,1,1")
    case .region(let region): try value.encode(region.description)
    case .places(let places):
      let starts = stride(from: 0, to: places.values.count, by: places.width)
      try value.encode(starts.map { Array(places.values[$0..<$0 + places.width]) })
    }
  }
}

extension Picture {
  /// The mean of all samples over each place of a map, from 0 to 1; a pixel on a border counts by its parts.
  fileprivate func brightness(height rows: Int, width columns: Int) -> [Float] {
    /// The pixels over one place of a side, and how much of each.
    func pixels(_ place: Int, of count: Int, _ size: Int) -> [(pixel: Int, share: Double)] {
      let (start, end) = (Double(place * size) / Double(count), Double((place + 1) * size) / Double(count))
      return (Int(start)..<min(size, Int(end.rounded(.up)))).map {
        ($0, min(end, Double($0 + 1)) - max(start, Double($0)))
      }
    }
    let across = (0..<columns).map { pixels($0, of: columns, width) }
    return (0..<rows).flatMap { row -> [Float] in
      let down = pixels(row, of: rows, height)
      return across.map { across in
        var (sum, area) = (0.0, 0.0)
        for (y, tall) in down {
          for (x, wide) in across {
            let start = (y * width + x) * channels
            let total = samples[start..<start + channels].reduce(0) { $0 + Int($1) }
            sum += tall * wide * Double(total)
            area += tall * wide
          }
        }
        return Float(min(1, sum / (area * 255 * Double(channels))))
      }
    }
  }
}
