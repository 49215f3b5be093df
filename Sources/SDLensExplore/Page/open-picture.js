// A picture that is dropped on the page, or opened, restores what it was made of.

import { call } from "./api.js";
import { fromList } from "./edits.js";
import { read } from "./png.js";
import { update } from "./state.js";

/** Takes the picture over; says in words what is wrong with it, or what is not known to be the same. */
export async function openPicture(file, info) {
  if (file.size > 64e6) return `'${file.name}' has more than 64 MB, which no picture of ours has.`;
  const found = read(await file.arrayBuffer());
  if (!found) return `'${file.name}' is not a PNG file.`;
  const { texts } = found;
  if (texts.prompt === undefined || texts.seed === undefined) return `'${file.name}' does not say how it was made; open a picture that sdlens wrote.`;
  if (texts.shows) return `'${file.name}' shows ${texts.shows}; open the picture itself, after.png.`;
  let edits = [];
  let dictionaries = {};
  if (texts.edits) {
    try {
      const list = JSON.parse(texts.edits);
      edits = fromList(list);
      dictionaries = list.dictionaries ?? {};
    } catch { return `'${file.name}' carries edits that cannot be read.`; }
  }
  const chosen = {};
  for (const { block, dictionaries: names } of info.blocks) {
    const needed = dictionaries[block]?.name;
    if (names.includes(needed) && needed !== names[0]) chosen[block] = needed;
  }
  update({
    prompt: texts.prompt, negative: texts.negative_prompt ?? "", seed: texts.seed, steps: Number(texts.steps ?? 1), guidance: Number(texts.guidance ?? 0),
    width: found.width, height: found.height, edits, here: null, dictionaries: chosen,
  });
  if (texts.model && !texts.model.endsWith(info.model.fingerprint)) return `The picture was made by the model ${texts.model}, not by the one here.`;
  for (const { block, dictionary: usual } of info.blocks) {
    const needed = dictionaries[block];
    const dictionary = chosen[block] ? (await call("dictionary", { block, dictionaries: chosen })).dictionary : usual;
    if (needed && needed.fingerprint !== dictionary?.fingerprint) return `The edits are of the dictionary ${needed.name} of ${block}, not of the one here: its numbers mean other features.`;
  }
  return "";
}
