// The words of the prompt, each of which lays its map over the picture.

import { el, select } from "./dom.js";
import { onSeen, seen } from "./lab.js";
import * as overlays from "./overlays.js";
import { state, subscribe, update } from "./state.js";
import { everyBlock } from "./word-maps.js";

let chips;
let drawn = "";

export function makeWords(root, info) {
  chips = el("span", { class: "bar", role: "group", "aria-label": "Words of the prompt" });
  const blocks = [[everyBlock, "in all blocks"], ...info.blocks.map(({ block }) => [block, `in ${block}`])];
  root.append(el("div", { class: "bar words", id: "words" }, el("span", { class: "hint" }, "Where words act"),
    select("Blocks in which words are looked at", blocks, state().wordBlock, (wordBlock) =>
      // What is shown moves along.
      update({ wordBlock, overlays: state().overlays.map((layer) => (layer.word === undefined ? layer : { ...layer, block: wordBlock })) })), chips));
  subscribe(show);
  onSeen(show);
  show();
}

function show() {
  const { wordBlock, overlays: layers, colours } = state();
  const menu = document.querySelector("#words select");
  if (menu) menu.value = wordBlock;
  const key = JSON.stringify([seen.words, wordBlock, layers, colours]);
  if (key === drawn) return;
  drawn = key;
  const focused = chips.contains(document.activeElement) ? document.activeElement.dataset.word : null;
  chips.replaceChildren(...seen.words.map(({ word, tokens }) => {
    const layer = { block: wordBlock, word };
    const index = overlays.place(layer);
    const chip = el("button", { type: "button", class: /^<.*>$/.test(word) ? "chip around" : "chip", "data-word": word, "aria-pressed": String(index >= 0), title: `Where “${word}” acts (${tokens} token${tokens === 1 ? "" : "s"})`, onclick: () => overlays.toggle(layer) }, word);
    if (index >= 0) chip.style.setProperty("--own", overlays.colour(index));
    return chip;
  }));
  if (focused !== null) [...chips.children].find((chip) => chip.dataset.word === focused)?.focus();
}
