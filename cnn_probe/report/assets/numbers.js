// Pictures in numbers, for those who cannot see them.

import { h, plainTable } from "./dom.js";
import { indices } from "./data.js";

const CHANNELS = [", red", ", green", ", blue"];

// Maps (n, height, width) in steps, a table each; `of` says what one shows, or one text what all do.
export function inNumbers({ of, maps }) {
  const [n, height, width] = maps.shape;
  const called = (c) => (Array.isArray(of) ? of[c] : `${of}${n === 1 ? "" : n === 3 ? CHANNELS[c] : ", channel " + c}`);
  return h("div", null, indices(n).map((c) => plainTable(`${called(c)}: parts of the brightest, in percent, by row and column`, ["row", ...indices(width).map(String)],
    indices(height).map((y) => [String(y), ...indices(width).map((x) => String(Math.round(maps[(c * height + y) * width + x] / 2.55)))]))));
}
