// What goes on, in a line; and the banner of a server that does not answer.

import { onConnection } from "./api.js";
import { again, onSeen, seen } from "./lab.js";

let message = "";
let timer = null;

/** Says something for a while. */
export function say(text) {
  message = text;
  clearTimeout(timer);
  timer = setTimeout(() => { message = ""; show(); }, 6000);
  show();
}

function show() {
  const line = document.getElementById("status");
  const { progress } = seen;
  line.textContent = message || (progress ? `${progress.stage}: ${Math.round(progress.share * 100)} %` : "");
  line.style.setProperty("--share", progress ? `${Math.round(progress.share * 100)}%` : "0%");
}

export function makeStatus() {
  onSeen(show);
  onConnection((state) => {
    const banner = document.getElementById("banner");
    banner.hidden = state === "on";
    banner.textContent = state === "off" ? "sdlens explore does not answer. Start it again; this view is kept, and goes on by itself if the address stays the same."
      : state === "anew" ? "sdlens explore was started anew. Open the address that it has printed; on the same port it offers this view again." : "";
    document.body.dataset.connection = state;
    if (state === "on") again();
  });
}
