import Foundation
import SDLensTestSupport
import Testing

/// Words, drafts, dictionaries and captions on the page of `sdlens explore`, in a real browser.
@Suite(.serialized, .enabled(if: WebDriver.programs != nil)) struct ExploreMeaningTests: OnThePage {
  let server: ExploreServer
  let browser: WebDriver

  init() throws {
    server = try ExploreServer()
    browser = try WebDriver()
    try open(server.address)
  }

  @Test func wordsLieOverThePicture() throws {
    try ask("a red house")
    let plain = try picture()
    try browser.wait(for: "document.querySelectorAll('#words .chip').length === 6")
    try browser.click("#words [data-word=house]")
    try browser.wait(for: "document.querySelector('.layers').textContent.includes('“house”')")
    try browser.wait(for: "!document.querySelector('.layers').textContent.includes('…')")
    let house = try picture()
    #expect(house != plain)
    // With a feature, in another colour; then in one block alone.
    try browser.run(
      "document.querySelector('.feature').dispatchEvent(new MouseEvent('click', { bubbles: true, ctrlKey: true }))"
    )
    try browser.wait(for: "document.querySelectorAll('.layer').length === 2")
    #expect(
      try browser.text(
        "new Set([...document.querySelectorAll('.swatch')].map((s) => s.style.background)).size")
        == "2")
    try browser.click(".layer:nth-of-type(2) button")
    #expect(try picture() == house)
    try browser.run(
      "const s = document.querySelector('#words select'); s.value = 'up.0.1'; s.dispatchEvent(new Event('change'))"
    )
    try browser.wait(for: "document.querySelector('.layers').textContent.includes('“house” up.0.1')")
    try browser.wait(for: "!document.querySelector('.layers').textContent.includes('…')")
    #expect(try picture() != house)
    // A reload keeps them; markup in a word is text.
    usleep(250_000)
    try browser.reload()
    try idle()
    try browser.wait(
      for: "document.querySelector('#words [data-word=house]').getAttribute('aria-pressed') === 'true'")
    try ask("<i>x</i>")
    #expect(try browser.text("document.querySelector('.layers').textContent").contains("not in this prompt"))
    #expect(try browser.text("document.querySelectorAll('#words i').length") == "0")
  }

  @Test func aMaskComesFromAWord() throws {
    try ask("a red house")
    try browser.click(".feature .edit")
    try browser.run(
      "const s = document.querySelector('.edit-row select'); s.value = 'add'; s.dispatchEvent(new Event('change'))"
    )
    try idle()
    let everywhere = try picture()
    try browser.click(".edit-row .mask")
    try browser.wait(for: "document.querySelector('.tools [aria-label=\"From a word\"]')")
    try browser.run(
      "const s = document.querySelector('.tools [aria-label=\"From a word\"]'); s.value = 'house'; s.dispatchEvent(new Event('change'))"
    )
    try browser.wait(for: "decodeURIComponent(location.hash).includes('\"mask\":[[')")
    try idle()
    #expect(try picture() != everywhere)
    // The same as the server's, which is the command line's.
    let block = try browser.text("document.querySelector('.edit-row b').textContent")
    let answer = try server.answer(
      "mask", "{\"prompt\": \"a red house\", \"block\": \"\(block)\", \"word\": \"house\"}")
    let wanted = try #require(answer["mask"] as? [[Int]])
    let found = try browser.text(
      "JSON.stringify(JSON.parse(decodeURIComponent(location.hash.slice(1))).edits[0].mask)")
    #expect(found == "\(wanted)".replacing(" ", with: ""))
    // An overlay's own map, in parts from 0 to 1.
    try browser.run(
      "const s = document.querySelector('#words select'); s.value = arguments[0]; s.dispatchEvent(new Event('change'))",
      [block])
    try browser.click("#words [data-word=red]")
    try browser.wait(for: "document.querySelector('.layers').textContent.match(/\\d %/)")
    try browser.run(
      "[...document.querySelectorAll('.tools button')].find((b) => b.textContent === 'From overlay').click()")
    try browser.wait(for: "/\"mask\":[^}]*0\\.\\d/.test(decodeURIComponent(location.hash))")
    let parts = try browser.text(
      "(() => { const values = JSON.parse(decodeURIComponent(location.hash.slice(1))).edits[0].mask.flat(); return [Math.min(...values), Math.max(...values)].join(); })()"
    )
    #expect(parts == "0,1")
  }

  @Test func whatIsDraggedIsADraft() throws {
    let decoder = URL(fileURLWithPath: Command.tinyModel).deletingLastPathComponent().path + "/tiny-decoder"
    let drafts = try ExploreServer(server.workspace, ["--decoder", decoder])
    try open(drafts.address)
    try browser.click(".feature .edit")
    try idle()
    let set = "const s = document.querySelector('.strength'); s.value = 8; s.dispatchEvent(new Event"
    try browser.run("\(set)('input', { bubbles: true }))")
    try browser.wait(for: "!document.querySelector('.draft').hidden")
    let dragged = try picture()
    #expect(try browser.text("document.getElementById('command').textContent").contains("--decoder"))
    #expect(try browser.text("document.getElementById('cost').textContent").hasPrefix("Draft: "))
    try browser.run("\(set)('change', { bubbles: true }))")
    try browser.wait(for: "document.querySelector('.draft').hidden")
    try idle()
    #expect(try picture() != dragged)
    #expect(try !browser.text("document.getElementById('command').textContent").contains("--decoder"))
    #expect(
      try browser.text("document.getElementById('cost').textContent").contains("of the run computed anew"))
  }

  @Test func dictionariesAreChosenAndCompared() throws {
    try server.workspace.trainAnother()
    let two = try ExploreServer(server.workspace)
    try open(two.address)
    try browser.run("document.querySelector('#features [data-block=\"up.0.1\"]').click()")
    try browser.wait(for: "!document.getElementById('dictionaries').hidden")
    try browser.click(".feature .edit")
    try idle()
    let names = "[...document.querySelectorAll('#dictionaries option')].map((o) => o.value)"
    #expect(try browser.text("\(names).length") == "2")
    try browser.click("#side-by-side")
    try browser.wait(for: "document.querySelector('#dictionary-pair[data-state=whole]')")
    #expect(Int(try browser.text("document.querySelectorAll('#dictionary-pair tbody tr').length")) ?? 0 > 2)
    try browser.click("#dictionary-pair tbody button")
    try browser.wait(for: "document.querySelector('#feature-page[open]')")
    try browser.press("\u{E00C}")
    try browser.wait(for: "!document.querySelector('#feature-page')")
    try browser.press("\u{E00C}")
    try browser.wait(for: "!document.querySelector('dialog')")
    let old = try browser.text("\(names)[1]")
    try browser.run(
      "const s = document.querySelector('#dictionaries select'); s.value = arguments[0]; s.dispatchEvent(new Event('change'))",
      [old])
    try idle()
    // Numbers of before mean others here: the edit is off, until it is undone.
    #expect(try browser.text("document.querySelector('.edit-row').classList.contains('off')") == "1")
    try browser.wait(for: "decodeURIComponent(location.hash).includes('\"dictionaries\":{\"up.0.1\"')")
    try browser.click(".feature .page")
    try browser.wait(for: "document.querySelector('#feature-page[open]')")
    try browser.press("\u{E00C}")
    try browser.click("#undo")
    try idle()
    #expect(try browser.text("document.querySelector('#dictionaries select').value") != old)
    #expect(try browser.text("document.querySelector('.edit-row').classList.contains('off')") == "0")
    // From a feature to its likest of the other dictionary, which is taken.
    try browser.click(".feature .page")
    try browser.wait(for: "document.querySelector('#feature-page[open]')")
    try browser.click("#feature-page button[aria-label*='of the dictionary']")
    try browser.wait(for: "document.querySelector('#dictionaries select').value === '\(old)'")
    try browser.wait(for: "document.querySelector('#feature-page[open]')")
  }

  @Test func captionsAreWrittenInPlace() throws {
    let name = try #require(
      try FileManager.default.contentsOfDirectory(atPath: server.workspace.folder("w/saes/up.0.1")).first)
    let line =
      #"{"feature": 5, "caption": "<b>roofs</b>", "source": "clip", "model": "m1", "scores": {"detection": 0.75}}"#
    try server.workspace.folder.write(line.utf8, to: "w/saes/up.0.1/\(name)/captions.jsonl")
    let named = try ExploreServer(server.workspace)
    try open(named.address)
    try browser.type("roofs", into: "#search")
    try browser.wait(for: "document.getElementById('list-heading').textContent === '1 found'")
    try browser.click(".feature .page")
    try browser.wait(for: "document.querySelectorAll('#feature-page .captions li').length === 2")
    let list = "document.querySelector('#feature-page .captions').innerText"
    for text in ["<b>roofs</b>", "clip · m1", "detection 0.75"] {
      #expect(try browser.text(list).contains(text), "\(text)")
    }
    try browser.click("#feature-page .captions li:first-child .write")
    try browser.type("chimneys", into: "#feature-page .captions input")
    try browser.press("\u{E007}")
    try browser.wait(for: "\(list).startsWith('chimneys')")
    let written = try String(
      contentsOfFile: server.workspace.folder("w/saes/up.0.1/\(name)/captions.jsonl"), encoding: .utf8)
    #expect(written.contains("chimneys") && written.contains("0.75"))
  }
}
