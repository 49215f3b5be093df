import SDLensCore
import SDLensSparse

/// The page of a gallery: HTML with its style and script inside, pictures beside it, nothing from a network.
struct GalleryPage {
  private let gallery: Gallery
  private let cards: [Gallery.Card]

  init(_ gallery: Gallery, _ cards: [Gallery.Card]) { (self.gallery, self.cards) = (gallery, cards) }

  var html: String {
    let title = Self.escaped("Features of \(gallery.block)")
    let dictionary = gallery.dictionary
    let facts =
      "\(cards.count) of \(dictionary.autoencoder.features) features, k = \(dictionary.autoencoder.k), "
      + "\(dictionary.saved.model ?? "model unknown"), dictionary \(dictionary.path)"
    return """
      <!DOCTYPE html>
      <html lang="en">
      <meta charset="utf-8">
      <meta name="viewport" content="width=device-width, initial-scale=1">
      <title>\(title)</title>
      <style>
      \(Self.style)
      .card img { width: \(gallery.cellWidth)px }
      </style>
      <header>
      <h1>\(title)</h1>
      <p>\(Self.escaped(facts))</p>
      <form>
      <label>Search <input id="search" type="search" placeholder="number, or words of a caption" autofocus></label>
      <label>Order <select id="order">
      <option value="feature">number</option>
      <option value="density">how often active</option>
      <option value="mean">mean activation</option>
      </select></label>
      <label><input id="prompts" type="checkbox"> search prompts too</label>
      <label><input id="heat" type="checkbox" checked> heat maps</label>
      <output id="count"></output>
      </form>
      </header>
      <main id="cards">
      \(cards.map(card).joined(separator: "\n"))
      </main>
      <script>
      \(Self.script)
      </script>
      </html>

      """
  }

  private func card(_ card: Gallery.Card) -> String {
    let feature = card.feature
    let dictionary = gallery.dictionary
    let statistics = dictionary.statistics
    let caption = dictionary.captions[feature] ?? ""
    var facts: [(String, String)] = []
    if let statistics {
      facts = [
        ("active on", Self.percent(Double(statistics.density[feature]))),
        ("mean μ", Self.rounded(Double(statistics.mean[feature]))),
        ("deviation", Self.rounded(Double(statistics.deviation[feature]))),
        ("highest", Self.rounded(Double(statistics.maximum[feature]))),
      ]
    }
    if let examples = dictionary.examples { facts.append(("pictures", "\(examples.count(of: feature))")) }
    let density = statistics.map { "\($0.density[feature])" } ?? "0"
    let mean = statistics.map { "\($0.mean[feature])" } ?? "0"
    let list = facts.map { "<div><dt>\($0.0)</dt><dd>\($0.1)</dd></div>" }.joined()
    let pictures = card.items.isEmpty ? "<p>never active in a recorded picture</p>" : self.pictures(card)
    return """
      <article class="card" id="f\(feature)" data-feature="\(feature)" data-density="\(density)" data-mean="\(mean)">
      <h2><a href="#f\(feature)">#\(feature)</a> <span class="caption">\(Self.escaped(caption))</span></h2>
      <dl>\(list)</dl>
      \(pictures)
      </article>
      """
  }

  private func pictures(_ card: Gallery.Card) -> String {
    let shown = card.items.filter { $0.kind != .overlay }
    let overlays = card.items.filter { $0.kind == .overlay }
    let figures = shown.enumerated().map { index, item in
      let folder = "features/\(card.feature)"
      let text: String =
        switch item.kind {
        case .modulated: "first picture, β = \((item.strength ?? 0).label)"
        case .alone: "empty prompt, γ = \((item.strength ?? 0).label)"
        case .example, .overlay: Self.escaped(item.prompt ?? "")
        }
      // The examples come first, each with its overlay.
      let overlay =
        item.kind == .example
        ? "<img class=\"overlay\" loading=\"lazy\" src=\"\(folder)/\(overlays[index].file)\" alt=\"\">" : ""
      let caption =
        item.kind == .example ? "<span class=\"prompt\">\(text)</span>, seed \(item.seed ?? 0)" : text
      return """
        <figure><div class="picture"><img loading="lazy" src="\(folder)/\(item.file)" alt="\(text)">\(overlay)</div>\
        <figcaption>\(caption)</figcaption></figure>
        """
    }
    return "<div class=\"row\">\(figures.joined(separator: "\n"))</div>"
  }

  /// A text as HTML shows it, also within an attribute.
  static func escaped(_ text: String) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "&": result += "&amp;"
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      case "\"": result += "&quot;"
      case "'": result += "&#39;"
      // No character of HTML.
      case "\0"..<"\t", "\u{B}", "\u{E}"..<" ": result += "\u{FFFD}"
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }

  /// Three digits.
  private static func rounded(_ value: Double) -> String {
    guard value > 0 else { return "0" }
    var scale = 1.0
    while value * scale < 100 && scale < 1e6 { scale *= 10 }
    return ((value * scale).rounded() / scale).label
  }

  private static func percent(_ share: Double) -> String { "\(rounded(share * 100)) %" }
}
