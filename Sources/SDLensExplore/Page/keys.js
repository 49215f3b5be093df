// Keys for everything; ? lists them.

import { openCompare } from "./compare.js";
import { el, dialog } from "./dom.js";
import { editFeature } from "./edits.js";
import { by, drawSeed } from "./prompt-bar.js";
import { toggleBlink } from "./stage.js";
import { redo, state, undo, update } from "./state.js";
import { startTour } from "./tour.js";

const keys = {
  "p": ["the prompt", () => document.getElementById("prompt").select()],
  "/": ["search features", () => document.getElementById("search")?.focus()],
  "l": ["the list of features: arrows, Enter overlay, e edit, o page", () => document.querySelector("#features .list")?.focus()],
  "i": ["the picture: arrows, Enter lists what is active there", () => document.getElementById("picture").focus()],
  "m": ["the words of the prompt, whose maps can be shown", () => document.querySelector("#words .chip")?.focus()],
  "e": ["edit the overlay that was added last", () => { const top = state().overlays.at(-1); if (top?.feature !== undefined) editFeature(top.block, top.feature); }],
  "x": ["remove all overlays", () => update({ overlays: [] })],
  "b": ["blink between before and after", toggleBlink],
  "d": ["difference", () => update({ mode: state().mode === "difference" ? "pair" : "difference" })],
  "w": ["wipe: after, half, before", () => update({ mode: "pair", wipe: state().wipe === 0 ? 0.5 : state().wipe < 1 ? 1 : 0 })],
  "[": ["seed before", () => by(-1n)],
  "]": ["next seed", () => by(1n)],
  "r": ["draw a seed", drawSeed],
  "c": ["compare", openCompare],
  "u": ["undo (also Ctrl-Z)", undo],
  "U": ["redo (also Ctrl-Shift-Z)", redo],
  "t": ["the tour", startTour],
  "?": ["these keys", showKeys],
};

export function listenForKeys(info) {
  info.blocks.filter((block) => block.dictionary).slice(0, 9).forEach(({ block }, index) => { keys[String(index + 1)] = [`features of ${block}`, () => update({ block, here: null })]; });
  document.addEventListener("keydown", (event) => {
    const isTyping = event.target.matches?.("input:not([type=range]):not([type=checkbox]), select, textarea");
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z" && !isTyping) {
      event.preventDefault();
      if (event.shiftKey) redo(); else undo();
      return;
    }
    if (event.key === "Escape" && isTyping) event.target.blur();
    if (isTyping || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    const found = keys[event.key];
    if (!found) return;
    event.preventDefault();
    found[1]();
  });
}

export function showKeys() {
  dialog("Keys", el("dl", { class: "keys" }, Object.entries(keys).flatMap(([key, [text]]) => [el("dt", {}, el("kbd", {}, key)), el("dd", {}, text)])));
}
