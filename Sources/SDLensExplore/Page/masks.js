// Masks: a share from 0 to 1 for every place of a block's map, painted, taken from a map, and moved.

import { call, Failed } from "./api.js";
import { change } from "./edits.js";
import { seen } from "./lab.js";
import { layerMap } from "./overlays.js";
import { state } from "./state.js";
import { say } from "./status.js";

/** What the pointer does on the picture, and for which edit; "mark" stands for an area to search by. */
export const tool = { name: "look", target: null, brush: 2, erases: false };
export const mark = { rows: null };
const listeners = new Set();
export function onTool(listener) { listeners.add(listener); }
export function setTool(patch) {
  Object.assign(tool, patch);
  for (const listener of listeners) listener();
}

export const presets = { everywhere: null, left: "left", right: "right", top: "top", bottom: "bottom", centre: "centre" };
const corners = { left: [0, 0, 0.5, 1], right: [0.5, 0, 1, 1], top: [0, 0, 1, 0.5], bottom: [0, 0.5, 1, 1], centre: [0.25, 0.25, 0.75, 0.75] };

/** The size of a block's map in the picture that is seen. */
export function mapSize(block) {
  const codes = seen.codes.get(block) ?? seen.codes.values().next().value;
  return codes ? { height: codes.height, width: codes.width } : { height: 16, width: 16 };
}

/** A mask as rows of numbers. */
export function rows(mask, { height, width }) {
  if (Array.isArray(mask)) return mask;
  const [x0, y0, x1, y1] = corners[mask] ?? (typeof mask === "string" ? mask.split(",").map(Number) : [0, 0, 1, 1]);
  const share = (low, high, count, place) => Math.max(0, Math.min(high * count, place + 1) - Math.max(low * count, place));
  return Array.from({ length: height }, (_, y) =>
    Array.from({ length: width }, (_, x) => share(y0, y1, height, y) * share(x0, x1, width, x)));
}

const empty = ({ height, width }) => Array.from({ length: height }, () => new Array(width).fill(0));

/** The mask that is being painted, as rows; nil without one. */
export function painted() {
  if (tool.target === "mark") return mark.rows;
  const edit = target();
  return edit ? rows(edit.mask, mapSize(edit.block)) : null;
}

export const target = () => state().edits.find((edit) => edit.id === tool.target && edit.kind === "add") ?? null;
const sizeOfTarget = () => mapSize(tool.target === "mark" ? state().block : target()?.block);

function set(next, options) {
  if (tool.target === "mark") { mark.rows = next; setTool({}); } else change(tool.target, { mask: next }, options);
}

let stroke = null;
/** The pointer goes down, moves or comes up at a point of the picture, both from 0 to 1. */
export function pointer(phase, x, y) {
  const size = sizeOfTarget();
  if (phase === "down") {
    const edit = target();
    // The first stroke on a mask that is everywhere begins with nothing.
    const start = tool.target === "mark" ? mark.rows : edit?.mask;
    stroke = { x, y, start: start ? rows(start, size) : empty(size) };
    stroke.now = structuredClone(stroke.start);
  }
  if (!stroke) return;
  const cell = (value, count) => Math.min(count - 1, Math.max(0, Math.floor(value * count)));
  if (tool.name === "brush") {
    const half = tool.brush / 2;
    const [left, top] = [Math.round(x * size.width - half), Math.round(y * size.height - half)];
    for (let row = top; row < top + tool.brush; row++)
      for (let column = left; column < left + tool.brush; column++)
        if (stroke.now[row]?.[column] !== undefined) stroke.now[row][column] = tool.erases ? 0 : 1;
  } else if (tool.name === "rectangle") {
    stroke.now = structuredClone(stroke.start);
    const [x0, x1] = [cell(stroke.x, size.width), cell(x, size.width)].sort((a, b) => a - b);
    const [y0, y1] = [cell(stroke.y, size.height), cell(y, size.height)].sort((a, b) => a - b);
    for (let row = y0; row <= y1; row++) for (let column = x0; column <= x1; column++) stroke.now[row][column] = tool.erases ? 0 : 1;
  } else if (tool.name === "move") {
    stroke.now = moved(stroke.start, cell(x, size.width) - cell(stroke.x, size.width), cell(y, size.height) - cell(stroke.y, size.height));
  }
  set(stroke.now, { live: phase !== "up" });
  if (phase === "up") stroke = null;
}

/** Moved by so many places; what leaves the map is lost. */
export function moved(mask, right, down) {
  return mask.map((line, row) => line.map((_, column) => mask[row - down]?.[column - right] ?? 0));
}
export function nudge(right, down) {
  const now = painted();
  if (now) set(moved(now, right, down));
}
export function preset(name) { set(presets[name]); }
export function clear() { set(empty(sizeOfTarget())); }
export function invert() { const now = painted(); if (now) set(now.map((line) => line.map((value) => 1 - value))); }

/** The map of an overlay, from the lower end of its scale to its highest value here. */
export function fromLayer(layer) {
  const found = layerMap(layer);
  if (!found) return;
  const { map, height, width, low } = found;
  const [size, high] = [sizeOfTarget(), Math.max(...map)];
  if (!(high > low)) return;
  const middle = (place, count, all) => Math.floor(((place + 0.5) / count) * all);
  set(Array.from({ length: size.height }, (_, y) => Array.from({ length: size.width }, (_, x) =>
    Math.round(((map[middle(y, size.height, height) * width + middle(x, size.width, width)] - low) / (high - low)) * 1000) / 1000)));
}

/** Where a word acts, over all blocks, as `--mask word:TEXT` takes it. */
export async function fromWord(word) {
  const edit = target();
  if (!edit) return;
  try { change(edit.id, { mask: (await call("mask", { ...seen.run, block: edit.block, word }, { lane: "mask" })).mask }); } catch (error) {
    if (error instanceof Failed) say(error.message); else if (error.name !== "AbortError") throw error;
  }
}

/** Draws the mask over a picture of that size. */
export function draw(context, width, height) {
  const mask = painted();
  if (!mask || tool.name === "look") return;
  const [tall, wide] = [height / mask.length, width / mask[0].length];
  mask.forEach((line, row) => line.forEach((value, column) => {
    if (value <= 0) return;
    context.fillStyle = `rgb(255 255 255 / ${value * 0.4})`;
    context.fillRect(column * wide, row * tall, wide, tall);
    context.strokeStyle = "rgb(0 0 0 / 0.55)";
    context.strokeRect(column * wide + 0.5, row * tall + 0.5, wide - 1, tall - 1);
  }));
}
