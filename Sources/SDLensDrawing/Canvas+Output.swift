import CCairo
import SDLensCore

/// The formats of drawings, chosen by the ending of a path.
public enum DrawingFormat: String, CaseIterable, Sendable {
  case png, svg, pdf

  /// The format that a path names by its ending, in small or capital letters.
  ///
  /// - Throws: `PictureError.unknownFormat`.
  public init(path: String) throws {
    guard let ending = path.split(separator: "/").last?.split(separator: ".").dropFirst().last,
      let format = Self(rawValue: ending.lowercased())
    else { throw PictureError.unknownFormat(path: path) }
    self = format
  }
}

extension Canvas {
  /// Refuses to lay out text where there is no font: Pango would measure boxes of any size instead.
  ///
  /// - Throws: `PictureError.noFonts`.
  public static func checkFonts() throws {
    guard TextLayout.hasFonts else { throw PictureError.noFonts }
  }

  /// The most pixels that Cairo draws in one direction.
  static let mostPixels = 32_767

  /// What `draw` draws on white, as a picture of `scale` pixels a point.
  ///
  /// - Throws: `PictureError`, and the errors of `draw`.
  public static func picture(_ size: Size, scale: Double = 1, _ draw: (Canvas) throws -> Void) throws
    -> Picture
  {
    let width = max(1, (size.width * scale).rounded(.up))
    let height = max(1, (size.height * scale).rounded(.up))
    guard width <= Double(mostPixels), height <= Double(mostPixels) else {
      throw PictureError.tooLarge(
        width: Int(min(width, 1e15)), height: Int(min(height, 1e15)), most: mostPixels)
    }
    let surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, Int32(width), Int32(height))
    defer { cairo_surface_destroy(surface) }
    cairo_surface_set_device_scale(surface, scale, scale)
    try paint(surface, size, draw)
    return Picture(rgb24: surface, width: Int(width), height: Int(height))
  }

  /// Writes what `draw` draws on white, in the format of the path's ending: the same bytes for the same drawing.
  ///
  /// - Parameters:
  ///   - scale: pixels a point in a PNG.
  ///   - text: texts that the file keeps: PNG's own, the description of an SVG, the subject of a PDF.
  /// - Throws: `PictureError`, `FileError` when the folder or the disk does not take the file, and the errors of
  ///   `draw`.
  public static func write(
    to path: String, _ size: Size, scale: Double = 2, text: [PNGText] = [], _ draw: (Canvas) throws -> Void
  ) throws {
    switch try DrawingFormat(path: path) {
    case .png: try PNG.write(picture(size, scale: scale, draw), text: text, to: path)
    case .svg:
      let bytes = try document(size, cairo_svg_surface_create_for_stream, text, draw)
      let svg = SVGDocument(bytes).described(text)
      try AtomicFile.write(to: path, byteCount: svg.count) { try $0.append(svg) }
    case .pdf:
      let bytes = try document(size, cairo_pdf_surface_create_for_stream, text, draw)
      try AtomicFile.write(to: path, byteCount: bytes.count) { try $0.append(bytes) }
    }
  }

  private typealias Make = (cairo_write_func_t?, UnsafeMutableRawPointer?, Double, Double) -> OpaquePointer?

  /// The bytes of a vector drawing.
  private static func document(
    _ size: Size, _ make: Make, _ text: [PNGText], _ draw: (Canvas) throws -> Void
  ) throws -> [UInt8] {
    let sink = ByteSink()
    let surface = make(ByteSink.write, Unmanaged.passUnretained(sink).toOpaque(), size.width, size.height)
    defer { cairo_surface_destroy(surface) }
    if cairo_surface_get_type(surface) == CAIRO_SURFACE_TYPE_PDF {
      // Without a date, so that the bytes depend on the drawing alone.
      cairo_pdf_surface_set_metadata(surface, CAIRO_PDF_METADATA_CREATE_DATE, nil)
      cairo_pdf_surface_set_metadata(
        surface, CAIRO_PDF_METADATA_SUBJECT, text.map { "\($0.keyword): \($0.text)" }.joined(separator: "\n"))
    }
    do {
      try paint(surface, size, draw)
    } catch {
      cairo_surface_finish(surface)  // The sink ends with this call.
      throw error
    }
    cairo_surface_finish(surface)
    try check(cairo_surface_status(surface))
    return sink.bytes
  }

  private static func paint(
    _ surface: OpaquePointer?, _ size: Size, _ draw: (Canvas) throws -> Void
  ) throws {
    guard let surface else { throw PictureError.drawing(reason: "there is no surface") }
    try check(cairo_surface_status(surface))
    let canvas = Canvas(surface, size)
    canvas.cover(with: .white)
    try draw(canvas)
    try check(cairo_status(canvas.context))
    cairo_surface_flush(surface)
  }

  private static func check(_ status: cairo_status_t) throws {
    guard status != CAIRO_STATUS_SUCCESS else { return }
    throw PictureError.drawing(reason: String(cString: cairo_status_to_string(status)))
  }
}

/// Collects what Cairo writes.
private final class ByteSink {
  private(set) var bytes: [UInt8] = []

  static let write: cairo_write_func_t = { sink, data, count in
    guard let sink else { return CAIRO_STATUS_WRITE_ERROR }
    Unmanaged<ByteSink>.fromOpaque(sink).takeUnretainedValue().bytes.append(
      contentsOf: UnsafeBufferPointer(start: data, count: Int(count)))
    return CAIRO_STATUS_SUCCESS
  }
}

extension Picture {
  /// The pixels of an opaque surface.
  fileprivate init(rgb24 surface: OpaquePointer?, width: Int, height: Int) {
    let data = UnsafeRawPointer(cairo_image_surface_get_data(surface))
    let stride = Int(cairo_image_surface_get_stride(surface))
    let samples = [UInt8](unsafeUninitializedCapacity: width * height * 3) { samples, count in
      for y in 0..<height {
        for x in 0..<width {
          let pixel = data?.load(fromByteOffset: y * stride + x * 4, as: UInt32.self) ?? 0
          let to = (y * width + x) * 3
          samples[to] = UInt8(pixel >> 16 & 255)
          samples[to + 1] = UInt8(pixel >> 8 & 255)
          samples[to + 2] = UInt8(pixel & 255)
        }
      }
      count = width * height * 3
    }
    self.init(width: width, height: height, samples: samples)
  }
}
