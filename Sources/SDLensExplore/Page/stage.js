// The picture before and after: wipe, blink, difference; overlays and masks over it; a click asks what is active.

import { el, button, percent, select, short } from "./dom.js";
import { seen, onSeen } from "./lab.js";
import * as masks from "./masks.js";
import * as overlays from "./overlays.js";
import { state, update, subscribe } from "./state.js";
import { makeWords } from "./words.js";

let canvas, info, wipe, tools, layers, cost, command, download, gain, draft;
let hover = null;
let blinkTimer = null;
let isBefore = false;

export function makeStage(root, about) {
  canvas = el("canvas", { id: "picture", tabindex: 0, role: "img", "aria-label": "The picture. Click, or move with the arrow keys and press Enter, to list the features that are active at a place.", width: 768, height: 768 });
  wipe = el("input", { type: "range", min: 0, max: 1, step: 0.005, class: "wipe", "aria-label": "Wipe: share of the picture that shows what was before", oninput: () => update({ wipe: Number(wipe.value) }) });
  info = el("p", { class: "hint" });
  gain = el("span", { class: "hint" });
  draft = el("span", { class: "draft", role: "status", hidden: true }, "draft");
  tools = el("div", { class: "tools", role: "toolbar", "aria-label": "Mask" });
  const words = el("div", {});
  layers = el("div", { class: "layers", role: "group", "aria-label": "Overlays" });
  cost = el("p", { class: "hint", id: "cost" });
  command = el("code", { id: "command", tabindex: 0, "aria-label": "The command line that writes this picture" });
  download = el("a", { class: "button", download: "picture.png", id: "download" }, "Save PNG");
  root.append(
    el("div", { class: "bar" },
      modeButton("pair", "Before | after", "Wipe between before and after"),
      modeButton("difference", "Difference", "Show where the pictures differ (d)"),
      button("Blink", "Blink between before and after (b)", toggleBlink, { id: "blink", "aria-pressed": "false" }),
      button("Mark an area", "Mark an area and list the features that are active in it", () => {
        const isOn = masks.tool.target === "mark";
        masks.mark.rows = null;
        masks.setTool(isOn ? { name: "look", target: null } : { name: "rectangle", target: "mark", erases: false });
      }, { id: "mark" }), gain),
    el("div", { class: "frame" }, canvas, draft, el("div", { class: "busy", "aria-hidden": "true" })),
    el("label", { class: "wipe-row" }, el("span", {}, "after"), wipe, el("span", {}, "before")),
    info, words, tools, layers,
    el("div", { class: "bar" }, download,
      button("Copy command", "Copy the command line that writes the same bytes", copyCommand, { id: "copy" }), cost),
    command);
  makeWords(words, about);
  listen();
  subscribe(show);
  onSeen(show);
  masks.onTool(show);
}

function modeButton(mode, text, label) { return button(text, label, () => update({ mode: state().mode === mode ? "pair" : mode }), { "data-mode": mode }); }

export function toggleBlink() {
  if (blinkTimer) { clearInterval(blinkTimer); blinkTimer = null; isBefore = false; } else blinkTimer = setInterval(() => { isBefore = !isBefore; draw(); }, 450);
  document.getElementById("blink").setAttribute("aria-pressed", String(Boolean(blinkTimer)));
  draw();
}

async function copyCommand(event) {
  const control = event.currentTarget;
  try { await navigator.clipboard.writeText(command.textContent); control.textContent = "Copied"; } catch {
    getSelection().selectAllChildren(command);
    control.textContent = "Selected: press Ctrl-C";
  }
  setTimeout(() => { control.textContent = "Copy command"; }, 1500);
}

const point = (event) => {
  const box = canvas.getBoundingClientRect();
  return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
};

function listen() {
  let drags = null;
  canvas.addEventListener("pointerdown", (event) => {
    const [x, y] = point(event);
    canvas.setPointerCapture(event.pointerId);
    const line = state().wipe;
    if (masks.tool.name !== "look") { drags = "mask"; masks.pointer("down", x, y); } else if (state().mode === "pair" && line > 0 && line < 1 && Math.abs(x - line) < 0.025) drags = "wipe";
    else drags = "look";
  });
  canvas.addEventListener("pointermove", (event) => {
    const [x, y] = point(event);
    if (drags === "mask") masks.pointer("move", x, y);
    else if (drags === "wipe") update({ wipe: Math.min(1, Math.max(0, x)) });
    hover = [x, y];
    draw();
  });
  canvas.addEventListener("pointerup", (event) => {
    const [x, y] = point(event);
    if (drags === "mask") masks.pointer("up", x, y);
    else if (drags === "look") lookAt(x, y);
    drags = null;
  });
  canvas.addEventListener("pointerleave", () => { hover = null; draw(); });
  canvas.addEventListener("keydown", (event) => {
    const codes = seen.codes.get(state().block);
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (step && codes) {
      event.preventDefault();
      if (event.shiftKey && masks.tool.name !== "look") { masks.nudge(...step); return; }
      const [x, y] = hover ?? [0.5, 0.5];
      hover = [Math.min(0.999, Math.max(0, x + step[0] / codes.width)), Math.min(0.999, Math.max(0, y + step[1] / codes.height))];
      draw();
    } else if (event.key === "Enter" && hover) lookAt(...hover);
  });
}

function lookAt(x, y) { update({ here: [Math.round(x * 1000) / 1000, Math.round(y * 1000) / 1000] }); }

/** Draws everything anew, once for all changes of a moment. */
let isAsked = false;
function draw() {
  if (isAsked) return;
  isAsked = true;
  requestAnimationFrame(() => { isAsked = false; drawNow(); });
}

function drawNow() {
  const { before, after } = seen;
  if (!before || !after) return;
  const view = state();
  const scale = Math.max(1, Math.ceil(768 / before.image.width));
  const [width, height] = [before.image.width * scale, before.image.height * scale];
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  gain.textContent = "";
  if (view.mode === "difference") {
    const found = difference(before.image, after.image);
    context.imageSmoothingEnabled = false;
    context.drawImage(found.canvas, 0, 0, width, height);
    context.imageSmoothingEnabled = true;
    gain.textContent = `|Δ| × ${found.gain}, mean ${short(found.mean)} of 765`;
  } else {
    context.drawImage(isBefore ? before.image : after.image, 0, 0, width, height);
    if (!isBefore && view.wipe > 0 && after !== before) {
      context.save();
      context.beginPath();
      context.rect(0, 0, width * view.wipe, height);
      context.clip();
      context.drawImage(before.image, 0, 0, width, height);
      context.restore();
      context.fillStyle = "#fff";
      context.fillRect(width * view.wipe - 2, 0, 4, height);
      context.fillStyle = "#000";
      context.fillRect(width * view.wipe - 0.5, 0, 1, height);
    }
  }
  overlays.draw(context, width, height);
  masks.draw(context, width, height);
  cells(context, width, height);
}

/** The cell under the pointer, and the one that was clicked. */
function cells(context, width, height) {
  const codes = seen.codes.get(state().block);
  if (!codes) return;
  const [wide, tall] = [width / codes.width, height / codes.height];
  for (const [place, line] of [[state().here, 3], [hover, 1.5]]) {
    if (!place) continue;
    const number = codes.place(...place);
    const [column, row] = [number % codes.width, Math.floor(number / codes.width)];
    for (const [colour, wider] of [["#000", 2], ["#fff", 0]]) {
      context.strokeStyle = colour;
      context.lineWidth = line + wider;
      context.strokeRect(column * wide, row * tall, wide, tall);
    }
  }
}

let compared = { before: null, after: null };
function difference(before, after) {
  if (compared.before === before && compared.after === after) return compared;
  const pixels = [before, after].map((image) => {
    const context = new OffscreenCanvas(image.width, image.height).getContext("2d", { willReadFrequently: true });
    context.drawImage(image, 0, 0);
    return context.getImageData(0, 0, image.width, image.height);
  });
  const [a, b] = pixels.map((image) => image.data);
  const changes = new Uint16Array(a.length / 4);
  let sum = 0;
  for (let pixel = 0; pixel < changes.length; pixel++) {
    for (let channel = 0; channel < 3; channel++) changes[pixel] += Math.abs(a[pixel * 4 + channel] - b[pixel * 4 + channel]);
    sum += changes[pixel];
  }
  const high = Uint16Array.from(changes).sort()[Math.floor(changes.length * 0.995)];
  let factor = 1;
  while (factor < 256 && high * factor * 2 <= 765) factor *= 2;
  const image = pixels[0];
  changes.forEach((change, pixel) => {
    const level = Math.min(1, (change * factor) / 765);
    image.data.set([255 - 95 * level, 245 * (1 - level), 240 * (1 - level), 255], pixel * 4);
  });
  const picture = new OffscreenCanvas(before.width, before.height);
  picture.getContext("2d").putImageData(image, 0, 0);
  return (compared = { before, after, canvas: picture, gain: factor, mean: sum / changes.length });
}

function show() {
  const view = state();
  draw();
  wipe.value = view.wipe;
  wipe.disabled = view.mode !== "pair" || seen.after === seen.before;
  for (const control of document.querySelectorAll("[data-mode]")) control.setAttribute("aria-pressed", String(control.dataset.mode === view.mode));
  document.getElementById("mark").setAttribute("aria-pressed", String(masks.tool.target === "mark"));
  info.textContent = masks.tool.name === "look"
    ? (seen.codes.size ? "Click a thing in the picture to list what is active there." : "")
    : masks.tool.target === "mark" ? "Draw over the area; its features are listed." : "Paint where the feature is added; Shift and an arrow key move the mask.";
  showTools();
  showLayers();
  showPicture();
}

let shownPicture = null;
let url = "";
function showPicture() {
  const { before, after } = seen;
  if (!after || shownPicture === after) return;
  shownPicture = after;
  URL.revokeObjectURL(url);
  url = URL.createObjectURL(after.blob);
  download.href = url;
  command.textContent = after.command;
  draft.hidden = !after.isDraft;
  const { edited, decode, encode } = after.seconds;
  const time = (edited + decode + encode) * 1000;
  cost.textContent = after === before
    ? `${Math.round(before.whole)} ms`
    : `${after.isDraft ? "Draft: " : ""}${Math.round(time)} ms, the whole picture ${Math.round(before.whole)} ms: ${percent(after.anew)} of the run computed anew`;
}

/** What the two bars were made of; they are made anew only when that changes, so that no click is lost. */
const made = { tools: "", layers: "" };

function showTools() {
  const { tool } = masks;
  tools.hidden = tool.name === "look";
  const key = JSON.stringify([tool, state().overlays.at(-1), seen.words]);
  if (tools.hidden || made.tools === key) return;
  made.tools = key;
  const choose = (name, text, label) => button(text, label, () => masks.setTool({ name }), { "aria-pressed": String(tool.name === name) });
  const top = state().overlays.at(-1);
  tools.replaceChildren(
    choose("brush", "Brush", "Paint with the brush"), choose("rectangle", "Rectangle", "Draw a rectangle"), choose("move", "Move", "Drag the mask, with its edit, elsewhere"),
    select("Brush size in places", [1, 2, 3, 4, 5, 6, 7, 8].map((size) => [String(size), `${size} × ${size}`]), String(tool.brush), (size) => masks.setTool({ brush: Number(size) })),
    button("Erase", "Erase instead of paint", () => masks.setTool({ erases: !tool.erases }), { "aria-pressed": String(tool.erases) }),
    ...(tool.target === "mark" ? [] : [
      select("Preset", [["", "Preset…"], ...Object.keys(masks.presets).map((name) => [name, name])], "", (name, menu) => { menu.value = ""; masks.preset(name); }),
      button("From overlay", "Take the map of the overlay that was added last", () => masks.fromLayer(top), { disabled: !top }),
      select("From a word", [["", "Word…"], ...seen.words.map(({ word }) => [word, word])], "", (word, menu) => { menu.value = ""; masks.fromWord(word); }),
      button("Invert", "Exchange inside and outside", masks.invert)]),
    button("Clear", "Begin anew", masks.clear), button("Done", "Stop painting", () => masks.setTool({ name: "look", target: null })));
}

/** The ends of a layer's scale; of a word's, shares of attention. */
function scale(layer) {
  const map = overlays.layerMap(layer);
  if (layer.word !== undefined) return map ? `${[map.low, map.high].map((share) => (share * 100).toFixed(share < 0.01 ? 2 : 1)).join("–")} %` : seen.words.some(({ word }) => word === layer.word) ? "…" : "not in this prompt";
  return map ? `${short(map.low)}–${short(map.high)}` : "";
}

function showLayers() {
  const view = state();
  layers.hidden = !view.overlays.length;
  const key = JSON.stringify([view.overlays, view.overlays.map(scale), view.scale, view.colours]);
  if (made.layers === key) return;
  made.layers = key;
  layers.replaceChildren(
    ...view.overlays.map((layer, index) => {
      const swatch = el("span", { class: "swatch" });
      swatch.style.background = overlays.colour(index);
      return el("span", { class: "layer" }, swatch, overlays.title(layer), el("span", { class: "hint" }, scale(layer)),
        button("×", `Remove the overlay of ${overlays.title(layer)}`, () => overlays.toggle(layer)));
    }),
    select("Scale of overlays", [["own", "scale: highest here"], ["fixed", "scale: highest ever"]], view.scale, (scale) => update({ scale })),
    select("Colours of overlays", [["vivid", "vivid colours"], ["safe", "colour-blind safe"]], view.colours, (colours) => update({ colours })),
    el("label", { class: "check" }, el("input", { type: "checkbox", checked: view.smooth, onchange: (event) => update({ smooth: event.target.checked }) }), "smooth"),
    el("label", { class: "field" }, el("span", {}, "opacity"), el("input", { type: "range", min: 0.1, max: 1, step: 0.05, value: view.opacity, "aria-label": "Opacity of overlays", oninput: (event) => update({ opacity: Number(event.target.value) }) })));
}
