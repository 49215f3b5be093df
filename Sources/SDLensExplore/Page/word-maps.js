// Where words of the prompt act in the run that is seen: maps of its cross-attention, asked for when one is looked at.

import { bytes, call, Failed } from "./api.js";
import { announce, seen } from "./lab.js";
import { say } from "./status.js";

/** Stands for the mean over all blocks. */
export const everyBlock = "all";

const most = 24;
/** By run and block: the maps by their words. */
const kept = new Map();

/** The map of a word: { map, height, width, low, high }; null while it is being asked for, and for a word that is not there. */
export function wordMap(block, word) {
  if (!seen.run || !seen.words.some((known) => known.word === word)) return null;
  const key = JSON.stringify([seen.run, block]);
  if (!kept.has(key)) ask(key, seen.run, block);
  return kept.get(key).get(word) ?? null;
}

async function ask(key, run, block) {
  kept.set(key, new Map());
  if (kept.size > most) kept.delete(kept.keys().next().value);
  try {
    const { maps } = await call("words", { ...run, ...(block === everyBlock ? {} : { blocks: [block] }) }, { lane: `words ${block}` });
    kept.set(key, new Map(maps.map(({ word, size: [height, width], lowest, highest, values }) =>
      [word, { map: new Float32Array(bytes(values).buffer), height, width, low: lowest, high: highest }])));
    announce();
  } catch (error) {
    if (error instanceof Failed) say(error.message); else kept.delete(key);
  }
}
