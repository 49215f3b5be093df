// Maps of features and of words in colours over the picture.

import { dictionaries, seen } from "./lab.js";
import { state, update } from "./state.js";
import { everyBlock, wordMap } from "./word-maps.js";

/** By choice the colours of Okabe and Ito, which people with any kind of colour vision tell apart. */
export const palettes = {
  vivid: ["#ff2d2d", "#00c2ff", "#ffd400", "#d63bff", "#1fd655", "#ff8a00"],
  safe: ["#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00"],
};

export function colour(index) {
  const palette = palettes[state().colours] ?? palettes.vivid;
  return palette[index % palette.length];
}

const areSame = (a, b) => a.block === b.block && a.feature === b.feature && a.word === b.word;
/** Where a layer, { block, feature } or { block, word }, stands among those that are shown; -1 if it is not. */
export const place = (layer) => state().overlays.findIndex((other) => areSame(layer, other));
export const isShown = (layer) => place(layer) >= 0;

/** Lays a map over the picture, or takes it away. With `alone`, in place of the others. */
export function toggle(layer, alone = false) {
  const { overlays } = state();
  const others = overlays.filter((other) => !areSame(layer, other));
  const wasShown = others.length < overlays.length;
  if (alone) update({ overlays: wasShown && overlays.length === 1 ? [] : [layer] });
  else update({ overlays: wasShown ? others : [...overlays, layer].slice(-6) });
}

/** What a layer is called. */
export const title = ({ block, feature, word }) => (word === undefined ? `${block} #${feature}` : `“${word}”${block === everyBlock ? "" : ` ${block}`}`);

/** The map of a layer, and the ends of its scale: { map, height, width, low, high }; null while there is none. */
export function layerMap({ block, feature, word }) {
  if (word !== undefined) return wordMap(block, word);
  const codes = seen.codes.get(block);
  return codes ? { map: codes.map(feature), height: codes.height, width: codes.width, low: 0, high: scaleOf(block, feature) } : null;
}

/** The upper end of a feature's scale: the highest value here, or the highest that was ever recorded. */
export function scaleOf(block, feature) {
  const own = seen.codes.get(block)?.summary.get(feature)?.maximum ?? 0;
  const fixed = dictionaries.get(block)?.maximum[feature];
  return state().scale === "fixed" && fixed ? fixed : own;
}

/** A map as a small picture of one colour, the opacity of a place by its value. */
function mapImage({ map, height, width, low, high }, hex, opacity) {
  const image = new ImageData(width, height);
  const [red, green, blue] = [1, 3, 5].map((place) => parseInt(hex.slice(place, place + 2), 16));
  for (let place = 0; place < map.length; place++)
    image.data.set([red, green, blue, high > low ? Math.min(1, Math.max(0, (map[place] - low) / (high - low))) * opacity * 255 : 0], place * 4);
  const canvas = new OffscreenCanvas(width, height);
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
}

/** Draws all layers over a picture of that size. */
export function draw(context, width, height) {
  const { overlays, opacity, smooth } = state();
  context.imageSmoothingEnabled = smooth;
  overlays.forEach((layer, index) => {
    const map = layerMap(layer);
    if (map) context.drawImage(mapImage(map, colour(index), opacity), 0, 0, width, height);
  });
  context.imageSmoothingEnabled = true;
}

/** Draws the picture bright where a feature is active and dim elsewhere. */
export function thumbnail(canvas, image, map, height, width, highest) {
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0, canvas.width, canvas.height);
  const shade = new ImageData(width, height);
  for (let place = 0; place < map.length; place++)
    shade.data.set([12, 14, 20, highest > 0 ? (1 - Math.min(1, map[place] / highest)) * 205 : 205], place * 4);
  const small = new OffscreenCanvas(width, height);
  small.getContext("2d").putImageData(shade, 0, 0);
  context.drawImage(small, 0, 0, canvas.width, canvas.height);
}
