// Maps of features in colours over the picture.

import { dictionaries, seen } from "./lab.js";
import { state, update } from "./state.js";

/** By choice the colours of Okabe and Ito, which people with any kind of colour vision tell apart. */
export const palettes = {
  vivid: ["#ff2d2d", "#00c2ff", "#ffd400", "#d63bff", "#1fd655", "#ff8a00"],
  safe: ["#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00"],
};

export function colour(index) {
  const palette = palettes[state().colours] ?? palettes.vivid;
  return palette[index % palette.length];
}

export const isShown = (block, feature) => state().overlays.some((layer) => layer.block === block && layer.feature === feature);

/** Lays a feature's map over the picture, or takes it away. With `alone`, in place of the others. */
export function toggle(block, feature, alone = false) {
  const { overlays } = state();
  const others = overlays.filter((layer) => layer.block !== block || layer.feature !== feature);
  const wasShown = others.length < overlays.length;
  if (alone) update({ overlays: wasShown && overlays.length === 1 ? [] : [{ block, feature }] });
  else update({ overlays: wasShown ? others : [...overlays, { block, feature }].slice(-6) });
}

/** The upper end of a layer's scale: the highest value here, or the highest that was ever recorded. */
export function scaleOf(block, feature) {
  const own = seen.codes.get(block)?.summary.get(feature)?.maximum ?? 0;
  const fixed = dictionaries.get(block)?.maximum[feature];
  return state().scale === "fixed" && fixed ? fixed : own;
}

/** A map as a small picture of one colour, the opacity of a place by its value. */
export function mapImage(map, height, width, highest, hex, opacity) {
  const image = new ImageData(width, height);
  const [red, green, blue] = [1, 3, 5].map((place) => parseInt(hex.slice(place, place + 2), 16));
  for (let place = 0; place < map.length; place++)
    image.data.set([red, green, blue, highest > 0 ? Math.min(1, map[place] / highest) * opacity * 255 : 0], place * 4);
  const canvas = new OffscreenCanvas(width, height);
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
}

/** Draws all layers over a picture of that size. */
export function draw(context, width, height) {
  const { overlays, opacity, smooth } = state();
  context.imageSmoothingEnabled = smooth;
  overlays.forEach(({ block, feature }, index) => {
    const codes = seen.codes.get(block);
    if (!codes) return;
    const image = mapImage(codes.map(feature), codes.height, codes.width, scaleOf(block, feature), colour(index), opacity);
    context.drawImage(image, 0, 0, width, height);
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
