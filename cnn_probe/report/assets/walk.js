// The walk of each pattern: a row from the pixels through the layers to the outputs.

import { bar, details, h, joined, name, percent, plainTable, points, signed } from "./dom.js";
import { indices, largestFirst, row, thresholds } from "./data.js";
import { mapUnder, mosaicOf } from "./pictures.js";
import { ofInputs } from "./scene.js";
import { go, thingOf } from "./state.js";

const ACROSS = 5;
const TOP = 9; // inputs that a row shows
const ENDS = 3; // outputs that are named at either end
const NAMED = 3; // channels that are named in a cell

export function walkView(scene) {
  const { part } = scene;
  const heads = ["inputs with most of it", ...part.layers.map((layer) => name(layer.block)), part.added && "adds to the outputs", scene.byClass && classesHead(scene)];
  const label = "The walk of each pattern, pixels to outputs";
  const mapped = part.layers.some((layer) => layer.maps);
  return h("div", null,
    h("p", { class: "lead" }, "One row a pattern. ", mapped && ["Maps: where each channel of a layer is active with the pattern, one scale a layer, by the square root of the amount. ",
      `Framed: a channel with ${thresholds.above} times its mean share over the patterns, or more (${percent(thresholds.worth)} of the pattern at least). `,
      "One map: a layer that was pooled, where the pattern is in the first of its inputs. "], "Channels are counted from 0. ", ofInputs(part), "."),
    part.added && h("p", null, "Adds to the outputs: what the pattern adds to each output through the linear head, the mean over all inputs", part.added.n_outputs > 1 && ", less its mean over the outputs", "."),
    h("p", { class: "cannot" }, h("b", null, "What this cannot tell: "), "that a pattern in one layer causes it in the next. What is in one row occurs together; what it causes is in ", h("a", { href: scene.address({ view: "patterns" }) }, "Patterns"), " and below its number, where something was taken out."),
    h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": label },
      h("table", { class: "walk" }, h("caption", { class: "unseen" }, label),
        h("thead", null, h("tr", null, h("th", { scope: "col" }, "pattern"), heads.filter(Boolean).map((head) => h("th", { scope: "col" }, head)))),
        h("tbody", null, indices(scene.k).map((i) => walkRow(scene, i))))),
    sharesTable(scene));
}

function walkRow(scene, i) {
  const { part } = scene;
  const top = Array.from(row(part.factors.top, i)).slice(0, TOP);
  return h("tr", { "data-row": thingOf.factor(i) },
    h("th", { scope: "row" }, scene.factor(i, String(i + 1)), scene.latent(i), foundAgain(part, i), takenOut(part, i)),
    cellOf("examples", top.map((place) => scene.input(place))),
    part.layers.map((layer, at) => cellOf("layer", layerCell(scene, at, i))),
    part.added && cellOf("ends", outputsOf(part.added, i)),
    scene.byClass && cellOf("ends", classEnds(scene, i)));
}

function foundAgain({ stability }, i) {
  return stability && h("span", { class: "note" }, `${stability.verdicts[i]}: ${stability.counts[i]}`);
}

function takenOut({ ablation }, i) {
  const at = ablation ? ablation.factors.indexOf(i) : -1;
  if (at < 0) return null;
  const hit = ablation.hit[at];
  return h("span", { class: "note" }, "taken out of ", name(ablation.layer), ": class ", name(ablation.classes[hit]), ` ${points(row(ablation.change, at)[hit])} points; ${ablation.said[at]}`);
}

// The browser lays out and paints only cells that are near the window: their size is the style's, not their content's.
const cellOf = (kind, ...content) => h("td", null, h("div", { class: `cell ${kind}` }, content));

function layerCell(scene, at, i) {
  const layer = scene.part.layers[at];
  const out = scene.standingOut(at, i);
  const [shares, lift] = [row(layer.shares, i), row(layer.lift, i)];
  const linked = scene.sameUnits(at);
  const named = (c, text) => (linked ? scene.unit(at, c, text) : text);
  const most = largestFirst(shares).slice(0, NAMED).filter((c) => percent(shares[c]) !== percent(0));
  return [layer.maps && mapsOf(scene, at, i, out),
    h("p", { class: "said" }, percent(row(scene.part.shares, scene.blockOf(at))[i]), " of its squares"),
    most.length > 0 && h("p", { class: "said" }, "most in ", joined(most.map((c) => named(c, `${c} (${percent(shares[c])})`)))),
    out.length > 0 && h("p", { class: "said" }, "above its mean: ", joined(out.slice(0, NAMED).map((c) => named(c, `${c} ×${lift[c].toFixed(1)}`))))];
}

function mapsOf(scene, at, i, out) {
  const layer = scene.part.layers[at];
  const tiles = layer.tiles ? Array.from(layer.tiles) : null;
  const maps = row(layer.maps, i);
  const label = tiles ? `Maps of channels ${tiles.join(", ")} of ${layer.block} in pattern ${i + 1}; framed: ${out.join(", ") || "none"}` : `Where pattern ${i + 1} is in its first input, by ${layer.block}`;
  const keyOf = (tile) => scene.unitKey(at, tiles[tile]);
  const framed = (tile) => (!tiles ? "" : scene.lit?.has(keyOf(tile)) ? "lit" : out.includes(tiles[tile]) ? "out" : "");
  const canvas = mosaicOf(maps, ACROSS, label, framed);
  if (tiles && scene.sameUnits(at)) {
    selecting(canvas, scene, (event) => {
      const tile = mapUnder(canvas, event);
      return tile < 0 ? null : [keyOf(tile), toldOfUnit(scene, at, i, tiles[tile])];
    });
  }
  return canvas;
}

export const toldOfUnit = ({ part }, at, i, unit) =>
  `channel ${unit}: ${percent(row(part.layers[at].shares, i)[unit], 1)} of the pattern here, ×${row(part.layers[at].lift, i)[unit].toFixed(2)} its mean`;

// A canvas whose parts select things: `under` says of an event which key, if any, is there, and what is told of it.
export function selecting(canvas, scene, under) {
  canvas.addEventListener("click", (event) => {
    const [key] = under(event) ?? [];
    if (key) go(scene.address({ thing: key }));
  });
  let before = null;
  const point = (to) => {
    if (to !== before) canvas.dispatchEvent(new CustomEvent("pointed", { bubbles: true, detail: { from: before, to } }));
    before = to;
  };
  canvas.addEventListener("pointerleave", () => point(null));
  canvas.addEventListener("pointermove", (event) => {
    const [key, told] = under(event) ?? [null, ""];
    point(key);
    canvas.title = told;
  });
}

function outputsOf(added, i) {
  const values = row(added.values, i);
  const order = largestFirst(values);
  const ends = order.length <= 2 * ENDS ? order : [...order.slice(0, ENDS), ...order.slice(-ENDS)];
  const most = Math.max(...added.values.map(Math.abs), 1e-12);
  return h("ul", { class: "bars" }, ends.map((o) => h("li", null, name(added.names[o]), " ",
    bar(Math.abs(values[o]) / most, values[o] < 0 ? "down" : "up"), signed(values[o]))));
}

const isByBoth = ({ byClass, part }) => byClass.of === "label" && part.class_parts[0].parts.predicted;
const classesHead = (scene) => (isByBoth(scene) ? "classes: by label, and as predicted" : `classes, by ${scene.byClass.of}`);

// The part of its amount that lies in a class, and below it in those that are predicted to be of it.
function classEnds(scene, i) {
  const parts = scene.classParts(i);
  const other = isByBoth(scene) ? Array.from(row(scene.part.class_parts[0].parts.predicted, i), (part) => part / 100) : parts;
  const most = parts.map((part, c) => Math.max(part, other[c]));
  return h("ul", { class: "bars" }, largestFirst(most).slice(0, ENDS).filter((c) => most[c] > 0.005).map((c) =>
    h("li", { class: "pair" }, scene.klass(c), h("span", null, bar(parts[c]), percent(parts[c]), isByBoth(scene) && [h("br"), bar(other[c], "other"), `${percent(other[c])} predicted`]))));
}

// What the maps show, in numbers.
function sharesTable(scene) {
  return scene.part.layers.map((layer, at) => details(["In numbers: ", name(layer.block)],
    () => plainTable(`What part of each pattern lies in each channel of ${layer.block}, and how many times its mean that is`,
      ["channel", ...indices(scene.k).map((i) => `pattern ${i + 1}`)],
      largestFirst(indices(layer.n_channels).map((c) => Math.max(...indices(scene.k).map((i) => row(layer.shares, i)[c])))).slice(0, 30).sort((a, b) => a - b).map((c) =>
        [scene.sameUnits(at) ? scene.unit(at, c, String(c)) : String(c), ...indices(scene.k).map((i) => `${percent(row(layer.shares, i)[c], 1)} ×${row(layer.lift, i)[c].toFixed(1)}`)]))));
}
