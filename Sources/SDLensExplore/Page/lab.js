// Asks the server for what the view needs, and keeps what came. The newest view wins.

import { call, Failed, Gone, bytes } from "./api.js";
import { Codes } from "./codes.js";
import { acting, toEdit } from "./edits.js";
import { isLive, state } from "./state.js";

/** What there is to be seen: codes by block, the words and the run that they are of, and the pictures { image, url, png, command, seconds }. */
export const seen = { codes: new Map(), words: [], run: null, drafts: false, before: null, after: null, notes: [], error: "", progress: null };
export const dictionaries = new Map();
const listeners = new Set();
export function onSeen(listener) { listeners.add(listener); }
export function announce() { for (const listener of listeners) listener(); }

/** What is known of the features of a block's chosen dictionary; asked for once. */
export async function dictionary(block) {
  const chosen = state().dictionaries[block] ?? "";
  if (dictionaries.get(block)?.chosen === chosen) return;
  const found = await call("dictionary", { block, dictionaries: state().dictionaries });
  if ((state().dictionaries[block] ?? "") !== chosen) return;
  dictionaries.set(block, { ...found, chosen });
  announce();
}

export function caption(block, feature) { return dictionaries.get(block)?.captions[feature] ?? ""; }

/** The part of the view that decides the run without edits. */
export function run(view) {
  const { prompt, negative, seed, steps, guidance, width, height, dictionaries } = view;
  return { prompt, negative_prompt: negative, seed, steps, guidance, width, height, dictionaries };
}

/** A picture of an answer. */
export async function picture(answer) {
  const png = bytes(answer.png);
  const blob = new Blob([png], { type: "image/png" });
  const image = await createImageBitmap(blob);
  return { image, png, blob, isDraft: answer.is_draft, anew: answer.anew, command: answer.command, seconds: answer.seconds, prompt: answer.prompt, seed: answer.seed };
}

let wanted = null;
let running = null;
let known = { run: "", edits: "", draft: false };
/** How long the last edited picture took, in milliseconds. */
let lastTime = 0;

/** Asks for what the view needs, if that has changed. */
export function look() {
  const view = state();
  const wantedRun = JSON.stringify(run(view));
  const wantedEdits = JSON.stringify(acting(view.edits).map(toEdit));
  // While something is dragged, a draft will do.
  const draft = seen.drafts && isLive();
  const latest = wanted ?? running?.wanted ?? known;
  if (latest.run === wantedRun && latest.edits === wantedEdits && (draft || !latest.draft)) return;
  wanted = { run: wantedRun, edits: wantedEdits, draft };
  if (!running) pump();
  // A quick picture comes before the next one is asked for, so that dragging shows pictures; a slow one is given up.
  else if (running.wanted.run !== wantedRun || performance.now() - running.since > 400 || lastTime > 400) running.abort.abort();
}

/** Asks again, after an error or a lost server. */
export function again() { known = { run: "", edits: "", draft: false }; look(); }

async function pump() {
  document.body.dataset.state = "busy";
  while (wanted) {
    running = { wanted, abort: new AbortController(), since: performance.now() };
    wanted = null;
    try {
      await fulfil(running.wanted, running.abort.signal);
      seen.error = "";
    } catch (error) {
      if (error instanceof Failed) { seen.error = error.message; known = running.wanted; } else if (error instanceof Gone) seen.error = "";
      else if (error.name !== "AbortError") throw error;
    } finally { seen.progress = null; }
    announce();
  }
  running = null;
  document.body.dataset.state = "idle";
}

async function fulfil(need, signal) {
  const onProgress = (progress) => { seen.progress = progress; announce(); };
  const request = JSON.parse(need.run);
  if (known.run !== need.run) {
    const found = await call("features", request, { signal, onProgress });
    const before = await picture(await call("generate", request, { signal, onProgress }));
    seen.codes = new Map(found.codes.map((codes) => [codes.block, new Codes(codes)]));
    Object.assign(seen, { before, after: before, notes: found.notes, words: found.words, run: request });
    before.whole = found.seconds * 1000 + (before.seconds.decode + before.seconds.encode) * 1000;
    known = { run: need.run, edits: "[]", draft: false };
    announce();
  }
  if (known.edits === need.edits && (need.draft || !known.draft)) return;
  const edits = JSON.parse(need.edits);
  if (edits.length) {
    const start = performance.now();
    seen.after = await picture(await call("intervene", { ...request, edits, draft: need.draft }, { signal, onProgress }));
    lastTime = performance.now() - start;
  } else seen.after = seen.before;
  known = need;
}
