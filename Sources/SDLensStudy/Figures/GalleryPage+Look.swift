extension GalleryPage {
  /// The style of the page.
  static let style = """
    :root { color-scheme: light dark; font: 15px/1.4 system-ui, sans-serif }
    body { margin: 0 }
    header { position: sticky; top: 0; z-index: 1; padding: .5rem 1rem; background: Canvas; border-bottom: 1px solid #8885 }
    h1 { font-size: 1.2rem; margin: 0 }
    h2 { font-size: 1rem; margin: 0 0 .3rem; overflow-wrap: anywhere }
    h2 a { color: inherit }
    header p { margin: 0 0 .4rem; opacity: .75; overflow-wrap: anywhere }
    form { display: flex; flex-wrap: wrap; gap: .3rem 1rem; align-items: center }
    .caption { font-weight: normal }
    .card { margin: 1rem; padding: .7rem; border: 1px solid #8885; border-radius: 6px; scroll-margin-top: 8rem;
      content-visibility: auto; contain-intrinsic-size: auto 330px }
    .card[hidden] { display: none }
    dl, .row { display: flex; flex-wrap: wrap; gap: .3rem 1.2rem; margin: 0 0 .5rem }
    dl div { display: flex; gap: .4rem }
    dt { opacity: .75 } dd { margin: 0 }
    .row { gap: .6rem }
    figure { margin: 0; width: min-content }
    figcaption { font-size: .8rem; overflow-wrap: anywhere }
    .picture { position: relative; line-height: 0 }
    .picture .overlay { position: absolute; inset: 0; width: 100%; height: 100%; image-rendering: pixelated }
    .picture:hover .overlay, .plain .overlay { visibility: hidden }
    """

  /// Search and order.
  static let script = """
    "use strict";
    const main = document.getElementById("cards");
    const cards = Array.from(main.children);
    const search = document.getElementById("search");
    const prompts = document.getElementById("prompts");
    const order = document.getElementById("order");
    const count = document.getElementById("count");
    const texts = new Map(cards.map(card => [card, {
      caption: card.querySelector(".caption").textContent.toLowerCase(),
      prompts: Array.from(card.querySelectorAll(".prompt"), p => p.textContent).join("\\n").toLowerCase(),
    }]));
    function show() {
      const words = search.value.trim().toLowerCase().replace(/^#/, "").split(/\\s+/).filter(Boolean);
      const number = words.length === 1 && /^[0-9]+$/.test(words[0]) ? String(Number(words[0])) : null;
      let shown = 0;
      for (const card of cards) {
        const text = texts.get(card);
        const found = word => text.caption.includes(word) || (prompts.checked && text.prompts.includes(word));
        const fits = card.dataset.feature === number || words.every(found);
        card.hidden = !fits;
        if (fits) shown += 1;
      }
      count.textContent = shown + " of " + cards.length;
    }
    function sort() {
      const key = order.value;
      const sign = key === "feature" ? 1 : -1;
      const value = card => sign * Number(card.dataset[key]);
      cards.sort((a, b) => value(a) - value(b) || a.dataset.feature - b.dataset.feature);
      main.append(...cards);
    }
    search.addEventListener("input", show);
    prompts.addEventListener("change", show);
    order.addEventListener("change", sort);
    const heat = document.getElementById("heat");
    const plain = () => main.classList.toggle("plain", !heat.checked);
    heat.addEventListener("change", plain);
    document.querySelector("form").addEventListener("submit", event => event.preventDefault());
    plain();
    sort();
    show();
    """
}
