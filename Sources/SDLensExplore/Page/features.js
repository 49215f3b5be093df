// The lists of features: of the prompt, of a place, of a marked area, found by words. Long lists draw what is in sight.

import { call, Failed } from "./api.js";
import { Codes } from "./codes.js";
import { el, button, select, short, percent } from "./dom.js";
import { makeDictionaryMenu } from "./dictionaries.js";
import { editFeature } from "./edits.js";
import { openFeature } from "./feature-page.js";
import { caption, dictionaries, dictionary, onSeen, run, seen } from "./lab.js";
import * as masks from "./masks.js";
import * as overlays from "./overlays.js";
import { state, subscribe, update } from "./state.js";

const rowHeight = 60;
const sorts = [["mean", "mean"], ["maximum", "maximum"], ["area", "area"], ["rarity", "unusual for it"], ["contrast", "more than with…"], ["number", "number"]];

let blocks = [];
let list, spacer, heading, tabs, options, search, contrastField;
let rows = [];
let found = null;
let other = { key: "", codes: new Map() };
/** The row that has the keyboard. */
let active = 0;

export function makeFeatures(root, info) {
  blocks = info.blocks.filter((block) => block.dictionary);
  if (!blocks.length) {
    root.append(el("h2", {}, "Features"), el("p", { id: "no-dictionaries" }, info.hint ?? "There are no dictionaries."));
    return;
  }
  tabs = el("div", { class: "tabs", role: "tablist", "aria-label": "Blocks" }, blocks.map(({ block, dictionary: made }) =>
    button(block, `${block}: dictionary ${made.name}`, () => { clearSearch(); update({ block, here: null }); }, { role: "tab", "data-block": block })));
  search = el("input", { type: "search", id: "search", placeholder: "number, caption, words of prompts", "aria-label": "Search features by number, caption, or words of their prompts", oninput: searchSoon });
  contrastField = el("input", { type: "text", "aria-label": "Prompt to compare with", placeholder: "a prompt without it", value: state().contrast, onchange: (event) => update({ contrast: event.target.value }) });
  options = el("div", { class: "bar" },
    select("Sort by", sorts, state().sort, (sort) => update({ sort })), contrastField,
    check("alwaysOn", "always-on ones", "Show features that are active at more than half of all places"), check("all", "silent ones", "Show features that are not active here, too"));
  heading = el("p", { class: "hint", id: "list-heading", "aria-live": "polite" });
  spacer = el("div", { class: "spacer", role: "rowgroup" });
  list = el("div", { class: "list", tabindex: 0, role: "grid", "aria-label": "Features; Enter: overlay, e: edit, o: page", onscroll: drawRows, onkeydown: keys }, spacer);
  const menu = el("div", { class: "bar" });
  root.append(el("h2", { class: "visually-hidden" }, "Features"), search, tabs, menu, options, heading, list);
  makeDictionaryMenu(menu, info);
  new ResizeObserver(drawRows).observe(list);
  subscribe((patch) => {
    if (patch.prompt !== undefined) found = null;
    if (patch.dictionaries) {
      clearSearch();
      for (const { block } of blocks) dictionary(block);
    }
    if (patch.here) clearSearch();
    show(patch.block || patch.here !== undefined || patch.sort);
  });
  onSeen(() => show());
  masks.onTool(() => show());
  show();
  for (const { block } of blocks) dictionary(block);
}

function check(key, text, label) {
  return el("label", { class: "check", title: label }, el("input", { type: "checkbox", checked: state()[key], "data-check": key, onchange: (event) => update({ [key]: event.target.checked }) }), text);
}

/** Which list is shown, and its rows. */
function rowsNow() {
  const { block, here } = state();
  if (found) return { title: `${found.length} found`, rows: found };
  if (masks.tool.target === "mark" && masks.mark.rows) {
    const codes = seen.codes.get(block);
    const mask = masks.mark.rows.flat();
    if (codes && mask.length === codes.places) {
      const summary = codes.summary;
      return {
        title: `${block}: more active inside the marked area than outside`,
        rows: codes.inside(mask).map(({ feature, value }) => ({ block, ...summary.get(feature), detail: `+${short(value)} inside` })).filter(isWanted),
      };
    }
  }
  if (here) {
    const all = blocks.flatMap(({ block }) => {
      const codes = seen.codes.get(block);
      if (!codes) return [];
      return codes.at(...here).map(({ feature, value }) => {
        const own = codes.summary.get(feature);
        // What is active here more than elsewhere tells of the thing here.
        return { block, ...own, detail: `${short(value)} here`, rank: value - own.mean };
      }).filter(isWanted).sort((a, b) => b.rank - a.rank).slice(0, 6);
    });
    const shown = state().block;
    return { title: "Active at the clicked place, those of this place first", rows: all.sort((a, b) => (b.block === shown) - (a.block === shown) || 0) };
  }
  return { title: "", rows: ofPrompt(block) };
}

const isWanted = ({ block, feature }) => state().alwaysOn || !((dictionaries.get(block)?.density[feature] ?? 0) > 0.5);

function ofPrompt(block) {
  const codes = seen.codes.get(block);
  if (!codes) return [];
  const { sort, all } = state();
  const made = dictionaries.get(block);
  const found = [...codes.summary.values()].map((own) => ({ block, ...own }));
  if (all && made) {
    for (let feature = 0; feature < made.features; feature++)
      if (!codes.summary.has(feature)) found.push({ block, feature, mean: 0, maximum: 0, area: 0 });
  }
  const without = other.codes.get(block)?.summary;
  const keys = {
    mean: (row) => row.mean, maximum: (row) => row.maximum, area: (row) => row.area, number: (row) => -row.feature,
    rarity: (row) => row.mean / Math.max(1e-9, (made?.mean[row.feature] ?? 1) * (made?.density[row.feature] ?? 1)),
    contrast: (row) => row.mean - (without?.get(row.feature)?.mean ?? 0),
  };
  const key = keys[sort] ?? keys.mean;
  const details = {
    mean: (row) => `mean ${short(row.mean)}`, maximum: (row) => `max ${short(row.maximum)}`, area: (row) => percent(row.area),
    rarity: (row) => `${short(key(row))} × usual`, contrast: (row) => `${key(row) < 0 ? "" : "+"}${short(key(row))}`, number: (row) => `mean ${short(row.mean)}`,
  };
  return found.filter(isWanted).sort((a, b) => key(b) - key(a) || a.feature - b.feature).map((row) => ({ ...row, detail: details[sort]?.(row) ?? "" }));
}

let searchTimer = null;
function searchSoon() {
  clearTimeout(searchTimer);
  searchTimer = setTimeout(async () => {
    const query = search.value.trim();
    if (!query) { found = null; show(true); return; }
    try {
      const answer = await call("search", { query, dictionaries: state().dictionaries });
      if (search.value.trim() !== query) return;
      found = answer.found.map(({ block, feature, reason }) => ({ block, feature, ...(seen.codes.get(block)?.summary.get(feature) ?? { mean: 0, maximum: 0, area: 0 }), detail: reason }));
    } catch (error) { if (!(error instanceof Failed)) throw error; }
    show(true);
  }, 120);
}
function clearSearch() { if (search) search.value = ""; found = null; }

/** The codes of the prompt to compare with. */
async function compare() {
  const { contrast, sort } = state();
  contrastField.hidden = sort !== "contrast";
  const key = JSON.stringify([contrast, run(state())]);
  if (sort !== "contrast" || !contrast || other.key === key) return;
  other = { key, codes: new Map() };
  try {
    const answer = await call("features", { ...run(state()), prompt: contrast }, { lane: "contrast" });
    if (other.key !== key) return;
    other.codes = new Map(answer.codes.map((codes) => [codes.block, new Codes(codes)]));
    show(true);
  } catch (error) { if (!(error instanceof Failed) && error.name !== "AbortError") throw error; }
}

function show(fromTop = false) {
  compare();
  const now = rowsNow();
  rows = now.rows;
  heading.textContent = now.title || `${rows.length} features are active in ${state().block}${state().alwaysOn ? "" : ", without those that nearly always are"}`;
  for (const tab of tabs.children) tab.setAttribute("aria-selected", String(tab.dataset.block === state().block && !found));
  spacer.style.height = `${rows.length * rowHeight}px`;
  if (fromTop) { list.scrollTop = 0; active = 0; }
  drawRows();
}

/** The picture, small, for all thumbnails. */
let small = { of: null, canvas: null };
function smallPicture() {
  const image = seen.before?.image;
  if (image && small.of !== image) {
    small = { of: image, canvas: new OffscreenCanvas(88, 88) };
    small.canvas.getContext("2d").drawImage(image, 0, 0, 88, 88);
  }
  return small.canvas;
}

/** Rows in sight, by what they are of; those that stay the same stay in the page, so that a click or the keyboard is not lost. */
const drawn = new Map();
function drawRows() {
  if (!list) return;
  const first = Math.max(0, Math.floor(list.scrollTop / rowHeight) - 2);
  const last = Math.min(rows.length, Math.ceil((list.scrollTop + list.clientHeight) / rowHeight) + 2);
  const highest = Math.max(1e-9, ...rows.slice(0, 200).map((row) => row.mean));
  const picture = smallPicture();
  const wanted = new Set(rows.slice(first, last).map((row) => `${row.block}/${row.feature}`));
  for (const [key, { element }] of drawn) if (!wanted.has(key)) { element.remove(); drawn.delete(key); }
  let place = spacer.firstElementChild;
  for (let index = first; index < last; index++) {
    const row = rows[index];
    const key = `${row.block}/${row.feature}`;
    const content = JSON.stringify([row.mean, row.maximum, row.detail, caption(row.block, row.feature), state().block, highest]);
    let known = drawn.get(key);
    if (known?.content !== content || known.picture !== picture) {
      const element = rowElement(row, highest, picture);
      if (known?.element === place) place = element;
      if (known) known.element.replaceWith(element);
      drawn.set(key, (known = { element, content, picture }));
    }
    // In the page as in sight, for whoever goes through it with a screen reader.
    if (known.element === place) place = place.nextElementSibling; else spacer.insertBefore(known.element, place);
    const isShown = overlays.isShown({ block: row.block, feature: row.feature });
    known.element.style.transform = `translateY(${index * rowHeight}px)`;
    known.element.id = `row-${index}`;
    known.element.setAttribute("aria-rowindex", String(index + 1));
    known.element.setAttribute("aria-selected", String(isShown));
    known.element.classList.toggle("shown", isShown);
    known.element.classList.toggle("active", index === active);
  }
  list.setAttribute("aria-activedescendant", rows.length ? `row-${active}` : "");
}

function rowElement(row, highest, picture) {
  const { block, feature } = row;
  const name = `feature ${feature} of ${block}`;
  const text = caption(block, feature);
  const thumb = el("canvas", { width: 88, height: 88, class: "thumb", "aria-hidden": "true" });
  const codes = seen.codes.get(block);
  if (codes && picture) overlays.thumbnail(thumb, picture, codes.map(feature), codes.height, codes.width, row.maximum);
  const bar = el("span", { class: "value" });
  bar.style.width = `${Math.min(100, (100 * row.mean) / highest)}%`;
  return el("div", {
    class: "feature", role: "row", "data-feature": feature, "data-of": block,
    onclick: (event) => { if (!event.target.closest("button")) { active = rows.findIndex((other) => other.block === block && other.feature === feature); overlays.toggle({ block, feature }, !event.ctrlKey && !event.shiftKey); } },
    ondblclick: (event) => { if (!event.target.closest("button")) editFeature(block, feature); },
  }, el("span", { role: "gridcell", class: "thumb-cell" }, thumb),
    el("span", { class: "what", role: "gridcell" },
      el("span", { class: "name" }, el("b", {}, `#${feature}`), ` ${block === state().block ? "" : block} `, text ? el("span", { class: "caption" }, text) : ""),
      el("span", { class: "track" }, bar), el("span", { class: "hint" }, row.detail)),
    el("span", { role: "gridcell" }, button("✎", `Edit ${name}`, () => editFeature(block, feature), { class: "edit" })),
    el("span", { role: "gridcell" }, button("⋯", `Page of ${name}`, () => openFeature(block, feature), { class: "page" })));
}

function keys(event) {
  if (event.target !== list) return;
  const row = rows[active];
  const step = { ArrowDown: 1, ArrowUp: -1, PageDown: 8, PageUp: -8, Home: -rows.length, End: rows.length }[event.key];
  if (step) {
    event.preventDefault();
    active = Math.min(rows.length - 1, Math.max(0, active + step));
    const top = active * rowHeight;
    if (top < list.scrollTop) list.scrollTop = top;
    else if (top + rowHeight > list.scrollTop + list.clientHeight) list.scrollTop = top + rowHeight - list.clientHeight;
    drawRows();
  } else if (row && event.key === "Enter") overlays.toggle({ block: row.block, feature: row.feature }, !event.shiftKey);
  else if (row && event.key === "e") editFeature(row.block, row.feature);
  else if (row && event.key === "o") openFeature(row.block, row.feature);
  else return;
  event.preventDefault();
  event.stopPropagation();
}
