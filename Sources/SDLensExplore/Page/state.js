// The view: what is asked for (which can be undone), and how it is looked at. All of it stands in the address.

/** What decides the pictures. */
const asked = { prompt: "", negative: "", seed: "42", steps: 1, guidance: 0, width: 0, height: 0, edits: [], dictionaries: {} };
/** How they are looked at. */
const looked = {
  block: "", sort: "mean", contrast: "", all: false, alwaysOn: false, overlays: [], scale: "own", opacity: 0.6, smooth: true,
  colours: "vivid", mode: "pair", wipe: 0, here: null, lock: true, wordBlock: "all",
};

let view = { ...asked, ...looked };
let usual = { ...view };
const listeners = new Set();
const [past, future] = [[], []];
let settled = null;
let live = false;

export const state = () => view;
/** Whether something is being dragged. */
export const isLive = () => live;
export function subscribe(listener) { listeners.add(listener); }

const document_ = (from) => Object.fromEntries(Object.keys(asked).map((key) => [key, from[key]]));
const copy = (value) => structuredClone(value);

/** Sets what a view is unless it says otherwise. */
export function setUsual(values) {
  usual = { ...usual, ...values };
  view = { ...usual };
  settled = copy(document_(view));
}

/** Changes the view. With `live`, as while a slider moves, the change is not yet a step that can be undone. */
export function update(patch, options = {}) {
  view = { ...view, ...patch };
  live = Boolean(options.live);
  if (!live) record();
  announce(patch);
}

/** Ends what is being dragged. */
export function settle() {
  record();
  if (!live) return;
  live = false;
  announce({});
}

/** Makes what has changed a step that can be undone. */
function record() {
  const now = document_(view);
  if (settled && JSON.stringify(settled) === JSON.stringify(now)) return;
  if (settled) past.push(settled);
  if (past.length > 200) past.shift();
  future.length = 0;
  settled = copy(now);
}

export const canUndo = () => past.length > 0;
export const canRedo = () => future.length > 0;
export function undo() { step(past, future); }
export function redo() { step(future, past); }
function step(from, to) {
  live = false;
  record();
  if (!from.length) return;
  to.push(settled);
  settled = from.pop();
  const patch = copy(settled);
  view = { ...view, ...patch };
  announce(patch);
}

let timer = null;
function announce(patch) {
  for (const listener of listeners) listener(patch);
  clearTimeout(timer);
  timer = setTimeout(write, 150);
}

/** Writes the view into the address, and where a server that is started anew finds it. */
function write() {
  const hash = encode();
  if (hash !== location.hash) history.replaceState(null, "", hash || location.pathname);
  try { localStorage.setItem("sdlens-view", hash); } catch { /* a private window */ }
}

function encode() {
  const own = Object.fromEntries(Object.entries(view).filter(([key, value]) => JSON.stringify(value) !== JSON.stringify(usual[key])));
  return Object.keys(own).length ? "#" + encodeURIComponent(JSON.stringify(own)) : "";
}

/** Reads the view of an address; what is not of a view is left out. */
export function decode(hash) {
  try {
    const found = JSON.parse(decodeURIComponent(hash.replace(/^#/, "")));
    const patch = {};
    for (const key of Object.keys(usual))
      if (key in found && (key === "here" || (typeof found[key] === typeof usual[key] && Array.isArray(found[key]) === Array.isArray(usual[key])))) patch[key] = found[key];
    if (patch.edits) patch.edits = patch.edits.filter((edit) => edit && typeof edit === "object" && typeof edit.kind === "string" && typeof edit.block === "string");
    if (patch.overlays) patch.overlays = patch.overlays.filter((layer) => layer && typeof layer.block === "string" && (Number.isInteger(layer.feature) || typeof layer.word === "string"));
    if (patch.dictionaries) patch.dictionaries = Object.fromEntries(Object.entries(patch.dictionaries).filter(([, name]) => typeof name === "string"));
    return patch;
  } catch { return null; }
}

/** Takes the view of an address over. */
export function restore(hash) {
  const patch = decode(hash);
  if (!patch) return false;
  update({ ...usual, ...patch });
  return true;
}

export const lastView = () => { try { return localStorage.getItem("sdlens-view") || ""; } catch { return ""; } };
