// Everything that is known of one feature.

import { call, bytes, Failed } from "./api.js";
import { captionList } from "./captions.js";
import { choose } from "./dictionaries.js";
import { el, button, dialog, short, percent } from "./dom.js";
import { editFeature } from "./edits.js";
import { caption, picture, run } from "./lab.js";
import * as overlays from "./overlays.js";
import { state, update } from "./state.js";
import { say } from "./status.js";

const levels = [5, 25, 50, 75, 95];
let open = null;

export async function openFeature(block, feature) {
  open?.close();
  let known;
  try { known = await call("feature", { block, feature, dictionaries: state().dictionaries }); } catch (error) {
    if (!(error instanceof Failed)) throw error;
    say(error.message);
    return;
  }
  const controller = new AbortController();
  const body = el("div", { class: "page-body" });
  const box = dialog(`Feature ${feature} of ${block}`, body);
  box.id = "feature-page";
  open = box;
  box.addEventListener("close", () => { controller.abort(); if (open === box) open = null; });
  const maps = el("div", { class: "cards" });
  const strip = el("div", { class: "cards" });
  const alone = el("div", { class: "cards" });
  body.append(
    el("div", { class: "bar" },
      button("Edit", `Edit feature ${feature} of ${block}`, () => { editFeature(block, feature); box.close(); }, { class: "primary" }),
      button("Overlay", `Lay the map of feature ${feature} over the picture`, () => { overlays.toggle({ block, feature }, true); box.close(); }),
      el("a", { class: "button", download: `feature-${block}-${feature}.json`, href: URL.createObjectURL(new Blob([JSON.stringify(known, null, 1)], { type: "application/json" })) }, "JSON"),
      bookmark(block, feature)),
    captionList(block, feature, known.captions),
    el("div", { class: "facts" }, ...facts(known)),
    known.words.length ? el("p", {}, "Words of its strongest pictures: ", ...known.words.map(({ word, share, everywhere }) => el("span", { class: "word", title: `in ${percent(share)} of them, of all in ${percent(everywhere)}` }, word))) : null,
    el("h3", {}, "Strongest pictures, and some from the middle of the list"), maps,
    el("h3", {}, "More and less of it (β), in its strongest picture"), strip,
    el("h3", {}, "Alone, on the empty prompt (γ)"), alone,
    others("Directions most alike", "cosine", known.neighbours), others("Active in the same pictures", "shared pictures", known.together), others("In other blocks, active in the same pictures", "shared pictures", known.counterparts),
    others("In other dictionaries of this block, the direction most alike", "cosine", known.elsewhere));
  try {
    await fill(known, { maps, strip, alone }, controller.signal);
    box.dataset.state = "whole";
  } catch (error) {
    if (error.name !== "AbortError" && !(error instanceof Failed)) throw error;
    if (error instanceof Failed) body.append(el("p", { class: "note error" }, error.message));
  }
}

function facts(known) {
  const pairs = [["density", percent(known.density)], ["mean μ", short(known.mean)], ["deviation σ", short(known.deviation)], ["maximum", short(known.maximum)], ["pictures", `${known.pictures} of ${known.recorded}`],
    ...known.quantiles.map((value, index) => [`${levels[index]} % below`, short(value)])];
  const figures = pairs.map(([name, value]) => el("span", { class: "fact" }, el("span", { class: "hint" }, name), el("b", {}, value)));
  if (known.quantiles.length && known.maximum > 0) figures.push(quantileBar(known));
  return figures;
}

/** Where its activations lie, from 0 to the highest: the middle half dark, the middle nine tenths light. */
function quantileBar({ quantiles: [low, first, middle, third, high], maximum }) {
  const at = (value) => `${(100 * value) / maximum}%`;
  const part = (name, from, to) => { const box = el("span", { class: name }); Object.assign(box.style, { left: at(from), width: at(to - from) }); return box; };
  return el("span", { class: "quantiles", role: "img", "aria-label": `Half of its activations lie from ${short(first)} to ${short(third)}, nine tenths from ${short(low)} to ${short(high)}; the middle is ${short(middle)}` }, part("most", low, high), part("half", first, third), part("middle", middle, middle + maximum / 200));
}

const bookmarks = () => { try { return JSON.parse(localStorage.getItem("sdlens-bookmarks")) ?? []; } catch { return []; } };
function bookmark(block, feature) {
  const key = `${block}/${feature}`;
  const control = button(bookmarks().includes(key) ? "★ Bookmarked" : "☆ Bookmark", "Keep this feature in the list of bookmarks", () => {
    const others = bookmarks().filter((other) => other !== key);
    const next = others.length === bookmarks().length ? [...others, key] : others;
    localStorage.setItem("sdlens-bookmarks", JSON.stringify(next));
    control.textContent = next.includes(key) ? "★ Bookmarked" : "☆ Bookmark";
  });
  return el("span", { class: "bar" }, control, ...bookmarks().filter((other) => other !== key).slice(-6).map((other) => {
    const [otherBlock, otherFeature] = other.split("/");
    return button(`★ ${otherBlock} #${otherFeature}`, `Page of feature ${otherFeature} of ${otherBlock}`, () => openFeature(otherBlock, Number(otherFeature)));
  }));
}

function others(title, measure, list) {
  if (!list.length) return null;
  return el("section", {}, el("h3", {}, title), el("div", { class: "bar" }, list.map(({ block, dictionary, feature, likeness, caption: said }) => {
    const text = dictionary ? said : caption(block, feature);
    return button(`${dictionary ?? block} #${feature} · ${short(likeness)}${text ? ` · ${text}` : ""}`, `Page of feature ${feature} of ${dictionary ? `the dictionary ${dictionary}` : block}, ${measure} ${short(likeness)}`, () => { if (dictionary) choose(block, dictionary); openFeature(block, feature); });
  })));
}

/** Makes the pictures, one after the other. */
async function fill(known, { maps, strip, alone }, signal) {
  const lane = "page";
  const { block, feature } = known;
  const settings = (example) => ({ prompt: example.prompt, seed: String(example.seed), steps: known.steps ?? 1, guidance: known.guidance ?? 0, width: known.width, height: known.height, dictionaries: state().dictionaries });
  const remade = known.examples.filter((example) => example.seed !== undefined && example.seed !== null);
  for (const example of remade) {
    const made = await picture(await call("generate", settings(example), { lane, signal }));
    const canvas = el("canvas", { width: 192, height: 192, role: "img", "aria-label": `Picture of “${example.prompt}”, bright where the feature is active` });
    if (example.map) overlays.thumbnail(canvas, made.image, new Float32Array(bytes(example.map).buffer), known.map_height, known.map_width, known.maximum ?? 1);
    else canvas.getContext("2d").drawImage(made.image, 0, 0, 192, 192);
    maps.append(card(canvas, `${short(example.strength)} · ${example.rank === 0 ? "strongest" : `${percent(example.rank)} are stronger`}`, example.prompt, () => { update({ ...settings(example), negative: "", here: null, overlays: [{ block, feature }], block }); open?.close(); }));
  }
  if (!remade.length) maps.append(el("p", { class: "hint" }, "Nobody has recorded pictures that can be made again; do it with: sdlens statistics."));
  for (const beta of remade.length ? [-10, -6, -3, -1, 1, 3, 6, 10] : []) {
    const made = await picture(await call("intervene", { ...settings(remade[0]), edits: [{ block, operation: "modulate", feature, beta }] }, { lane, signal }));
    strip.append(card(image(made), `β = ${beta}`, "", () => { update({ ...settings(remade[0]), here: null, edits: [] }); editFeature(block, feature); open?.close(); }));
  }
  if (known.mean) for (const gamma of [0.5, 1, 2]) {
    const made = await picture(await call("intervene", { ...run(state()), prompt: "", edits: [{ block, operation: "empty-context", feature, gamma }] }, { lane, signal }));
    alone.append(card(image(made), `γ = ${gamma}`));
  }
}

function image(made) {
  const canvas = el("canvas", { width: 192, height: 192, role: "img", "aria-label": made.command });
  canvas.getContext("2d").drawImage(made.image, 0, 0, 192, 192);
  return canvas;
}

export function card(canvas, title, text = "", onclick = null) {
  const content = [canvas, el("span", { class: "hint" }, title), text ? el("span", { class: "card-text" }, text) : null];
  return onclick ? el("button", { type: "button", class: "card", title: text || title, onclick }, content) : el("div", { class: "card" }, content);
}
