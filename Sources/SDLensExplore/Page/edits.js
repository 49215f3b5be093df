// Edits: rows of the stack, and the list of edits that they are to the program.

import { state, update } from "./state.js";

/** What can be done: its word in a list of edits, the name of its strength, and the slider's ends. */
export const kinds = {
  modulate: { text: "modulate", strength: "beta", symbol: "β", from: -10, to: 10, step: 0.5, usual: -6, hint: "Multiplies the feature where it is active; −1 turns it off." },
  add: { text: "add", strength: "strength", symbol: "v", from: -20, to: 20, step: 0.5, usual: 8, hint: "Adds the feature in an area, in units of its mean activation." },
  "empty-context": { text: "only this", strength: "gamma", symbol: "γ", from: 0, to: 10, step: 0.25, usual: 1, hint: "The feature alone in place of all that the block adds; meant for the empty prompt." },
  move: { text: "move", hint: "Moves the feature's own map by so many places." },
  transplant: { text: "transplant", hint: "Gives the feature the map that it has with another prompt." },
  ablate: { text: "leave block out", hint: "The block adds nothing." },
  reconstruct: { text: "reconstruct", hint: "Replaces what the block adds by what its dictionary makes of it." },
};
export const needsFeature = (kind) => !["ablate", "reconstruct"].includes(kind);

let next = 1;
export function newEdit(kind, block, feature = 0) {
  const edit = { id: `${Date.now()}-${next++}`, kind, block, on: true, solo: false, steps: "" };
  if (needsFeature(kind)) edit.feature = feature;
  if (kinds[kind].strength) edit.value = kinds[kind].usual;
  if (kind === "move") Object.assign(edit, { right: 2, down: 0 });
  if (kind === "transplant") edit.prompt = "";
  if (kind === "add") edit.mask = null;
  return edit;
}

/** Puts an edit of a feature on the stack; one that is there already is taken. */
export function editFeature(block, feature, kind = "modulate") {
  const { edits } = state();
  if (edits.some((edit) => edit.block === block && edit.feature === feature && edit.kind === kind)) return;
  update({ edits: [...edits, newEdit(kind, block, feature)] });
}

export function change(id, patch, options) {
  update({ edits: state().edits.map((edit) => (edit.id === id ? { ...edit, ...patch } : edit)) }, options);
}
export function remove(id) { update({ edits: state().edits.filter((edit) => edit.id !== id) }); }
export function reorder(id, place) {
  const { edits } = state();
  const rest = edits.filter((edit) => edit.id !== id);
  rest.splice(Math.max(0, Math.min(rest.length, place)), 0, edits.find((edit) => edit.id === id));
  update({ edits: rest });
}

/** The steps that a text such as 0,2-3 names; undefined for all. */
function steps(text) {
  const found = (text ?? "").split(",").filter(Boolean).flatMap((part) => {
    const [first, last = first] = part.split("-").map(Number);
    return Array.from({ length: Math.max(0, Math.min(100, last - first + 1)) }, (_, index) => first + index);
  }).filter(Number.isInteger);
  return found.length ? found : undefined;
}

/** One row as the program takes it. */
export function toEdit(row) {
  const edit = { block: row.block, operation: row.kind };
  const { strength } = kinds[row.kind];
  if (row.kind === "move" || row.kind === "transplant") edit.features = [row.feature];
  else if (needsFeature(row.kind)) edit.feature = row.feature;
  if (strength) edit[strength] = row.value;
  if (row.kind === "move") Object.assign(edit, { right: row.right, down: row.down });
  if (row.kind === "transplant") edit.prompt = row.prompt;
  if (row.kind === "add" && row.mask) edit.mask = row.mask;
  const named = steps(row.steps);
  if (named) edit.steps = named;
  return edit;
}

/** The rows that act: those that are on; of some that are alone only these; none that would change nothing. */
export function acting(rows) {
  const alone = rows.some((row) => row.solo);
  return rows.filter((row) => kinds[row.kind] && row.on && (!alone || row.solo))
    .filter((row) => !(row.kind === "move" && row.right === 0 && row.down === 0))
    .filter((row) => !(Array.isArray(row.mask) && !row.mask.some((line) => line.some((value) => value > 0))));
}

/** Rows of a list of edits, as a picture carries it. */
export function fromList(list) {
  return (list?.edits ?? []).filter((edit) => kinds[edit.operation]).flatMap((edit) =>
    (edit.features ?? [edit.feature]).map((feature) => {
      const row = newEdit(edit.operation, edit.block, feature);
      const { strength } = kinds[edit.operation];
      if (strength) row.value = edit[strength];
      for (const key of ["right", "down", "prompt", "mask"]) if (key in edit) row[key] = edit[key];
      if (edit.steps) row.steps = edit.steps.join(",");
      return row;
    }));
}
