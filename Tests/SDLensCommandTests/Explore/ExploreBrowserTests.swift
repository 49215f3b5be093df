import Foundation
import SDLensTestSupport
import Testing

/// The page of `sdlens explore` in a real browser, with real clicks and keys; left out, and said, where there is none.
@Suite(.serialized, .enabled(if: WebDriver.programs != nil)) struct ExploreBrowserTests: OnThePage {
  let server: ExploreServer
  let browser: WebDriver

  init() throws {
    server = try ExploreServer()
    browser = try WebDriver()
    try open(server.address)
  }

  @Test func fromAPromptToAnEditAndBack() throws {
    let first = try picture()
    try ask("a red house with 3 windows")
    let before = try picture()
    #expect(before != first)
    // Click on a thing, and take the first feature that is active there.
    try browser.drag("#picture", [(0.3, 0.4)])
    try browser.wait(
      for: "document.getElementById('list-heading').textContent.startsWith('Active at the clicked place')")
    try browser.wait(for: "document.querySelector('.feature .edit')")
    try browser.click(".feature .edit")
    try idle()
    try browser.wait(for: "document.querySelectorAll('.edit-row').length === 1")
    try browser.run("document.querySelector('#features [data-block]').click()")
    let edited = try picture()
    #expect(edited != before)
    // The slider, with the pointer held.
    try browser.drag(".strength", [(0.2, 0.5), (0.5, 0.5), (0.8, 0.5), (0.97, 0.5)])
    try idle()
    let dragged = try picture()
    #expect(dragged != edited && dragged != before)
    #expect(Double(try browser.text("document.querySelector('.strength').value")) ?? 0 > 6)
    // The address says all of it.
    let address = try browser.address
    #expect(address.contains("%22modulate%22"))
    // Undo the strength, undo the edit, and both again.
    try browser.click("#undo")
    #expect(try picture() == edited)
    try browser.run("document.activeElement.blur()")
    try browser.press("\u{E009}", "z")
    #expect(try picture() == before)
    try browser.click("#redo")
    try browser.click("#redo")
    #expect(try picture() == dragged)
    // A reload, and another tab.
    usleep(250_000)
    try browser.reload()
    try idle()
    #expect(try picture() == dragged)
    let own = try browser.newTab()
    try open(address)
    #expect(try picture() == dragged)
    try ask("another prompt in the second tab")
    #expect(try picture() != dragged)
    try browser.toTab(own)
    #expect(try picture() == dragged)
    #expect(try browser.text("document.getElementById('prompt').value") == "a red house with 3 windows")
  }

  @Test func thePictureIsThatOfTheCommandAndRestoresTheView() throws {
    try ask("a blue house")
    try browser.click(".feature .edit")
    try idle()
    let shown = try picture()
    // What the page offers to save, as it is.
    let saved = try browser.run(
      """
      return import(new URL('lab.js', location.href)).then(({ seen }) => seen.after.blob.arrayBuffer()).then((b) =>
        btoa(String.fromCharCode(...new Uint8Array(b))))
      """)
    let text = try #require(saved as? String)
    let png = try #require(Data(base64Encoded: text))
    let folder = server.workspace.folder
    try folder.write(png, to: "saved.png")
    try folder.write("exec '\(Command.program)' \"$@\"\n".utf8, to: "bin/sdlens")
    try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: folder("bin/sdlens"))
    let command = try browser.text("document.getElementById('command').textContent")
    let outcome = try shell("PATH=bin:$PATH; \(command) --output made --quiet", in: folder)
    #expect(outcome.status == 0, "\(outcome.err)")
    #expect(try Data(contentsOf: URL(fileURLWithPath: folder("made/after.png"))) == png)
    // Elsewhere, later: the PNG brings it back.
    try open(server.address + "#")
    try ask("something else")
    try browser.click("#edits [aria-label='Remove all edits']")
    #expect(try picture() != shown)
    try browser.choose(folder("saved.png"), for: "#open-png")
    try browser.wait(for: "document.getElementById('prompt').value === 'a blue house'")
    #expect(try picture() == shown)
    #expect(try browser.text("document.querySelectorAll('.edit-row').length") == "1")
    try folder.write(Array("no picture".utf8), to: "no.png")
    try browser.choose(folder("no.png"), for: "#open-png")
    try browser.wait(for: "document.getElementById('status').textContent === \"'no.png' is not a PNG file.\"")
  }

  @Test func aMaskIsPaintedAndMoved() throws {
    try ask("a green house")
    let before = try picture()
    try browser.click(".feature .edit")
    try browser.run(
      "const s = document.querySelector('.edit-row select'); s.value = 'add'; s.dispatchEvent(new Event('change'))"
    )
    try browser.wait(for: "document.querySelector('.edit-row .mask')")
    try idle()
    let everywhere = try picture()
    #expect(everywhere != before)
    try browser.click(".edit-row .mask")
    try browser.wait(for: "!document.querySelector('.tools').hidden")
    try browser.drag("#picture", [(0.2, 0.2), (0.25, 0.3), (0.3, 0.45)])
    try idle()
    let mask = "JSON.stringify(JSON.parse(decodeURIComponent(location.hash.slice(1))).edits[0].mask)"
    usleep(250_000)
    let painted = try browser.text(mask)
    #expect(painted.contains("1") && painted.contains("0"))
    try browser.run(
      "[...document.querySelectorAll('.tools button')].find((b) => b.textContent === 'Move').click()")
    try browser.drag("#picture", [(0.3, 0.3), (0.6, 0.3), (0.8, 0.3)])
    try idle()
    usleep(250_000)
    let moved = try browser.text(mask)
    #expect(moved != painted && moved.contains("1"))
    #expect(moved.count { $0 == "1" } <= painted.count { $0 == "1" })
    try browser.run(
      "[...document.querySelectorAll('.tools button')].find((b) => b.textContent === 'Done').click()")
    let after = try picture()
    #expect(after != everywhere && after != before)
    try browser.click("#undo")
    try idle()
    usleep(250_000)
    #expect(try browser.text(mask) == painted)
  }

  @Test func aCaptionIsFoundAndItsPageOpens() throws {
    let caption = "<img src=x onerror=document.body.dataset.broken=1> chimney"
    _ = try server.answer("caption", #"{"block": "up.0.1", "feature": 5, "caption": "\#(caption)"}"#)
    try browser.reload()
    try idle()
    try browser.type("chimney", into: "#search")
    try browser.wait(for: "document.getElementById('list-heading').textContent === '1 found'")
    #expect(try browser.text("document.querySelector('.feature .caption').textContent") == caption)
    try browser.click(".feature .page")
    try browser.wait(for: "document.querySelector('#feature-page[open]')")
    try browser.wait(for: "document.querySelector('#feature-page .cards canvas')")
    #expect(
      try browser.text("document.querySelector('#feature-page h2').textContent") == "Feature 5 of up.0.1")
    // What people wrote is text, in the page and in the prompt.
    try browser.press("\u{E00C}")
    try ask("<b onmouseover=alert(1)>bold</b><script>document.body.dataset.broken=1</script>")
    #expect(
      try browser.text("document.querySelectorAll('img, main script, main b[onmouseover]').length") == "0")
    #expect(try browser.text("document.body.dataset.broken") == "<null>")
  }

  @Test func aServerThatIsStartedAgainIsFound() throws {
    try ask("a house that stays")
    let shown = try restingPicture()
    server.stop()
    try browser.type("nobody answers", into: "#prompt")
    try browser.press("\u{E007}")
    try browser.wait(for: "!document.getElementById('banner').hidden")
    #expect(try browser.text("document.getElementById('banner').textContent").contains("does not answer"))
    let again = try ExploreServer(server.workspace, port: server.port)
    try browser.wait(for: "document.getElementById('banner').textContent.includes('started anew')")
    // The new address on the same port offers the view.
    try browser.open(again.address)
    try browser.wait(for: "document.querySelector('#offer button')")
    try browser.click("#offer button")
    try idle()
    #expect(try browser.text("document.getElementById('prompt').value") == "nobody answers")
    try ask("a house that stays")
    #expect(try restingPicture() == shown)
  }

  /// The picture when it has not changed for half a second: on a busy machine the page may look idle between two answers.
  private func restingPicture() throws -> String {
    var (shown, same) = (try picture(), 0)
    for _ in 0..<100 where same < 5 {
      usleep(100_000)
      let next = try picture()
      (shown, same) = (next, next == shown ? same + 1 : 0)
    }
    return shown
  }

  @Test func comparingAndKeys() throws {
    try browser.click(".feature .edit")
    try idle()
    try browser.run("document.activeElement.blur()")
    try browser.press("c")
    try browser.wait(for: "document.querySelector('#compare[data-state=whole]')")
    #expect(try browser.text("document.querySelectorAll('#compare canvas').length") == "18")
    try browser.press("\u{E00C}")
    try browser.wait(for: "!document.querySelector('dialog')")
    try browser.press("d")
    try browser.wait(
      for: "document.querySelector('[data-mode=difference]').getAttribute('aria-pressed') === 'true'")
    try browser.press("]")
    try idle()
    #expect(try browser.text("document.getElementById('seed').value") == "43")
    try browser.press("?")
    try browser.wait(for: "document.querySelector('dialog kbd')")
  }

  /// Text stands out from what is behind it, roles are where they belong; with SDLENS_AXE (the path of an axe.min.js)
  /// axe-core finds nothing serious either.
  @Test(arguments: [false, true]) func everyoneCanReadIt(dark: Bool) throws {
    try browser.look(dark: dark)
    try ask("a red house")
    try browser.click("#words [data-word=house]")
    try browser.click(".feature .edit")
    try idle()
    try check("the page")
    try browser.click(".feature .page")
    try browser.wait(for: "document.querySelector('#feature-page[data-state=whole]')")
    try check("the page of a feature")
    try browser.press("\u{E00C}")
    try browser.run("document.activeElement.blur()")
    try browser.press("?")
    try check("the keys")
  }

  private func check(_ what: String) throws {
    // WCAG 2.2: text has 4.5 times the contrast of what is behind it; what is switched off may be paler.
    let pale = try browser.text(
      """
      (() => {
        const numbers = (text) => text.match(/[\\d.]+/g).map(Number);
        const light = ([r, g, b]) => [r, g, b].map((v) => v / 255).map((v) => (v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)).reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
        const behind = (e) => { for (; e; e = e.parentElement) { const c = numbers(getComputedStyle(e).backgroundColor); if (c.length === 3 || c[3] === 1) return c; } return [255, 255, 255]; };
        return [...(document.querySelector('dialog[open]') ?? document.body).querySelectorAll('*')].filter((e) => e.checkVisibility() && !e.matches(':disabled, .visually-hidden, option')
          && [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim())).filter((e) => {
          const [a, b] = [light(numbers(getComputedStyle(e).color)), light(behind(e))];
          return (Math.max(a, b) + .05) / (Math.min(a, b) + .05) < 4.5; }).map((e) => e.outerHTML.slice(0, 120)).join();
      })()
      """)
    #expect(pale == "", "\(what)")
    let misplaced = try browser.text(
      """
      [['[role=tab]', '[role=tablist]'], ['[role=row]', '[role=grid]'], ['[role=gridcell]', '[role=row]'], ['h1', 'body > *'], ['li', 'ul, ol']]
        .flatMap(([inner, outer]) => [...document.querySelectorAll(inner)].filter((e) => !e.closest(outer))).map((e) => e.outerHTML.slice(0, 120)).join()
      """)
    #expect(misplaced == "", "\(what)")
    #expect(try browser.text("document.querySelectorAll('h1').length") == "1")
    #expect(
      try browser.text(
        "document.querySelectorAll('dialog:not([aria-label]), [role=group]:not([aria-label])').length")
        == "0")
    guard let axe = ProcessInfo.processInfo.environment["SDLENS_AXE"] else { return }
    let found = try browser.run(
      String(contentsOfFile: axe, encoding: .utf8)
        + """
        ; return axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) => violations.filter(({ impact }) =>
          ['serious', 'critical'].includes(impact)).map(({ id, nodes }) => id + ' ' + nodes[0].html.slice(0, 200)).join());
        """)
    #expect(found as? String == "", "\(what)")
  }

  /// Everything that can be used has a name, and nothing is wider than the window.
  @Test(arguments: [390, 760, 1280, 2560]) func everyWidth(_ width: Int) throws {
    try browser.resize(width, 1000)
    try browser.click(".feature .edit")
    try idle()
    #expect(
      Int(try browser.text("document.documentElement.scrollWidth - document.documentElement.clientWidth"))
        ?? 9 <= 0)
    let nameless = try browser.text(
      """
      [...document.querySelectorAll('button, input, select, a, canvas:not([aria-hidden]), [tabindex]')].filter((e) =>
        !e.hidden && e.offsetParent && !(e.getAttribute('aria-label') || e.labels?.length || e.textContent.trim())).map((e) => e.outerHTML).join()
      """)
    #expect(nameless == "")
    let ids = try browser.text(
      "(() => { const ids = [...document.querySelectorAll('[id]')].map((e) => e.id); return ids.length - new Set(ids).size; })()"
    )
    #expect(ids == "0")
    if let folder = ProcessInfo.processInfo.environment["SDLENS_SCREENSHOTS"] {
      try browser.screenshot().write(to: URL(fileURLWithPath: "\(folder)/explore-\(width).png"))
    }
  }
}
