// Puts the page together.

import { get } from "./api.js";
import { openCompare } from "./compare.js";
import { el, button } from "./dom.js";
import { makeFeatures } from "./features.js";
import { listenForKeys, showKeys } from "./keys.js";
import { look, seen } from "./lab.js";
import { makePromptBar } from "./prompt-bar.js";
import { makeStack } from "./stack.js";
import { makeStage } from "./stage.js";
import { lastView, restore, setUsual, subscribe } from "./state.js";
import { makeStatus, say } from "./status.js";
import { makeStrip } from "./strip.js";
import { offerTour, startTour } from "./tour.js";

const info = await get("info");
const size = info.model.picture_size;
const blocks = info.blocks.filter((block) => block.dictionary).map(({ block }) => block);
setUsual({ prompt: info.examples[0] ?? "", width: size, height: size, block: blocks.at(-1) ?? "" });
const kept = lastView();
const isRestored = location.hash !== "" && restore(location.hash);

makeStatus();
seen.drafts = Boolean(info.draft_decoder);
makePromptBar(document.getElementById("prompt-bar"), info);
document.querySelector("#prompt-bar form").append(
  button("Compare", "Compare seeds, edits, strengths and prompts (c)", openCompare, { id: "open-compare" }), button("?", "Keys (?)", showKeys), button("Tour", "Five steps through the page (t)", startTour));
makeStage(document.getElementById("stage"), info);
makeFeatures(document.getElementById("features"), info);
makeStack(document.getElementById("edits"), info);
makeStrip(document.getElementById("stage"));
listenForKeys(info);
subscribe(look);
addEventListener("hashchange", () => restore(location.hash));
if (info.is_read_only) say("Read-only: nothing on the disk is changed.");
if (!isRestored && kept && location.hash === "") {
  const offer = el("p", { id: "offer", class: "note" }, "Here is where you were last: ", button("Go on there", "Restore the view that was open last", () => { restore(kept); offer.remove(); }), button("×", "No", () => offer.remove()));
  document.getElementById("prompt-bar").append(offer);
}
look();
offerTour();
