// The stack of edits: a row for each, done from the top down.

import { el, button, select, field } from "./dom.js";
import { change, kinds, needsFeature, newEdit, remove, reorder, acting, toEdit } from "./edits.js";
import { openFeature } from "./feature-page.js";
import { caption, dictionaries, onSeen, seen } from "./lab.js";
import * as masks from "./masks.js";
import { canRedo, canUndo, redo, settle, state, subscribe, undo, update } from "./state.js";

let list, undoButton, redoButton, info, adder;
let drawn = "";

export function makeStack(root, about) {
  info = about;
  undoButton = button("↶", "Undo (Ctrl-Z)", undo, { id: "undo" });
  redoButton = button("↷", "Redo (Ctrl-Shift-Z)", redo, { id: "redo" });
  list = el("ol", { class: "stack", id: "stack" });
  const dictionaryBlocks = info.blocks.filter((block) => block.dictionary).map(({ block }) => block);
  const block = el("select", { "aria-label": "Block of the new edit" }, info.blocks.map(({ block }) => el("option", { value: block }, block)));
  block.value = state().block || info.blocks[0].block;
  const kind = el("select", { "aria-label": "Kind of the new edit" }, Object.entries(kinds).map(([name, { text }]) => el("option", { value: name }, text)));
  if (!dictionaryBlocks.length) kind.value = "ablate";
  adder = el("form", { class: "bar", onsubmit: (event) => {
    event.preventDefault();
    update({ edits: [...state().edits, newEdit(kind.value, block.value, state().overlays.findLast((layer) => layer.block === block.value && layer.feature !== undefined)?.feature ?? 0)] });
  } }, kind, block, el("button", { type: "submit", id: "add-edit" }, "Add edit"));
  root.append(el("div", { class: "bar" }, el("h2", {}, "Edits"), undoButton, redoButton,
    button("Copy list", "Copy the edits as the JSON that --edit reads", copyList), button("Clear", "Remove all edits", () => update({ edits: [] }))),
  el("p", { class: "hint", id: "no-edits" }), list, adder);
  subscribe(show);
  onSeen(show);
  masks.onTool(show);
  show();
}

async function copyList(event) {
  const control = event.currentTarget;
  const rows = acting(state().edits).map(toEdit);
  try {
    await navigator.clipboard.writeText(JSON.stringify({ format: "sdlens-edits", version: 1, edits: rows }));
    control.textContent = "Copied";
  } catch { control.textContent = "Not allowed"; }
  setTimeout(() => { control.textContent = "Copy list"; }, 1500);
}

function show() {
  undoButton.disabled = !canUndo();
  redoButton.disabled = !canRedo();
  const { edits } = state();
  const empty = document.getElementById("no-edits");
  empty.textContent = edits.length ? "" : "Double-click a feature, or press its ✎, to change it here.";
  empty.hidden = edits.length > 0;
  // Rows are made anew only when something else than a strength or a mask has changed, so that a slider that is held stays.
  const key = JSON.stringify([edits.map(({ value, mask, right, down, prompt, steps, feature, ...rest }) => rest), masks.tool.target, dictionaries.size, edits.map((edit) => [edit.id, natural(edit)])]);
  if (key !== drawn) {
    drawn = key;
    const focused = document.activeElement?.id;
    list.replaceChildren(...edits.map(row));
    if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
  }
  for (const edit of edits) {
    const values = { value: edit.value, number: edit.value, right: edit.right, down: edit.down, prompt: edit.prompt, steps: edit.steps, feature: edit.feature };
    for (const [name, value] of Object.entries(values)) {
      const control = document.getElementById(`${name}-${edit.id}`);
      if (control && value !== undefined && control !== document.activeElement) control.value = value;
      else if (control && control.type === "range" && Number(control.value) !== value) control.value = value;
    }
    const about = document.getElementById(`caption-${edit.id}`);
    if (about) about.textContent = needsFeature(edit.kind) ? caption(edit.block, edit.feature) : "";
  }
}

/** The strengths with which a feature stays as active as it ever was in recorded pictures, as shares of the slider. */
function natural(edit) {
  const made = dictionaries.get(edit.block);
  const highest = made?.maximum[edit.feature];
  if (!highest) return null;
  const { from, to } = kinds[edit.kind];
  const own = seen.codes.get(edit.block)?.summary.get(edit.feature)?.maximum;
  const ends = edit.kind === "modulate" && own ? [-1, Math.max(0, highest / own - 1)]
    : edit.kind === "add" && made.mean[edit.feature] ? [0, highest / made.mean[edit.feature]] : null;
  return ends && ends.map((end) => Math.round(Math.min(1, Math.max(0, (end - from) / (to - from))) * 1000) / 1000);
}

function row(edit, index) {
  const kind = kinds[edit.kind];
  const name = `edit ${index + 1}`;
  const live = (patch) => change(edit.id, patch, { live: true });
  const parts = [];
  if (kind.strength) {
    const slider = el("input", { type: "range", id: `value-${edit.id}`, class: "strength", min: kind.from, max: kind.to, step: kind.step, value: edit.value, "aria-label": `Strength ${kind.symbol} of ${name}`, oninput: (event) => live({ value: Number(event.target.value) }), onchange: settle });
    const range = natural(edit);
    const shade = el("span", { class: "natural", title: "With these strengths the feature is as active as it ever was in recorded pictures" });
    if (range) { shade.style.left = `${range[0] * 100}%`; shade.style.width = `${(range[1] - range[0]) * 100}%`; }
    parts.push(el("div", { class: "slider" }, el("span", {}, kind.symbol), el("span", { class: "track-wrap" }, range ? shade : null, slider),
      el("input", { type: "number", id: `number-${edit.id}`, step: kind.step, value: edit.value, "aria-label": `Strength ${kind.symbol} of ${name} as a number`, onchange: (event) => change(edit.id, { value: Number(event.target.value) || 0 }) })));
  }
  if (edit.kind === "move") {
    parts.push(el("div", { class: "bar" }, ...["right", "down"].map((way) => field(way, el("input", { type: "number", id: `${way}-${edit.id}`, step: 1, value: edit[way], "aria-label": `Places to the ${way} of ${name}`, onchange: (event) => change(edit.id, { [way]: Math.round(Number(event.target.value)) || 0 }) })))));
  }
  if (edit.kind === "transplant")
    parts.push(field("map of", el("input", { type: "text", id: `prompt-${edit.id}`, value: edit.prompt, placeholder: "another prompt", "aria-label": `Prompt that ${name} takes the map from`, onchange: (event) => change(edit.id, { prompt: event.target.value }) })));
  const isPainting = masks.tool.target === edit.id;
  const steps = state().steps > 1 ? field("steps", el("input", { type: "text", id: `steps-${edit.id}`, value: edit.steps, placeholder: "all", size: 5, pattern: "[0-9,\\-]*", "aria-label": `Steps in which ${name} acts, as 0,2-3`, onchange: (event) => change(edit.id, { steps: event.target.value }) })) : null;
  const element = el("li", { class: `edit-row${edit.on ? "" : " off"}`, draggable: false, "data-edit": edit.id, "aria-label": `${name}: ${kind.text} ${edit.block}` },
    el("div", { class: "bar" },
      el("span", { class: "grip", draggable: true, "aria-hidden": "true", title: "Drag to reorder", ondragstart: (event) => event.dataTransfer.setData("text/sdlens-edit", edit.id) }, "⠿"),
      el("input", { type: "checkbox", checked: edit.on, "aria-label": `${name} acts`, title: "On or off", onchange: (event) => change(edit.id, { on: event.target.checked }) }),
      select(`Kind of ${name}`, Object.entries(kinds).filter(([other]) => needsFeature(other) === needsFeature(edit.kind)).map(([other, { text }]) => [other, text]), edit.kind, (other) => {
        const fresh = newEdit(other, edit.block, edit.feature);
        update({ edits: state().edits.map((row) => (row.id === edit.id ? { ...fresh, id: edit.id, on: edit.on, solo: edit.solo, steps: edit.steps } : row)) });
      }),
      el("b", {}, edit.block),
      needsFeature(edit.kind) ? el("input", { type: "number", class: "number", id: `feature-${edit.id}`, min: 0, step: 1, value: edit.feature, "aria-label": `Feature of ${name}`, onchange: (event) => change(edit.id, { feature: Math.max(0, Math.round(Number(event.target.value))) }) }) : null,
      el("span", { class: "spring" }),
      needsFeature(edit.kind) ? button("⋯", `Page of the feature of ${name}`, () => openFeature(edit.block, edit.feature)) : null,
      button("S", `Only ${name} acts`, () => change(edit.id, { solo: !edit.solo }), { "aria-pressed": String(edit.solo) }),
      button("↑", `Move ${name} up`, () => reorder(edit.id, index - 1), { disabled: index === 0, id: `up-${edit.id}` }),
      button("×", `Remove ${name}`, () => remove(edit.id), { id: `remove-${edit.id}` })),
    needsFeature(edit.kind) ? el("p", { class: "caption", id: `caption-${edit.id}` }, caption(edit.block, edit.feature)) : null,
    ...parts,
    edit.kind === "add" || steps ? el("div", { class: "bar" },
      edit.kind === "add" ? button(isPainting ? "Painting…" : edit.mask ? "Mask: painted" : "Mask: everywhere", `Paint where ${name} acts`, () => masks.setTool(isPainting ? { name: "look", target: null } : { name: "brush", target: edit.id, erases: false }), { "aria-pressed": String(isPainting), class: "mask" }) : null, steps) : null,
    el("p", { class: "hint" }, kind.hint));
  element.addEventListener("dragover", (event) => { if (event.dataTransfer.types.includes("text/sdlens-edit")) event.preventDefault(); });
  element.addEventListener("drop", (event) => {
    const id = event.dataTransfer.getData("text/sdlens-edit");
    if (!id) return;
    event.preventDefault();
    reorder(id, state().edits.findIndex((row) => row.id === edit.id));
  });
  return element;
}
