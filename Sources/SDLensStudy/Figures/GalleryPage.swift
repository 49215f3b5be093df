import Foundation
import SDLensCore
import SDLensSparse

/// The page of a gallery: HTML with its style, script and texts inside, pictures beside it, nothing from a network.
///
/// The texts of all cards are data, of which the script makes as many cards as are looked at.
struct GalleryPage {
  private let gallery: Gallery
  private let cards: [Gallery.Card]

  init(_ gallery: Gallery, _ cards: [Gallery.Card]) { (self.gallery, self.cards) = (gallery, cards) }

  /// What the script knows of a card.
  private struct Card: Encodable {
    let feature: Int
    let caption: String
    let facts: [[String]]
    let density: Float
    let mean: Float
    let highest: String
    let items: [Gallery.Item]
  }

  var html: String {
    get throws {
      let title = HTML.escaped("Features of \(gallery.block)")
      let dictionary = gallery.dictionary
      let decoder = try gallery.renderer.laboratory.model.otherDecoder
      let facts =
        "\(cards.count) of \(dictionary.autoencoder.features) features, \(dictionary.autoencoder.selection), "
        + "model \(dictionary.saved.model ?? "unknown"), dictionary \(dictionary.label), "
        + "seed \(gallery.settings.seed) on the empty prompt"
        + (decoder.map { ", drafts decoded by \($0)" } ?? "")
      // Within a script no text may hold "</script" or "<!--".
      let data = String(decoding: try JSON.line(cards.map(card)), as: UTF8.self)
        .replacing("<", with: "\\u003c")
      return """
        <!DOCTYPE html>
        <html lang="en">
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <title>\(title)</title>
        <style>
        \(Self.style)
        :root { --cell: \(gallery.cellWidth)px; --scale: \(scale) }
        </style>
        <header>
        <h1>\(title)</h1>
        <p>\(HTML.escaped(facts))</p>
        <form>
        <input id="search" type="search" aria-label="Search" placeholder="number, or words of captions and prompts" autofocus>
        <label>Order <select id="order">
        <option value="feature">number</option>
        <option value="density">how often active</option>
        <option value="mean">mean activation</option>
        </select></label>
        <output id="count"></output>
        </form>
        </header>
        <main id="cards"></main>
        <button id="more" type="button" hidden>more</button>
        <noscript><p>The cards are made by a script, which this browser does not run.</p></noscript>
        <script id="data" type="application/json">\(data)</script>
        <script>
        \(Self.script)
        </script>
        </html>

        """
    }
  }

  /// The colours of heat maps as CSS.
  private var scale: String {
    let stops = stride(from: 0, through: 255, by: 15).map { step in
      let color = SIMD3<UInt8>(gallery.colors.table[step])
      return "rgb(\(color.x) \(color.y) \(color.z))"
    }
    return "linear-gradient(to right, \(stops.joined(separator: ", ")))"
  }

  private func card(_ card: Gallery.Card) -> Card {
    let (feature, dictionary) = (card.feature, gallery.dictionary)
    var facts: [[String]] = []
    if let statistics = dictionary.statistics {
      facts = [
        ["active on", "\((Double(statistics.density[feature]) * 100).threeDigits) %"],
        ["mean μ", Double(statistics.mean[feature]).threeDigits],
        ["deviation", Double(statistics.deviation[feature]).threeDigits],
        ["highest", Double(statistics.maximum[feature]).threeDigits],
      ]
    }
    if let examples = dictionary.examples { facts.append(["pictures", "\(examples.count(of: feature))"]) }
    return Card(
      feature: feature, caption: dictionary.captions[feature] ?? "", facts: facts,
      density: dictionary.statistics?.density[feature] ?? 0, mean: dictionary.statistics?.mean[feature] ?? 0,
      highest: card.highest, items: card.items)
  }
}
