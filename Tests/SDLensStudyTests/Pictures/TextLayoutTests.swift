import SDLensCore
import SDLensDrawing
import SDLensTestSupport
import Testing

import SDLensStudy

@Suite struct TextLayoutTests {
  /// Scripts from everywhere, both directions, marks in piles, emoji in sequences, invisible characters.
  static let awkward = [
    "", " ", "a", "β = −6, γ = 0.5", "A cinematic shot of a professor sloth wearing a tuxedo at a BBQ party.",
    "漢字とかな交じりの文章がここにあります。", "مرحبا بالعالم، هذا نص عربي طويل نوعًا ما", "שלום עולם",
    "नमस्ते दुनिया", "สวัสดีชาวโลก", "👩‍👩‍👧‍👦 🇩🇪 🏳️‍🌈 ☃️", "Z̴̡̨̛̭̩̝̈́͆̑͐a̸̢̛̬̱̓̓l̶͖̜̓g̷̡̻͎̀̊o̵͚͌̈́",
    "mixed עברית and English (with) brackets", "\u{202E}reversed\u{202C}", "\u{200B}\u{FEFF}",
    "<b>no markup</b> & <", "two\nlines", "\u{0}\u{1B}[31m\u{7}\t\u{7F}\u{85}\u{9F}\u{FFFF}",
    String(repeating: "word ", count: 400), String(repeating: "x", count: 400),
  ]

  @Test(arguments: awkward) func staysWithinItsWidthAndLines(_ text: String) {
    for (width, lines) in [(160.0, 1), (160, 3), (40, 2), (8, 2)] {
      let layout = TextLayout(text, TextStyle(size: 10), width: width, lines: lines)
      #expect(layout.lineCount <= lines)
      // Ink may lean a little out of the last letter.
      #expect(width < 20 || layout.size.width <= width + 3, "\(layout.size) in \(width)")
      #expect(layout.size.width.isFinite && layout.size.height.isFinite && layout.size.height >= 0)
    }
  }

  @Test func breaksAndCuts() {
    let prompt = "A cinematic shot of a professor sloth wearing a tuxedo at a BBQ party."
    let free = TextLayout(prompt)
    #expect(free.lineCount == 1 && !free.isCut)
    let broken = TextLayout(prompt, width: free.size.width / 3)
    #expect(broken.lineCount >= 3 && !broken.isCut)
    #expect(broken.size.height > free.size.height * 2.5)
    let cut = TextLayout(prompt, width: free.size.width / 3, lines: 2)
    #expect(cut.lineCount == 2 && cut.isCut)
    // Line breaks of the text count as lines too.
    let lines = TextLayout("1\n2\n3\n4\n5", width: 100, lines: 3)
    #expect(lines.lineCount == 3 && !lines.isCut && lines.size == TextLayout("1\n2\n3 4 5").size)
    let many = TextLayout((1...99).map(String.init).joined(separator: "\n"), width: 100, lines: 3)
    #expect(many.lineCount == 3 && many.isCut)
    #expect(TextLayout("", width: 100).size == Size(0, 0))
  }

  @Test func sizeFollowsTheStyle() {
    let (small, large) = (TextLayout("sloth", TextStyle(size: 10)), TextLayout("sloth", TextStyle(size: 20)))
    #expect(abs(large.size.width / small.size.width - 2) < 0.05)
    #expect(TextLayout("sloth", TextStyle(size: 10, bold: true)).size.width > small.size.width)
  }

  @Test func markupIsText() {
    #expect(TextLayout("<b>sloth</b>").size.width > TextLayout("sloth").size.width * 1.5)
    #expect(TextLayout("&amp;").size.width > TextLayout("&").size.width * 2)
  }

  @Test func controlCharactersAreShown() {
    #expect(TextLayout.shown("a\u{0}b\u{1B}c\u{7F}") == "a␀b␛c␡")
    #expect(TextLayout.shown("a\r\nb\nc\rd\u{2029}e") == "a\u{2028}b\u{2028}c\u{2028}d\u{2028}e")
    #expect(TextLayout.shown("\t\u{9F}\u{FFFE}\u{FFFF}\u{1FFFF}") == " \u{FFFD}\u{FFFD}\u{FFFD}\u{FFFD}")
    let long = TextLayout.shown(String(repeating: "x", count: 20_000))
    #expect(long.count == 10_001 && long.hasSuffix("…"))
    #expect(TextLayout.shown(String(repeating: "x", count: 10_000)).count == 10_000)
  }

  /// No ink outside of the box that was measured.
  @Test(arguments: awkward) func inkStaysInTheBox(_ text: String) throws {
    let layout = TextLayout(text, TextStyle(size: 12), width: 180, lines: 4)
    let room = Size(layout.size.width + 40, layout.size.height + 40)
    for turned in [false, true] {
      let size = turned ? Size(room.height, room.width) : room
      let picture = try Canvas.picture(size) { $0.draw(layout, at: Point(20, 20), turned: turned) }
      for y in 0..<picture.height {
        for x in 0..<picture.width where picture.pixel(x, y) != [255, 255, 255] {
          let inside =
            19...(Double(size.width) - 19) ~= Double(x) && 19...(Double(size.height) - 19) ~= Double(y)
          guard inside else {
            Issue.record("ink at \(x), \(y) of \(size)")
            return
          }
        }
      }
    }
  }
}
