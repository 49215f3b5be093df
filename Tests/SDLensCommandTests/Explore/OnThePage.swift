import Foundation
import SDLensTestSupport

/// Tests that drive the page of `sdlens explore` in a browser.
protocol OnThePage {
  var server: ExploreServer { get }
  var browser: WebDriver { get }
}

extension OnThePage {
  /// Opens an address; the tour is for people.
  func open(_ address: String) throws {
    try browser.open(address)
    try browser.wait(for: "document.body.dataset.state === 'idle'")
    try browser.run("document.getElementById('skip-tour')?.click()")
  }

  func idle() throws {
    // What was asked for begins in the next moment of the page.
    usleep(60_000)
    try browser.wait(for: "document.body.dataset.state === 'idle'")
    try browser.run("return new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
  }

  /// The picture on the page as one number, without the cell under the pointer.
  func picture() throws -> String {
    try browser.run("document.getElementById('picture').dispatchEvent(new PointerEvent('pointerleave'))")
    try idle()
    return try browser.text(
      """
      (() => { const canvas = document.getElementById('picture');
        const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
        let hash = 0; for (let i = 0; i < data.length; i++) hash = (hash * 31 + data[i]) | 0; return hash; })()
      """)
  }

  func ask(_ prompt: String) throws {
    try browser.type(prompt, into: "#prompt")
    try browser.press("\u{E007}")
    try idle()
  }
}
