import Foundation
import SDLensCore

/// What is going on, on standard error: a bar on a terminal, lines elsewhere, nothing if quiet.
public final class Progress {
  private enum Style { case silent, lines, bar }
  /// Lines that report nothing but steps come no oftener.
  private static let pause = Duration.seconds(10)

  private let style: Style
  private let clock = ContinuousClock()
  private var total = 0
  private var unit = "steps"
  private var done = 0
  private var begin = ContinuousClock.now
  private var lastLine = ContinuousClock.now

  /// - Parameter quiet: whether nothing is said.
  public init(quiet: Bool) {
    let isTerminal = isatty(STDERR_FILENO) == 1 && ProcessInfo.processInfo.environment["TERM"] != "dumb"
    style = quiet ? .silent : isTerminal ? .bar : .lines
  }

  /// Says what begins now.
  public func stage(_ text: String) {
    switch style {
    case .silent: break
    case .lines: line(text)
    case .bar: redraw(text)
    }
  }

  /// Begins to count pieces of work that take about equally long.
  public func count(to total: Int, unit: String = "steps") {
    (self.total, self.unit, done, begin) = (total, unit, 0, clock.now)
  }

  /// Counts one piece, or several; says what comes next.
  public func advance(_ text: String, by pieces: Int = 1) {
    done += pieces
    switch style {
    case .silent: break
    case .lines where clock.now - lastLine >= Self.pause: line("\(text), \(estimate)")
    case .lines: break
    case .bar: redraw(text)
    }
  }

  /// Says something that stays: a note, or a summary.
  public func note(_ text: String) {
    guard style != .silent else { return }
    clear()
    line(text)
  }

  /// Says several things that stay.
  public func notes(_ texts: [String]) { for text in texts { note(text) } }

  /// Takes the bar away.
  public func clear() { if style == .bar { write("\r\u{1B}[K") } }

  /// The time left at this rate, and the rate.
  private var estimate: String {
    let each = (clock.now - begin) / max(1, done)
    return "\(Units.time(each * (total - done))) left, \(Units.pace(each / .seconds(1), unit))"
  }

  /// `[########------]  4.1 s left, 1.21 steps/s, picture 1 of 2, step 3 of 4`, cut where the terminal ends; the time
  /// comes first, so that it is seen on any, and a narrow one has no bar.
  private func redraw(_ text: String) {
    let text = done == 0 ? text : "\(estimate), \(text)"
    let cells = min(24, columns / 4 - 6)
    var bar = ""
    if total > 0, cells >= 8 {
      let full = cells * done / total
      bar = "[" + String(repeating: "#", count: full) + String(repeating: "-", count: cells - full) + "]  "
    }
    write("\r\u{1B}[K" + (bar + text.visible(oneLine: true)).prefix(max(8, columns - 1)))
  }

  private var columns: Int {
    var size = winsize()
    return ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0 ? Int(size.ws_col) : 80
  }

  private func line(_ text: String) {
    write(text.visible() + "\n")
    lastLine = clock.now
  }

  private func write(_ text: String) { try? FileHandle.standardError.write(contentsOf: Data(text.utf8)) }
}
