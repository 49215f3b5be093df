// Calls of the server. An answer comes as server-sent events: progress, then done, error or superseded.

const base = new URL("api/", new URL(".", location.href));
/** Names this tab to the server, which lets tabs take turns. */
export const tab = crypto.randomUUID();

export class Failed extends Error {}
export class Gone extends Error {}

const listeners = new Set();
let connection = "on";
/** Hears of "on", "off" (nobody answers) and "anew" (another server answers). */
export function onConnection(listener) { listeners.add(listener); }
function set(state) {
  if (state === connection) return;
  // Asks until somebody answers.
  if (connection === "on") setTimeout(probe, 1500);
  connection = state;
  for (const listener of listeners) listener(state);
}
async function probe() {
  try {
    const response = await fetch(new URL("info", base));
    set(response.ok ? "on" : "anew");
  } catch { /* still nobody */ }
  if (connection !== "on") setTimeout(probe, 1500);
}

async function ask(name, options) {
  try {
    const response = await fetch(new URL(name, base), options);
    if (response.status === 403 && connection !== "on") throw new Gone();
    set("on");
    return response;
  } catch (error) {
    if (error.name === "AbortError") throw error;
    set("off");
    throw new Gone();
  }
}

/** Reads what there is. */
export async function get(name) {
  const response = await ask(name);
  const answer = await response.json();
  if (!response.ok) throw new Failed(answer.error);
  return answer;
}

/** Calls; `lane` says which earlier requests of this tab it takes the place of. */
export async function call(name, body, { lane = "view", signal, onProgress } = {}) {
  const response = await ask(name, {
    method: "POST", signal,
    headers: { "Content-Type": "application/json", Accept: "text/event-stream" },
    body: JSON.stringify(["features", "generate", "intervene", "words", "mask", "match"].includes(name) ? { ...body, tab, lane } : body),
  });
  if (!response.ok) throw new Failed((await response.json()).error);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    let part;
    try { part = await reader.read(); } catch (error) {
      if (error.name === "AbortError") throw error;
      set("off");
      throw new Gone();
    }
    if (part.done) { set("off"); throw new Gone(); }
    text += part.value;
    for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
      const [event, data] = text.slice(0, end).split("\n");
      text = text.slice(end + 2);
      const answer = JSON.parse(data.slice("data: ".length));
      switch (event.slice("event: ".length)) {
        case "progress": onProgress?.(answer); break;
        case "done": return answer;
        case "superseded": throw new DOMException(answer.error, "AbortError");
        default: throw new Failed(answer.error);
      }
    }
  }
}

/** The bytes of base64 text. */
export function bytes(base64) { return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0)); }
