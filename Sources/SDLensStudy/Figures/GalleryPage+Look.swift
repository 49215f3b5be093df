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
    #search { flex: 1 1 12rem; max-width: 30rem; font: inherit; padding: .2rem .4rem }
    .caption { font-weight: normal }
    .card { margin: 1rem; padding: .7rem; border: 1px solid #8885; border-radius: 6px }
    dl, .row { display: flex; flex-wrap: wrap; gap: .3rem 1.2rem; margin: 0 0 .5rem }
    dl div { display: flex; gap: .4rem }
    dt { opacity: .75 } dd { margin: 0 }
    .row { gap: .8rem 1.2rem }
    figure { margin: 0; width: min-content }
    figcaption { font-size: .8rem; overflow-wrap: anywhere }
    .pair { display: flex; gap: 3px; align-items: flex-start }
    img { display: block; width: min(var(--cell), 50vw - 2.2rem); aspect-ratio: auto 1 / 1 }
    .heat { position: relative }
    .heat .overlay { position: absolute; inset: 0; height: 100%; image-rendering: pixelated }
    .scale { display: flex; gap: .4rem; align-items: center; font-size: .75rem; opacity: .85 }
    .scale i { flex: 1; height: .5rem; border: 1px solid #8888; background: var(--scale) }
    #more { display: block; margin: 1rem auto; font: inherit; padding: .3rem 2rem }
    #more[hidden] { display: none }
    noscript p { margin: 1rem }
    @media (max-width: 600px) { header { position: static } .card { margin: .5rem } }
    """

  /// Search, order, and cards as they are looked at.
  static let script = """
    "use strict";
    const byId = id => document.getElementById(id);
    const [main, search, order, count, more] = ["cards", "search", "order", "count", "more"].map(byId);
    const cards = JSON.parse(byId("data").textContent);
    for (const card of cards) {
      card.texts = [card.caption, ...card.items.map(item => item.prompt || "")].map(text => text.toLowerCase());
    }
    const pageSize = 16;
    let found = [], shown = 0;

    function make(name, className, ...children) {
      const element = document.createElement(name);
      if (className) element.className = className;
      element.append(...children);
      return element;
    }
    function image(card, file, text, className) {
      const element = make("img", className);
      [element.loading, element.alt, element.src] = ["lazy", text, `features/${card.feature}/${file}`];
      return element;
    }
    function minus(number) { return String(number).replace("-", "\u{2212}"); }

    function example(card, item, overlay) {
      const heat = make("div", "heat", image(card, item.file, ""), image(card, overlay.file, "heat map", "overlay"));
      const scale = make("div", "scale", "0", make("i"), card.highest);
      const column = make("div", "", heat, scale);
      const caption = make("figcaption", "", make("span", "prompt", item.prompt), `, seed ${item.seed}`);
      return make("figure", "", make("div", "pair", image(card, item.file, item.prompt), column), caption);
    }
    function edited(card, item) {
      const text = item.kind === "modulated"
        ? `first picture, β = ${minus(item.strength)}` : `empty prompt, γ = ${minus(item.strength)}`;
      return make("figure", "", image(card, item.file, text), make("figcaption", "", text));
    }
    function article(card) {
      const link = make("a", "", `#${card.feature}`);
      link.href = `#f${card.feature}`;
      const facts = make("dl", "", ...card.facts.map(([name, value]) =>
        make("div", "", make("dt", "", name), make("dd", "", value))));
      const overlays = card.items.filter(item => item.kind === "overlay");
      const examples = card.items.filter(item => item.kind === "example");
      const figures = examples.map((item, index) => example(card, item, overlays[index]));
      const others = card.items.filter(item => item.kind === "modulated" || item.kind === "alone");
      figures.push(...others.map(item => edited(card, item)));
      const body = figures.length
        ? make("div", "row", ...figures) : make("p", "", "never active in a recorded picture");
      const title = make("h2", "", link, " ", make("span", "caption", card.caption));
      const element = make("article", "card", title, facts, body);
      element.id = `f${card.feature}`;
      return element;
    }

    function grow() {
      main.append(...found.slice(shown, shown + pageSize).map(article));
      shown = Math.min(found.length, shown + pageSize);
      more.hidden = shown === found.length;
    }
    function show() {
      const words = search.value.toLowerCase().split(/\\s+/).filter(Boolean);
      const number = words.length === 1 && /^#?[0-9]+$/.test(words[0]) ? Number(words[0].replace("#", "")) : null;
      const starts = words.map(word =>
        new RegExp("(^|[^\\\\p{L}\\\\p{N}])" + word.replace(/[.*+?^${}()|[\\]\\\\]/g, "\\\\$&"), "u"));
      const tells = text => starts.every(start => start.test(text));
      const fits = card => card.feature === number || card.texts.some(tells);
      const sign = order.value === "feature" ? 1 : -1;
      found = cards.filter(fits).sort((a, b) => sign * (a[order.value] - b[order.value]) || a.feature - b.feature);
      count.textContent = `${found.length} of ${cards.length}`;
      main.replaceChildren();
      shown = 0;
      grow();
      watch();
    }
    function follow() {
      const named = /^#f([0-9]+)$/.exec(location.hash);
      if (!named) return;
      search.value = `#${named[1]}`;
      show();
    }

    const end = new IntersectionObserver(entries => {
      if (!entries.some(entry => entry.isIntersecting)) return;
      grow();
      watch();
    }, { rootMargin: "600px" });
    /* Whoever begins to watch is told at once, also when the end is still in sight. */
    function watch() {
      end.disconnect();
      end.observe(more);
    }
    search.addEventListener("input", show);
    order.addEventListener("change", show);
    more.addEventListener("click", grow);
    window.addEventListener("hashchange", follow);
    byId("search").form.addEventListener("submit", event => event.preventDefault());
    show();
    follow();
    """
}
