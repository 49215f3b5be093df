import CCairo

/// How text looks.
public struct TextStyle: Sendable, Hashable {
  /// Where the lines of a text stand in its box.
  public enum Alignment: Sendable { case left, center, right }

  /// The size of the letters, in points.
  public var size: Double
  /// Whether the letters are thick.
  public var bold: Bool
  /// Where the lines stand in the box.
  public var alignment: Alignment
  /// The colour of the letters.
  public var color: Color

  /// A look; without arguments that of captions.
  public init(size: Double = 9, bold: Bool = false, alignment: Alignment = .left, color: Color = .ink) {
    (self.size, self.bold, self.alignment, self.color) = (size, bold, alignment, color)
  }
}

/// Text broken into lines and measured, by Pango: any script, in either direction.
///
/// The text is taken as it is, never as markup. Control characters are shown as their symbols (␀, ␛, …), and
/// a line break is a line break. Of more than 10,000 characters the rest is left out behind an ellipsis. To be
/// used on the thread that made it.
public final class TextLayout {
  /// Tried in this order; Pango takes characters that none has from any other font.
  static let families = "DejaVu Sans, Noto Sans, Liberation Sans, sans-serif"
  private static let mostCharacters = 10_000

  /// How it looks.
  public let style: TextStyle
  /// The room that it needs: the lines, and all ink beyond them.
  public let size: Size
  /// How many lines it has.
  public let lineCount: Int
  /// Whether an ellipsis stands for a part that found no room.
  public let isCut: Bool
  let layout: OpaquePointer
  /// From the layout's own origin to the upper left corner of its box.
  let offset: Point

  /// Lays out a text.
  ///
  /// - Parameters:
  ///   - width: where lines break, at words where possible; nowhere if `nil`.
  ///   - lines: after how many lines the rest becomes an ellipsis; needs a width.
  public init(_ text: String, _ style: TextStyle = TextStyle(), width: Double? = nil, lines: Int? = nil) {
    self.style = style
    let context = pango_font_map_create_context(pango_cairo_font_map_get_default())
    defer { g_object_unref(UnsafeMutableRawPointer(context)) }
    pango_context_set_round_glyph_positions(context, 0)
    // Outlines as designed, so that a text has the same size in every format and at every scale.
    let options = cairo_font_options_create()
    cairo_font_options_set_hint_style(options, CAIRO_HINT_STYLE_NONE)
    cairo_font_options_set_hint_metrics(options, CAIRO_HINT_METRICS_OFF)
    cairo_font_options_set_antialias(options, CAIRO_ANTIALIAS_GRAY)
    pango_cairo_context_set_font_options(context, options)
    cairo_font_options_destroy(options)

    layout = pango_layout_new(context)
    let font = pango_font_description_new()
    pango_font_description_set_family(font, Self.families)
    pango_font_description_set_absolute_size(font, style.size * Double(PANGO_SCALE))
    pango_font_description_set_weight(font, style.bold ? PANGO_WEIGHT_BOLD : PANGO_WEIGHT_NORMAL)
    pango_layout_set_font_description(layout, font)
    pango_font_description_free(font)

    pango_layout_set_text(layout, Self.shown(text), -1)
    pango_layout_set_alignment(layout, style.alignment.pango)
    if let width {
      pango_layout_set_width(layout, Int32(min(max(1, width), 100_000) * Double(PANGO_SCALE)))
      pango_layout_set_wrap(layout, PANGO_WRAP_WORD_CHAR)
      if let lines {
        pango_layout_set_height(layout, Int32(-max(1, lines)))
        pango_layout_set_ellipsize(layout, PANGO_ELLIPSIZE_END)
        Self.joinLastLine(of: layout)
      }
    }

    var (ink, logical) = (PangoRectangle(), PangoRectangle())
    pango_layout_get_extents(layout, &ink, &logical)
    let all = ink.width > 0 && ink.height > 0 ? [ink, logical] : [logical]
    let (left, top) = (all.map(\.x).min() ?? 0, all.map(\.y).min() ?? 0)
    let (right, bottom) = (all.map { $0.x + $0.width }.max() ?? 0, all.map { $0.y + $0.height }.max() ?? 0)
    let unit = Double(PANGO_SCALE)
    offset = Point(Double(left) / unit, Double(top) / unit)
    size = text.isEmpty ? Size(0, 0) : Size(Double(right - left) / unit, Double(bottom - top) / unit)
    lineCount = text.isEmpty ? 0 : Int(pango_layout_get_line_count(layout))
    isCut = pango_layout_is_ellipsized(layout) != 0
  }

  deinit { g_object_unref(UnsafeMutableRawPointer(layout)) }

  /// Makes spaces of the line breaks within the last line, which Pango does not follow there.
  private static func joinLastLine(of layout: OpaquePointer) {
    guard let line = pango_layout_get_line_readonly(layout, pango_layout_get_line_count(layout) - 1) else {
      return
    }
    let text = String(cString: pango_layout_get_text(layout))
    let start = text.utf8.index(text.startIndex, offsetBy: Int(line.pointee.start_index))
    let rest = text[start...]
    guard rest.contains("\u{2028}") else { return }
    pango_layout_set_text(layout, String(text[..<start]) + rest.replacing("\u{2028}", with: " "), -1)
  }

  /// Whether there is any font to draw with.
  static var hasFonts: Bool {
    let map = pango_cairo_font_map_get_default()
    let context = pango_font_map_create_context(map)
    defer { g_object_unref(UnsafeMutableRawPointer(context)) }
    let wanted = pango_font_description_from_string(families)
    defer { pango_font_description_free(wanted) }
    // The list of families is never empty: it holds names such as "Sans" that stand for whatever there is.
    guard let font = pango_font_map_load_font(map, context, wanted) else { return false }
    g_object_unref(UnsafeMutableRawPointer(font))
    return true
  }

  /// A text without characters that have no shape.
  package static func shown(_ text: String) -> String {
    var result = String.UnicodeScalarView()
    var previous: Unicode.Scalar?
    for scalar in text.unicodeScalars.prefix(mostCharacters) {
      switch scalar.value {
      case 0x0A where previous == "\r": break
      // A line separator breaks the line and not the paragraph, of which each would have its own ellipsis.
      case 0x0A...0x0D, 0x85, 0x2028, 0x2029: result.append("\u{2028}")
      case 0x09: result.append(" ")
      case 0..<0x20: result.append(Unicode.Scalar(UInt16(0x2400 + scalar.value)) ?? "\u{FFFD}")
      case 0x7F: result.append("\u{2421}")
      case 0x80..<0xA0, 0xFDD0...0xFDEF: result.append("\u{FFFD}")
      case let value where value & 0xFFFE == 0xFFFE: result.append("\u{FFFD}")
      default: result.append(scalar)
      }
      previous = scalar
    }
    if text.unicodeScalars.dropFirst(mostCharacters).first != nil { result.append("…") }
    return String(result)
  }
}

extension TextStyle.Alignment {
  fileprivate var pango: PangoAlignment {
    switch self {
    case .left: PANGO_ALIGN_LEFT
    case .center: PANGO_ALIGN_CENTER
    case .right: PANGO_ALIGN_RIGHT
    }
  }
}
