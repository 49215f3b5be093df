// What was seen, as small pictures; a click brings it back.

import { el } from "./dom.js";
import { onSeen, seen } from "./lab.js";
import { state, update } from "./state.js";

const most = 24;

export function makeStrip(root) {
  const strip = el("div", { class: "strip", id: "strip", role: "group", "aria-label": "Pictures seen, the newest first" });
  root.append(strip);
  let last = null;
  let timer = null;
  onSeen(() => {
    if (!seen.after || seen.after === last) return;
    last = seen.after;
    // What was seen for a moment only, as while a slider moves, is not kept.
    clearTimeout(timer);
    timer = setTimeout(() => keep(strip, last), 600);
  });
}

function keep(strip, picture) {
  const { prompt, negative, seed, steps, guidance, width, height, edits } = state();
  const patch = structuredClone({ prompt, negative, seed, steps, guidance, width, height, edits });
  const canvas = el("canvas", { width: 96, height: 96, "aria-hidden": "true" });
  canvas.getContext("2d").drawImage(picture.image, 0, 0, 96, 96);
  const title = `${prompt || "the empty prompt"}, seed ${seed}, ${edits.length} edit${edits.length === 1 ? "" : "s"}`;
  strip.prepend(el("button", { type: "button", title, "aria-label": `Back to: ${title}`, onclick: () => update(structuredClone(patch)) }, canvas));
  while (strip.children.length > most) strip.lastChild.remove();
}
