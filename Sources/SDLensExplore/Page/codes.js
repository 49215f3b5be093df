// The features that are active at each place of a block's map: few, so that every question is answered here.

import { bytes } from "./api.js";

export class Codes {
  constructor({ block, height, width, counts, features, values }) {
    Object.assign(this, { block, height, width });
    this.features = new Int32Array(bytes(features).buffer);
    this.values = new Float32Array(bytes(values).buffer);
    this.starts = new Int32Array(height * width + 1);
    new Uint16Array(bytes(counts).buffer).forEach((count, place) => { this.starts[place + 1] = this.starts[place] + count; });
    this.known = null;
    this.maps = new Map();
  }

  get places() { return this.height * this.width; }

  /** Of every active feature: the mean of its map, its highest value, the share of places where it is active. */
  get summary() {
    if (this.known) return this.known;
    const found = new Map();
    this.features.forEach((feature, entry) => {
      const value = this.values[entry];
      const own = found.get(feature) ?? { feature, mean: 0, maximum: 0, area: 0 };
      own.mean += value / this.places;
      own.area += 1 / this.places;
      own.maximum = Math.max(own.maximum, value);
      found.set(feature, own);
    });
    return (this.known = found);
  }

  /** The map of a feature, row by row. */
  map(feature) {
    if (this.maps.has(feature)) return this.maps.get(feature);
    const map = new Float32Array(this.places);
    for (let place = 0; place < this.places; place++)
      for (let entry = this.starts[place]; entry < this.starts[place + 1]; entry++)
        if (this.features[entry] === feature) map[place] = this.values[entry];
    this.maps.set(feature, map);
    return map;
  }

  /** The features that are active at a point of the picture, both from 0 to 1. */
  at(x, y) {
    const place = this.place(x, y);
    return Array.from({ length: this.starts[place + 1] - this.starts[place] }, (_, index) => {
      const entry = this.starts[place] + index;
      return { feature: this.features[entry], value: this.values[entry] };
    });
  }

  place(x, y) {
    const clamp = (value, count) => Math.min(count - 1, Math.max(0, Math.floor(value * count)));
    return clamp(y, this.height) * this.width + clamp(x, this.width);
  }

  /** The features by how much more active they are inside a mask than outside. */
  inside(mask) {
    let inside = 0;
    for (const value of mask) inside += value;
    const outside = this.places - inside;
    const found = new Map();
    for (let place = 0; place < this.places; place++)
      for (let entry = this.starts[place]; entry < this.starts[place + 1]; entry++) {
        const weight = mask[place] / Math.max(inside, 1e-9) - (1 - mask[place]) / Math.max(outside, 1e-9);
        const feature = this.features[entry];
        found.set(feature, (found.get(feature) ?? 0) + weight * this.values[entry]);
      }
    return [...found].filter(([, value]) => value > 0).sort((a, b) => b[1] - a[1]).map(([feature, value]) => ({ feature, value }));
  }
}
