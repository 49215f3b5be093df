// Five steps for whoever is here for the first time; nothing is blocked meanwhile.

import { el, button } from "./dom.js";

const steps = [
  ["#prompt", "Say what the picture shows. What a prompt activates inside the model is listed beside the picture."],
  ["#picture", "Click a thing in the picture: the features that are active there are listed, block by block."],
  ["#features .list", "A click on a feature lays its map over the picture. Its ✎, or a double click, makes it an edit."],
  ["#edits", "Drag the strength: the picture follows, and only what comes after the edit is computed anew. Ctrl-Z undoes."],
  ["#download", "Each picture carries how it was made: drop the PNG here and it is all back. The line below writes the same bytes in a terminal."],
];

export function offerTour() {
  try { if (localStorage.getItem("sdlens-tour")) return; } catch { return; }
  startTour();
}

export function startTour() {
  document.getElementById("tour")?.remove();
  let step = 0;
  const text = el("p", {});
  const next = button("Next", "Next step", () => { step += 1; show(); }, { class: "primary" });
  const box = el("div", { id: "tour", role: "dialog", "aria-label": "Tour" }, text, el("div", { class: "bar" }, next, button("Skip", "End the tour", end, { id: "skip-tour" })));
  document.body.append(box);
  function end() {
    for (const marked of document.querySelectorAll(".toured")) marked.classList.remove("toured");
    box.remove();
    try { localStorage.setItem("sdlens-tour", "seen"); } catch { /* a private window */ }
  }
  function show() {
    for (const marked of document.querySelectorAll(".toured")) marked.classList.remove("toured");
    if (step >= steps.length) return end();
    const [where, what] = steps[step];
    const target = document.querySelector(where);
    target?.classList.add("toured");
    target?.scrollIntoView({ block: "nearest" });
    text.textContent = `${step + 1} of ${steps.length}: ${what}`;
    next.textContent = step === steps.length - 1 ? "Done" : "Next";
  }
  show();
}
