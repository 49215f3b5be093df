// Many pictures beside each other: nine seeds, each edit alone, strengths, two prompts.

import { call, Failed } from "./api.js";
import { el, dialog, select } from "./dom.js";
import { acting, kinds, toEdit } from "./edits.js";
import { card } from "./feature-page.js";
import { picture, run } from "./lab.js";
import { state, update } from "./state.js";

const ways = [["seeds", "nine seeds, without and with the edits"], ["edits", "each edit alone"], ["strengths", "strengths of the last edit"], ["prompts", "from this prompt to another"]];

export function openCompare() {
  const grid = el("div", { class: "compare", id: "compare-grid" });
  const second = el("input", { type: "text", placeholder: "another prompt", "aria-label": "The other prompt", onchange: () => start("prompts") });
  const note = el("p", { class: "hint" });
  let controller = null;
  const box = dialog("Compare", el("div", { class: "bar" }, select("What is compared", ways, "seeds", (way) => start(way)), second), note, grid);
  box.id = "compare";
  box.addEventListener("close", () => controller?.abort());

  async function start(way) {
    controller?.abort();
    controller = new AbortController();
    second.hidden = way !== "prompts";
    grid.replaceChildren();
    note.textContent = "";
    delete box.dataset.state;
    const { signal } = controller;
    try {
      for (const { title, cells } of rowsOf(way, second.value)) {
        const row = el("div", { class: "cards" });
        grid.append(el("h3", {}, title), row);
        for (const cell of cells) {
          if (signal.aborted) return;
          const made = await picture(await call(cell.edits.length ? "intervene" : "generate", cell.edits.length ? { ...cell.run, edits: cell.edits } : cell.run, { lane: "compare", signal }));
          if (signal.aborted) return;
          const canvas = el("canvas", { width: 192, height: 192, role: "img", "aria-label": `${title}, ${cell.title}` });
          canvas.getContext("2d").drawImage(made.image, 0, 0, 192, 192);
          row.append(card(canvas, cell.title, "", () => { update(cell.patch); box.close(); }));
        }
      }
      box.dataset.state = "whole";
    } catch (error) {
      if (error instanceof Failed) note.textContent = error.message;
      else if (error.name !== "AbortError") throw error;
    }
  }
  start("seeds");
}

/** The pictures of a way to compare, row by row. */
function rowsOf(way, second) {
  const view = state();
  const rows = acting(view.edits);
  const edits = rows.map(toEdit);
  const cell = (title, patch, own = edits) => ({ title, patch, edits: own, run: run({ ...view, ...patch }) });
  if (way === "seeds") {
    const seeds = Array.from({ length: 9 }, (_, index) => (BigInt(view.seed) + BigInt(index)).toString());
    const make = (own, patch) => seeds.map((seed) => cell(`seed ${seed}`, { seed, ...patch }, own));
    return [{ title: "Without edits", cells: make([], {}) }, ...(edits.length ? [{ title: "With the edits", cells: make(edits, {}) }] : [])];
  }
  if (way === "edits") {
    const alone = rows.map((row) => cell(`${kinds[row.kind].text} ${row.block}${row.feature === undefined ? "" : ` #${row.feature}`}`, { edits: view.edits.map((other) => ({ ...other, solo: other.id === row.id })) }, [toEdit(row)]));
    return [{ title: "Each edit alone", cells: [cell("none", { edits: [] }, []), ...alone, ...(edits.length > 1 ? [cell("all", {})] : [])] }];
  }
  if (way === "strengths") {
    const last = rows.findLast((row) => kinds[row.kind].strength);
    if (!last) return [];
    const { from, to, symbol } = kinds[last.kind];
    return [{ title: `${kinds[last.kind].text} ${last.block} #${last.feature}`, cells: Array.from({ length: 9 }, (_, index) => {
      const value = from + ((to - from) * index) / 8;
      const changed = view.edits.map((row) => (row.id === last.id ? { ...row, value } : row));
      return cell(`${symbol} = ${value}`, { edits: changed }, acting(changed).map(toEdit));
    }) }];
  }
  return ["Without edits", ...(edits.length ? ["With the edits"] : [])].map((title, index) => ({
    title, cells: [view.prompt, second].filter((prompt) => prompt !== "").map((prompt) => cell(prompt, { prompt }, index ? edits : [])),
  }));
}
