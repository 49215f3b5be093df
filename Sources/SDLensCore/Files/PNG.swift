import CPNG

/// Reads and writes pictures as PNG, through libpng.
public enum PNG {
  /// The most pixels a picture may have to be read.
  static let mostPixels = 1 << 28

  /// The version of libpng.
  public static var libraryVersion: String {
    png_get_libpng_ver(nil).map { String(cString: $0) } ?? "unknown"
  }

  /// Writes a picture to a file, with texts (such as `prompt`) that tell how it was made.
  ///
  /// - Throws: `FileError` when the folder or the disk does not take the file, `PNGError` when libpng
  ///   does not take the picture.
  public static func write(_ picture: Picture, text: [PNGText] = [], to path: String) throws {
    let bytes = try encode(picture, text: text)
    try AtomicFile.write(to: path, byteCount: bytes.count) { try $0.append(bytes) }
  }

  /// The bytes of a PNG file; the same for the same picture and texts.
  public static func encode(_ picture: Picture, text: [PNGText] = []) throws -> [UInt8] {
    var image = png_image()
    image.version = UInt32(PNG_IMAGE_VERSION)
    image.width = UInt32(picture.width)
    image.height = UInt32(picture.height)
    image.format = picture.format
    image.flags = UInt32(PNG_IMAGE_FLAG_FAST)
    // Samples, a filter byte per row, and more than zlib can add to what it cannot compress.
    let most = picture.samples.count + picture.height
    var bytes = [UInt8](repeating: 0, count: most + most / 8 + 1024)
    var size = bytes.count
    guard png_image_write_to_memory(&image, &bytes, &size, 0, picture.samples, 0, nil) != 0 else {
      throw PNGError.unwritable(reason: image.text)
    }
    bytes.removeSubrange(size...)
    bytes.insert(contentsOf: text.flatMap(\.chunk), at: PNGChunk.afterHeader)
    return bytes
  }

  /// Reads a PNG of any kind as 8-bit RGB, turned as its `orientation` says; what is transparent is laid over a grey, by
  /// itself over white, as PIL's `alpha_composite` does it. What the chunk gAMA says is passed over, as PIL does.
  ///
  /// - Throws: `FileError` for what is not a readable file, `PNGError` with libpng's reason for a damaged
  ///   one or one of more than 2^28 pixels.
  public static func read(_ path: String, over grey: UInt8 = 255) throws -> Picture {
    try MappedFile(path: path).withBytes { bytes in
      guard let rest = PNGChunk.without("gAMA", bytes) else { return try decode(bytes, path, over: grey) }
      return try rest.withUnsafeBytes { try decode($0, path, over: grey) }
    }
  }

  private static func decode(
    _ bytes: UnsafeRawBufferPointer, _ path: String, over grey: UInt8
  ) throws -> Picture {
    // libpng takes the memory that a chunk says it needs before it looks whether the chunk is there.
    guard let packed = PNGChunk.bytesOfPixels(in: bytes) else {
      throw PNGError.unreadable(path: path, reason: "read beyond end of data")
    }
    var image = png_image()
    image.version = UInt32(PNG_IMAGE_VERSION)
    defer { png_image_free(&image) }
    guard png_image_begin_read_from_memory(&image, bytes.baseAddress, bytes.count) != 0 else {
      throw PNGError.unreadable(path: path, reason: image.text)
    }
    let (width, height) = (Int(image.width), Int(image.height))
    guard width * height <= mostPixels else {
      throw PNGError.tooLarge(path: path, width: width, height: height)
    }
    guard PNGChunk.mayHold(bytes, width: width, height: height, packed: packed) else {
      throw PNGError.unreadable(
        path: path, reason: "its \(packed) bytes of pixels are too few for \(width) × \(height)")
    }
    // (libpng would mix colours as light does.)
    let channels = image.format & UInt32(PNG_FORMAT_FLAG_ALPHA) == 0 ? 3 : 4
    image.format = Picture.rgb | (channels == 4 ? UInt32(PNG_FORMAT_FLAG_ALPHA) : 0)
    image.flags |= UInt32(PNG_IMAGE_FLAG_16BIT_sRGB)
    var samples = [UInt8](repeating: 0, count: width * height * channels)
    guard png_image_finish_read(&image, nil, &samples, 0, nil) != 0 else {
      throw PNGError.unreadable(path: path, reason: image.text)
    }
    return Picture(width: width, height: height, channels: channels, samples: samples).colored(over: grey)
      .upright(orientation(of: bytes))
  }
}

extension Picture {
  fileprivate static let rgb = UInt32(PNG_FORMAT_FLAG_COLOR)

  fileprivate var format: UInt32 {
    switch channels {
    case 1: 0
    case 3: Self.rgb
    default: Self.rgb | UInt32(PNG_FORMAT_FLAG_ALPHA)
    }
  }
}

extension png_image {
  /// libpng's message about what went wrong.
  fileprivate var text: String {
    withUnsafeBytes(of: message) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
  }
}

/// A PNG file that cannot be read, or a picture that cannot be written as one.
public enum PNGError: UserError {
  case unwritable(reason: String)
  case unreadable(path: String, reason: String)
  case tooLarge(path: String, width: Int, height: Int)

  /// The sentence for the user.
  public var description: String {
    switch self {
    case .unwritable(let reason): "the picture cannot be written as PNG: \(reason)"
    case .unreadable(let path, let reason):
      "'\(path)' cannot be read as PNG: \(reason); check that it is a PNG file, or make it again"
    case .tooLarge(let path, let width, let height):
      "'\(path)' has \(width) × \(height) pixels, but at most \(PNG.mostPixels) are read; make it smaller"
    }
  }
}
