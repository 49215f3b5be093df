// Which dictionary of a block is looked through, and two of them side by side.

import { call, Failed } from "./api.js";
import { Codes } from "./codes.js";
import { el, button, dialog, percent, select, short } from "./dom.js";
import { needsFeature } from "./edits.js";
import { openFeature } from "./feature-page.js";
import { dictionary, dictionaries, run, seen } from "./lab.js";
import * as overlays from "./overlays.js";
import { state, subscribe, update } from "./state.js";
import { say } from "./status.js";

const [mostRows, mostOthers] = [40, 20];

let blocks = [];
const namesOf = (block) => blocks.find((known) => known.block === block)?.dictionaries ?? [];

/** The menu of the shown block's dictionaries; it hides where there is only one. */
export function makeDictionaryMenu(root, info) {
  ({ blocks } = info);
  const menu = el("span", { class: "bar", id: "dictionaries" });
  root.append(menu);
  let drawn = "";
  function show() {
    const { block } = state();
    const names = namesOf(block);
    const name = state().dictionaries[block] ?? names[0];
    const key = JSON.stringify([block, name]);
    if (key === drawn) return;
    drawn = key;
    menu.hidden = names.length < 2;
    menu.replaceChildren(select(`Dictionary of ${block}`, names.map((other) => [other, other]), name, (other) => choose(block, other)),
      button("Side by side", `Compare this dictionary of ${block} with another`, () => openSideBySide(block, names), { id: "side-by-side" }));
  }
  subscribe(show);
  show();
}

/** Takes a dictionary. A feature's number means another direction there: overlays go, edits are switched off. */
export function choose(block, name) {
  const names = namesOf(block);
  const { [block]: _, ...others } = state().dictionaries;
  const isOf = (edit) => edit.block === block && (needsFeature(edit.kind) || edit.kind === "reconstruct");
  const { edits } = state();
  if (edits.some((edit) => isOf(edit) && edit.on)) say(`Edits of features of ${block} are switched off: their numbers mean other features here.`);
  update({
    dictionaries: name === names[0] ? others : { ...others, [block]: name },
    overlays: state().overlays.filter((layer) => layer.block !== block || layer.word !== undefined),
    edits: edits.map((edit) => (isOf(edit) ? { ...edit, on: false } : edit)),
  });
}

/** Two dictionaries of a block: what is active in this picture, each with its likest feature in the other. */
function openSideBySide(block, names) {
  const first = state().dictionaries[block] ?? names[0];
  const rest = names.filter((name) => name !== first);
  let other = rest[0];
  const note = el("p", { class: "hint", "aria-live": "polite" });
  const rows = el("tbody", {});
  const heads = el("tr", {});
  const box = dialog(`Dictionaries of ${block}`, el("div", { class: "bar" }, el("b", {}, first), "beside",
    select("The other dictionary", rest.map((name) => [name, name]), rest[0], (name) => { other = name; start(name); }),
    button("Take the other", `Look through the other dictionary of ${block}`, () => { choose(block, other); box.close(); })), note,
  el("div", { class: "scrolls", tabindex: 0, role: "region", "aria-label": "Features side by side" }, el("table", {}, el("thead", {}, heads), rows)));
  box.id = "dictionary-pair";
  const controller = new AbortController();
  box.addEventListener("close", () => controller.abort());
  start(rest[0]);

  async function start(second) {
    delete box.dataset.state;
    rows.replaceChildren();
    heads.replaceChildren(el("th", { scope: "col" }, first), el("th", { scope: "col", class: "narrow" }, "cosine"), el("th", { scope: "col" }, second));
    note.textContent = "Matching…";
    const chosen = { ...state().dictionaries, [block]: second };
    try {
      const { signal } = controller;
      const match = await call("match", { block, other: second, dictionaries: state().dictionaries }, { lane: "compare", signal });
      const found = await call("features", { ...run(state()), dictionaries: chosen }, { lane: "compare", signal });
      const known = await call("dictionary", { block, dictionaries: chosen }, { signal });
      const there = new Codes(found.codes.find((codes) => codes.block === block));
      const here = seen.codes.get(block);
      await dictionary(block);
      note.textContent = `Mean cosine with the likest ${short(match.mean_matched_cosine)}; ${percent(match.mutual_share)} are each other's likest. Listed: the ${mostRows} most active in this picture.`;
      const strongest = [...here.summary.values()].sort((a, b) => b.mean - a.mean).slice(0, mostRows);
      const counterparts = new Set(strongest.map(({ feature }) => match.nearest[feature]));
      const left = (feature) => cell(here, feature, dictionaries.get(block)?.captions[feature], () => openFeature(block, feature));
      const right = (feature) => cell(there, feature, known.captions[feature]);
      rows.append(
        ...strongest.map(({ feature }) => el("tr", {}, left(feature),
          el("td", { title: match.mutual[feature] ? "each other's likest" : "the other's likest is another" }, `${short(match.cosines[feature])}${match.mutual[feature] ? " ⇄" : " →"}`), right(match.nearest[feature]))),
        ...[...there.summary.values()].filter(({ feature }) => !counterparts.has(feature)).sort((a, b) => b.mean - a.mean).slice(0, mostOthers)
          .map(({ feature }) => el("tr", {}, el("td", { class: "hint" }, "likest of none above"), el("td", {}), right(feature))));
      box.dataset.state = "whole";
    } catch (error) {
      if (error instanceof Failed) note.textContent = error.message;
      else if (error.name !== "AbortError") throw error;
    }
  }
}

function cell(codes, feature, text, open = null) {
  const own = codes.summary.get(feature);
  const thumb = el("canvas", { width: 88, height: 88, class: "thumb", "aria-hidden": "true" });
  if (seen.before) overlays.thumbnail(thumb, seen.before.image, codes.map(feature), codes.height, codes.width, own?.maximum ?? 0);
  return el("td", {}, el("span", { class: "paired" }, thumb, el("span", {}, open ? button(`#${feature}`, `Page of feature ${feature}`, open) : el("b", {}, `#${feature}`), ` ${own ? `mean ${short(own.mean)}` : "silent here"}`, text ? el("span", { class: "caption" }, ` ${text}`) : "")));
}
