import Foundation
import SDLensCore

/// What the colours of a picture mean: a strip of them, and the values at its ends.
public struct ColorScale: Sendable, Equatable {
  /// The colours, lowest first, a pixel each; none where nothing is to be compared.
  public var strip: Picture?
  /// The value of the first colour.
  public var low: String
  /// The value of the last colour.
  public var high: String

  /// A scale from `low` to `high`.
  public init(_ strip: Picture? = nil, low: String, high: String = "") {
    (self.strip, self.low, self.high) = (strip, low, high)
  }

  /// Draws the scale into a line: the values at its ends, the strip between them where there is room.
  func draw(in line: Box, textSize: Double, on canvas: Canvas) {
    let style = TextStyle(size: textSize, color: .quietInk)
    let first = PlacedText(low, style, width: line.width, lines: 1)
    let ends = [first, PlacedText(high, style, width: max(1, line.width - first.box.width), lines: 1)]
    let (left, right) = (line.x, line.right - ends[1].box.width)
    ends[0].at(strip == nil ? line.center.x - ends[0].box.width / 2 : left, line.y).draw(on: canvas)
    ends[1].at(right, line.y).draw(on: canvas)
    guard let strip else { return }
    let space = (textSize * 0.4).rounded()
    let start = (left + ends[0].box.width + space).rounded()
    let height = (textSize * 0.6).rounded()
    let box = Box(
      x: start, y: (line.center.y - height / 2).rounded(), width: (right - space - start).rounded(.down),
      height: height)
    guard box.width >= textSize else { return }
    canvas.draw(strip, in: box)
    canvas.outline(box, .frame, width: 0.5)
  }
}

extension Double {
  /// Three digits, as in `0.0123`, `4.56` or `78.9`; whole numbers from 100 on, and powers of ten at both ends.
  package var threeDigits: String {
    guard isFinite, self != 0 else { return self == 0 ? "0" : "\(self)" }
    if !(1e-3..<1e6 ~= abs(self)) { return String(format: "%.2e", self) }
    let places = max(0, 2 - Int(log10(abs(self)).rounded(.down)))
    return String(format: "%.\(places)f", self)
  }
}
