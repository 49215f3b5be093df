import CCairo
import SDLensCore

/// A surface to draw on, in points from the upper left corner, by Cairo.
public final class Canvas {
  /// The whole surface.
  public let box: Box
  let context: OpaquePointer

  init(_ surface: OpaquePointer, _ size: Size) {
    context = cairo_create(surface)
    box = Box(at: Point(0, 0), size)
  }

  deinit { cairo_destroy(context) }

  /// Fills the whole surface, to the end of its last pixels.
  func cover(with color: Color) {
    use(color)
    cairo_paint(context)
  }

  /// Fills a rectangle.
  public func fill(_ box: Box, _ color: Color) {
    cairo_rectangle(context, box.x, box.y, box.width, box.height)
    use(color)
    cairo_fill(context)
  }

  /// Draws the edge of a rectangle, half of the line inside.
  public func outline(_ box: Box, _ color: Color, width: Double = 1) {
    cairo_rectangle(context, box.x, box.y, box.width, box.height)
    stroke(color, width, dashes: [])
  }

  /// Draws a line through points; a single one is a dot.
  public func line(_ points: [Point], _ color: Color, width: Double = 1, dashes: [Double] = []) {
    guard let first = points.first else { return }
    cairo_move_to(context, first.x, first.y)
    for point in points.dropFirst() { cairo_line_to(context, point.x, point.y) }
    if points.count == 1 { cairo_close_path(context) }
    stroke(color, width, dashes: dashes)
  }

  /// Fills the area within a line through points.
  public func fill(_ outline: [Point], _ color: Color) {
    cairo_new_path(context)  // A text leaves its place behind.
    for point in outline { cairo_line_to(context, point.x, point.y) }
    use(color)
    cairo_fill(context)
  }

  /// Fills a circle.
  public func disc(_ center: Point, radius: Double, _ color: Color) {
    cairo_new_path(context)
    cairo_arc(context, center.x, center.y, radius, 0, 2 * Double.pi)
    use(color)
    cairo_fill(context)
  }

  /// Draws a text with the upper left corner of its box there.
  ///
  /// - Parameter turned: reading upwards; the box is then as wide as the text is high.
  public func draw(_ text: TextLayout, at corner: Point, turned: Bool = false) {
    cairo_save(context)
    defer { cairo_restore(context) }
    use(text.style.color)
    if turned {
      cairo_translate(context, corner.x, corner.y + text.size.width)
      cairo_rotate(context, -Double.pi / 2)
    } else {
      cairo_translate(context, corner.x, corner.y)
    }
    cairo_move_to(context, -text.offset.x, -text.offset.y)
    pango_cairo_show_layout(context, text.layout)
  }

  /// Draws a picture stretched to a rectangle; at its own size, pixel for pixel, it stays exactly as it is.
  public func draw(_ picture: Picture, in box: Box) {
    guard picture.width > 0, picture.height > 0 else { return }
    let surface = picture.cairoSurface()
    defer { cairo_surface_destroy(surface) }
    cairo_save(context)
    defer { cairo_restore(context) }
    cairo_translate(context, box.x, box.y)
    cairo_scale(context, box.width / Double(picture.width), box.height / Double(picture.height))
    cairo_set_source_surface(context, surface, 0, 0)
    let pattern = cairo_get_source(context)
    cairo_pattern_set_extend(pattern, CAIRO_EXTEND_PAD)
    cairo_pattern_set_filter(pattern, CAIRO_FILTER_GOOD)
    cairo_rectangle(context, 0, 0, Double(picture.width), Double(picture.height))
    cairo_fill(context)
  }

  /// Draws with what lies outside of a rectangle left as it is.
  public func clipped(to box: Box, _ draw: () throws -> Void) rethrows {
    cairo_save(context)
    defer { cairo_restore(context) }
    cairo_rectangle(context, box.x, box.y, box.width, box.height)
    cairo_clip(context)
    try draw()
  }

  /// Draws with the origin moved to a place.
  func shifted(to origin: Point, _ draw: () throws -> Void) rethrows {
    cairo_save(context)
    defer { cairo_restore(context) }
    cairo_translate(context, origin.x, origin.y)
    try draw()
  }

  private func use(_ color: Color) {
    cairo_set_source_rgba(context, color.red, color.green, color.blue, color.opacity)
  }

  private func stroke(_ color: Color, _ width: Double, dashes: [Double]) {
    cairo_set_line_width(context, width)
    cairo_set_line_join(context, CAIRO_LINE_JOIN_ROUND)
    cairo_set_line_cap(context, dashes.isEmpty ? CAIRO_LINE_CAP_ROUND : CAIRO_LINE_CAP_BUTT)
    cairo_set_dash(context, dashes, Int32(dashes.count), 0)
    use(color)
    cairo_stroke(context)
  }
}

extension Picture {
  /// The same pixels as Cairo keeps them: 32 bits each, colours multiplied by the opacity.
  fileprivate func cairoSurface() -> OpaquePointer? {
    let format = channels == 4 ? CAIRO_FORMAT_ARGB32 : CAIRO_FORMAT_RGB24
    let surface = cairo_image_surface_create(format, Int32(width), Int32(height))
    guard let data = cairo_image_surface_get_data(surface) else { return surface }
    let stride = Int(cairo_image_surface_get_stride(surface))
    samples.withUnsafeBufferPointer { samples in
      for y in 0..<height {
        for x in 0..<width {
          let from = (y * width + x) * channels
          let step = channels == 1 ? 0 : 1
          let opacity = channels == 4 ? UInt32(samples[from + 3]) : 255
          func level(_ index: Int) -> UInt32 { (UInt32(samples[from + index * step]) * opacity + 127) / 255 }
          let pixel = opacity << 24 | level(0) << 16 | level(1) << 8 | level(2)
          UnsafeMutableRawPointer(data).storeBytes(
            of: pixel, toByteOffset: y * stride + x * 4, as: UInt32.self)
        }
      }
    }
    cairo_surface_mark_dirty(surface)
    return surface
  }
}
