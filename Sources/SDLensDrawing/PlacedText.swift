/// A text with its place on a drawing; laid out anew when it is drawn, so that a long table holds no layouts.
package struct PlacedText: Sendable {
  package let text: String
  let style: TextStyle
  /// Where lines break, and after how many the rest is cut.
  let width: Double?
  let lines: Int?
  /// Whether it reads upwards.
  let turned: Bool
  /// The room that it takes.
  package var box: Box

  /// A text still at the origin.
  init(_ text: String, _ style: TextStyle, width: Double? = nil, lines: Int? = nil, turned: Bool = false) {
    (self.text, self.style, self.width, self.lines, self.turned) = (text, style, width, lines, turned)
    let size = TextLayout(text, style, width: width, lines: lines).size
    box = Box(at: Point(0, 0), turned ? Size(size.height, size.width) : size)
  }

  /// The same text with its box there.
  func at(_ x: Double, _ y: Double) -> PlacedText {
    var result = self
    (result.box.x, result.box.y) = (x, y)
    return result
  }

  func draw(on canvas: Canvas) {
    guard !text.isEmpty else { return }
    canvas.draw(TextLayout(text, style, width: width, lines: lines), at: box.corner, turned: turned)
  }
}
