// What is said of a feature: by people, whose word counts, and by others, with their scores.

import { call, Failed } from "./api.js";
import { el, button, short } from "./dom.js";
import { dictionaries } from "./lab.js";
import { state, update } from "./state.js";
import { say } from "./status.js";

/** The list of captions of a feature; what counts is first. */
export function captionList(block, feature, captions) {
  const made = dictionaries.get(block);
  const list = el("ul", { class: "captions", "aria-label": "Captions, the first counts" });
  draw(captions);
  return list;

  function draw(captions) {
    const own = captions.some(({ source }) => !source);
    list.replaceChildren(...captions.map(row),
      ...(made?.can_caption && !own ? [row({ caption: "", feature })] : []));
    list.hidden = !list.children.length;
  }

  function row({ caption, source, model, date, category, confidence, scores }) {
    const about = [source ?? "by hand", model, date, category, confidence && `confidence ${confidence}`].filter(Boolean).join(" · ");
    const text = el("span", { class: "said" }, caption || "nothing yet");
    const item = el("li", {}, text, el("span", { class: "hint" }, about),
      ...Object.entries(scores ?? {}).sort().map(([name, value]) => el("span", { class: "score" }, `${name} ${short(value)}`)));
    if (made?.can_caption) item.append(button("✎", source ? `Write a caption by hand, beginning with that of ${source}` : "Write the caption by hand", () => {
      item.replaceChildren(form(caption));
      item.querySelector("input").focus();
    }, { class: "write" }));
    return item;
  }

  function form(text) {
    const input = el("input", { type: "text", value: text, placeholder: "What it means, in words", "aria-label": "Caption of the feature", maxlength: 500 });
    return el("form", { class: "bar", onsubmit: async (event) => {
      event.preventDefault();
      try {
        const answer = await call("caption", { block, feature, caption: input.value, dictionaries: state().dictionaries });
        if (answer.caption) made.captions[feature] = answer.caption; else delete made.captions[feature];
        say("The caption is written beside the dictionary.");
        draw(answer.captions);
        update({});
      } catch (error) { if (!(error instanceof Failed)) throw error; say(error.message); }
    } }, input, el("button", { type: "submit" }, "Write caption"));
  }
}
