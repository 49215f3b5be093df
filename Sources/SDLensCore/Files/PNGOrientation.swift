extension PNG {
  /// How a picture is to be turned, by the tag Orientation of Exif (1 to 8); 1, upright, where a file says nothing that can
  /// be understood.
  ///
  /// Cameras and phones write the sensor's rows and say so there. The tag is in a chunk eXIf, or, by older programs, in
  /// hexadecimal digits under `Raw profile type exif`; else it is among the properties of XMP. PIL's
  /// `ImageOps.exif_transpose` is the reference.
  static func orientation(of bytes: UnsafeRawBufferPointer) -> Int {
    var (exif, profile, properties) = ([UInt8]?.none, [UInt8]?.none, Int?.none)
    var position = PNGChunk.signature.count
    while let chunk = PNGChunk(in: bytes, at: position) {
      let content = bytes[chunk.content]
      if chunk.type == "eXIf" {
        exif = Array(content)
      } else if chunk.type.hasSuffix("Xt"), let text = PNGText(type: chunk.type, content: content) {
        if text.keyword == "Raw profile type exif" { profile = Exif.profile(text.text) }
        if text.keyword == "XML:com.adobe.xmp" {
          properties = text.text.firstMatch(of: /tiff:Orientation(?:="|>)([1-8])/).flatMap { Int($0.1) }
        }
      }
      position = chunk.content.upperBound + 4
    }
    return (exif ?? profile)?.withUnsafeBytes(Exif.orientation) ?? properties ?? 1
  }
}

/// What a camera says of its picture.
private enum Exif {
  private static let tag = 0x0112
  /// The types of numbers that tell it, and their sizes: SHORT and LONG.
  private static let sizes = [3: 2, 4: 4]

  /// The bytes in a text of ImageMagick's: a line break, the kind, the number of bytes, and lines of digits.
  static func profile(_ text: String) -> [UInt8] {
    let lines = text.utf8.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    let digits = lines.dropFirst(3).joined().compactMap { Character(Unicode.Scalar($0)).hexDigitValue }
    return stride(from: 0, to: digits.count - 1, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
  }

  /// Looks through the first directory of a TIFF header.
  static func orientation(_ bytes: UnsafeRawBufferPointer) -> Int? {
    let header = bytes.starts(with: "Exif\0\0".utf8) ? 6 : 0
    guard bytes.count >= header + 8 else { return nil }
    let order = bytes[header..<header + 2]
    let isBig = order.elementsEqual("MM".utf8)
    guard isBig || order.elementsEqual("II".utf8) else { return nil }
    /// A number of `size` bytes; nil beyond the end.
    func number(_ place: Int, _ size: Int) -> Int? {
      guard place <= bytes.count - size else { return nil }
      return (0..<size).reduce(0) { $0 | Int(bytes[place + $1]) << (8 * (isBig ? size - 1 - $1 : $1)) }
    }
    guard number(header + 2, 2) == 42, let offset = number(header + 4, 4),
      let count = number(header + offset, 2)
    else { return nil }
    for entry in 0..<count {
      let place = header + offset + 2 + 12 * entry
      guard let tag = number(place, 2) else { return nil }
      guard tag == Self.tag else { continue }
      guard let size = number(place + 2, 2).flatMap({ sizes[$0] }), number(place + 4, 4) == 1,
        let value = number(place + 8, size), 1...8 ~= value
      else { return nil }
      return value
    }
    return nil
  }
}

extension Picture {
  /// The picture turned and mirrored as an orientation of Exif says.
  func upright(_ orientation: Int) -> Picture {
    guard orientation != 1 else { return self }
    let isTurned = orientation > 4
    let (w, h) = isTurned ? (height, width) : (width, height)
    var result = self.samples
    for y in 0..<h {
      for x in 0..<w {
        // Which pixel comes to (x, y).
        let (from, row) =
          switch orientation {
          case 2: (width - 1 - x, y)
          case 3: (width - 1 - x, height - 1 - y)
          case 4: (x, height - 1 - y)
          case 5: (y, x)
          case 6: (y, height - 1 - x)
          case 7: (width - 1 - y, height - 1 - x)
          default: (width - 1 - y, x)
          }
        for channel in 0..<channels {
          result[(y * w + x) * channels + channel] = samples[(row * width + from) * channels + channel]
        }
      }
    }
    return Picture(width: w, height: h, channels: channels, samples: result)
  }
}
