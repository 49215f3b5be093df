// What is asked of the model: prompt, seed, size, steps, guidance.

import { el, button, field, select } from "./dom.js";
import { openPicture } from "./open-picture.js";
import { onSeen, seen } from "./lab.js";
import { state, subscribe, update } from "./state.js";
import { say } from "./status.js";

const seeds = { first: -(2n ** 63n), last: 2n ** 64n - 1n };

export function makePromptBar(root, info) {
  const prompt = el("input", { type: "text", id: "prompt", "aria-label": "Prompt", placeholder: "What the picture shows", autocomplete: "off", spellcheck: "false" });
  const negative = el("input", { type: "text", id: "negative", "aria-label": "Negative prompt: what the picture avoids", placeholder: "What it avoids" });
  const seed = el("input", { type: "text", inputmode: "numeric", id: "seed", size: 6, "aria-label": "Seed of the noise" });
  const number = (name, label, least, most, step) => el("input", { type: "number", id: name, "aria-label": label, min: least, max: most, step });
  const steps = number("steps", "Denoising steps", 1, 100, 1);
  const guidance = number("guidance", "Guidance; acts above 1", 0, 15, 0.5);
  const width = number("width", "Width in pixels", 8, 2048, 8);
  const height = number("height", "Height in pixels", 8, 2048, 8);
  const notes = el("p", { id: "notes", class: "note" });
  const file = el("input", { type: "file", accept: "image/png", id: "open-png", class: "visually-hidden", "aria-label": "Open a PNG that sdlens wrote", onchange: () => take(file.files[0], info) });
  const lock = el("button", { type: "button", id: "lock", onclick: () => update({ lock: !state().lock }) });

  function ask() {
    const patch = { prompt: prompt.value };
    // An unlocked seed is drawn anew for every prompt.
    if (!state().lock && prompt.value !== state().prompt) patch.seed = draw();
    if (prompt.value !== state().prompt) patch.here = null;
    update(patch);
  }
  const form = el("form", { onsubmit: (event) => { event.preventDefault(); clearTimeout(timer); ask(); } },
    el("a", { class: "logo", href: "https://arxiv.org/abs/2410.22366", rel: "noreferrer", target: "_blank", title: "The paper (the only link that leaves this machine)" }, "sdlens"),
    prompt,
    select("Examples", [["", "Examples…"], ...info.examples.map((text) => [text, text])], "", (text) => { if (text) { prompt.value = text; ask(); } }),
    el("span", { class: "seed" }, button("−", "Seed before ([)", () => by(-1n)), seed, button("+", "Next seed (])", () => by(1n)), button("⚄", "Draw a seed (r)", () => update({ seed: draw() }), { id: "dice" }), lock),
    el("details", {}, el("summary", {}, "Settings"),
      el("div", { class: "settings" }, info.models.length > 1 ? field("model", modelMenu(info.models)) : null, field("steps", steps), field("guidance", guidance), field("width", width), field("height", height), field("negative", negative, { id: "negative-field" }),
        el("p", { class: "hint" }, `${info.model.name}; reads ${info.model.tokens} tokens. `, ...info.blocks.filter((block) => block.dictionary).map(({ block, dictionary, features }) => el("span", {}, `${block}: ${dictionary.name} (${features} features). `))))),
    el("label", { class: "button", for: "open-png" }, "Open PNG"), file);
  root.append(form, notes);

  let timer = null;
  prompt.addEventListener("input", () => {
    clearTimeout(timer);
    // While typing, if the model is quick enough for it.
    if (seen.before && seen.before.whole < 1500) timer = setTimeout(ask, 350);
  });
  prompt.addEventListener("change", () => { clearTimeout(timer); ask(); });
  negative.addEventListener("change", () => update({ negative: negative.value }));
  seed.addEventListener("change", () => { if (isSeed(seed.value)) update({ seed: BigInt(seed.value).toString() }); else seed.value = state().seed; });
  for (const [name, control] of Object.entries({ steps, guidance, width, height }))
    control.addEventListener("change", () => {
      const value = Number(control.value);
      if (control.value === "" || !control.checkValidity()) { control.value = state()[name]; say(control.validationMessage || `${name} is no number`); return; }
      update({ [name]: value });
    });
  document.addEventListener("dragover", (event) => { if (event.dataTransfer.types.includes("Files")) event.preventDefault(); });
  document.addEventListener("drop", (event) => {
    if (!event.dataTransfer.files.length) return;
    event.preventDefault();
    take(event.dataTransfer.files[0], info);
  });

  function show() {
    const view = state();
    const values = { prompt, negative, seed, steps, guidance, width, height };
    for (const [name, control] of Object.entries(values)) if (control !== document.activeElement || control !== prompt) control.value = view[name];
    document.getElementById("negative-field").hidden = !(view.guidance > 1);
    lock.textContent = "keep";
    lock.setAttribute("aria-pressed", String(view.lock));
    lock.setAttribute("aria-label", view.lock ? "Seed stays with new prompts" : "A new prompt draws a new seed");
    lock.title = lock.getAttribute("aria-label");
    notes.textContent = seen.error || seen.notes.join(" ");
    notes.classList.toggle("error", Boolean(seen.error));
    notes.hidden = !notes.textContent;
  }
  subscribe((patch) => { if (patch.prompt !== undefined && patch.prompt !== prompt.value) prompt.value = patch.prompt; show(); });
  onSeen(show);
  prompt.value = state().prompt;
  show();
}

/** Another model has its own page; prompt and seed go along. */
function modelMenu(models) {
  const here = models.findIndex(({ path }) => path === undefined);
  return select("Model", models.map(({ name }, index) => [String(index), name]), String(here), (index) => {
    const { prompt, seed } = state();
    const page = new URL(models[index].path ?? "", new URL(".", location.href));
    page.hash = encodeURIComponent(JSON.stringify({ prompt, seed }));
    location.assign(page);
  });
}

async function take(file, info) { if (file) say(await openPicture(file, info) || `Restored what '${file.name}' was made of.`); }

const isSeed = (text) => /^-?\d{1,20}$/.test(text) && BigInt(text) >= seeds.first && BigInt(text) <= seeds.last;
function draw() { return String(crypto.getRandomValues(new Uint32Array(1))[0]); }
export function by(step) {
  const next = BigInt(state().seed) + step;
  if (next >= seeds.first && next <= seeds.last) update({ seed: next.toString() });
}
export const drawSeed = () => update({ seed: draw() });
