// The atlas: all patterns at once, a row each, and how they differ in the channels of every layer, the outputs, the classes.

import { details, h, name, percent, plainTable, plural, signed } from "./dom.js";
import { indices, largestFirst, row, thresholds } from "./data.js";
import { cellsOf } from "./pictures.js";
import { ofInputs } from "./scene.js";
import { thingOf } from "./state.js";
import { selecting, toldOfUnit } from "./walk.js";

const ACROSS_LAYER = 64; // columns of a layer
const [COLUMNS, FEWEST] = [256, 16]; // of all layers together, and of each at least
const MOST_ENDS = 20; // outputs, and classes
const DOUBLINGS = 3; // a channel of 8 times its mean share, or an eighth of it, has the fullest colour
const WIDE = 24; // columns up to which each has its number below it
const [MORE, LESS, LITTLE] = [[0, 120, 190], [205, 90, 0], [128, 128, 128, 50]];

const tinted = ([red, green, blue], part) => [red, green, blue, Math.round(255 * Math.min(1, Math.abs(part)))];
const eitherWay = (part) => tinted(part < 0 ? LESS : MORE, part);

export function atlasView(scene) {
  const { part } = scene;
  const ends = [part.added && outputsSheet(scene), ...part.class_parts.map((_, at) => classesSheet(scene, at))].filter(Boolean);
  const label = "All patterns, by the channels of each layer, the outputs and the classes";
  return h("div", null,
    h("p", { class: "lead" }, "Rows are the same pattern throughout. Of a layer each cell is a channel's lift: its share of the pattern's squares over its mean share over the patterns; shares themselves are alike in every row of a first layer. ",
      `Bars: that mean share, the highest of a layer full. Grey: a channel that has less than ${percent(thresholds.worth)} of the pattern, and of the mean. Channels are counted from 0. `, ofInputs(part), "."),
    h("ul", { class: "scales" }, scaleOf("lift", "≤⅛", "1", "≥8 times its mean share"), part.added && scaleOf("outputs", "takes away", "0", "adds most, of all patterns and outputs"),
      part.class_parts.length > 0 && h("li", null, "classes: 0%", ramp("up"), "the largest part of any pattern")),
    h("p", { class: "cannot" }, h("b", null, "What this cannot tell: "), "that a channel matters to a pattern, or to an output. A lift is of what occurs together."),
    h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": label },
      h("div", { class: "atlas", vars: { "--k": scene.k } }, patternsSheet(scene), part.layers.map((_, at) => layerSheet(scene, at)), ends.map(({ sheet }) => sheet))),
    h("p", { class: "note" }, "The lifts in numbers stand below ", h("a", { href: scene.address({ view: "walk" }) }, "the walk"), "."),
    ends.map(({ numbers }) => numbers));
}

const ramp = (kind) => h("span", { class: `ramp ${kind}`, "aria-hidden": "true" });
const scaleOf = (of, low, middle, high) => h("li", null, `${of}: ${low}`, ramp("down"), middle, ramp("up"), high);

function patternsSheet(scene) {
  return h("div", { class: "sheet rows" }, h("p", null, "pattern"),
    h("ul", null, indices(scene.k).map((i) => h("li", { "data-row": thingOf.factor(i) }, scene.factor(i, String(i + 1)), scene.latent(i)))));
}

// Columns below a head: each has its bar, if there are bars, and what it is called.
function sheetOf({ head, label, values, columns, colourOf, kinds, under }, scene) {
  const canvas = cellsOf(values.map((cells) => cells.map(colourOf)), label);
  selecting(canvas, scene, (event) => {
    const box = canvas.getBoundingClientRect();
    const at = (position, size, n) => Math.min(n - 1, Math.max(0, Math.floor((position / size) * n)));
    return under(at(event.clientY - box.top, box.height, scene.k), at(event.clientX - box.left, box.width, columns.length));
  });
  return h("figure", { class: `sheet ${kinds}` }, h("figcaption", null, head),
    h("div", { class: "columns", vars: { "--n": columns.length } }, canvas,
      columns.map(({ key, bar = 0, called }) => h("span", { class: "column", "data-row": key, vars: { "--part": `${100 * bar}%` } }, h("span", { class: "called" }, called)))));
}

function layerSheet(scene, at) {
  const { layers, units } = scene.part;
  const layer = layers[at];
  const most = Math.max(FEWEST, Math.min(ACROSS_LAYER, Math.floor(COLUMNS / layers.length)));
  const shares = indices(scene.k).map((i) => row(layer.shares, i));
  const largest = indices(layer.n_channels).map((c) => Math.max(...shares.map((own) => own[c])));
  const picked = largestFirst(largest).slice(0, most).sort((a, b) => a - b);
  const mean = meanShares(layer, shares, largest);
  const linked = scene.sameUnits(at);
  const key = (c) => (linked ? scene.unitKey(at, c) : null);
  const kind = linked ? units[at].kind : "channel";
  const few = picked.length < layer.n_channels;
  const doublings = (i, c) => (Math.max(shares[i][c], mean[c]) < thresholds.worth ? null : Math.log2(row(layer.lift, i)[c]) / DOUBLINGS);
  const told = highestLifts(scene, at, picked).map(([i, c]) => `${kind} ${c} in pattern ${i + 1}, ×${row(layer.lift, i)[c].toFixed(1)}`);
  const highest = Math.max(...picked.map((c) => mean[c]), 1e-12);
  const step = picked.length > WIDE ? 2 : 1;
  return sheetOf({
    head: [name(layer.block), h("span", { class: "note" }, few ? `${picked.length} of ${plural(layer.n_channels, kind)}: those of the largest share in any pattern; ` : `${plural(layer.n_channels, kind)}; `, `bars up to ${percent(highest)}`)],
    label: `Lift of ${plural(picked.length, kind)} of ${layer.block} in each pattern. Highest: ${told.join("; ") || "none well above its mean"}`,
    values: indices(scene.k).map((i) => picked.map((c) => doublings(i, c))),
    columns: picked.map((c, n) => ({ key: key(c), bar: mean[c] / highest, called: n % step ? "" : String(c) })),
    colourOf: (part) => (part === null ? LITTLE : eitherWay(part)), kinds: step > 1 ? "narrow" : "",
    under: (i, n) => [key(picked[n]), `pattern ${i + 1}, ${toldOfUnit(scene, at, i, picked[n])}`],
  }, scene);
}

// Pairs of a pattern and a channel that stands out in it, the three of the highest lift.
function highestLifts(scene, at, picked) {
  const lift = (i, c) => row(scene.part.layers[at].lift, i)[c];
  const found = indices(scene.k).flatMap((i) => scene.standingOut(at, i).filter((c) => picked.includes(c)).map((c) => [i, c]));
  return found.sort(([i, c], [j, d]) => lift(j, d) - lift(i, c)).slice(0, 3);
}

// Over all patterns, also those that the page leaves out: a share over its lift.
function meanShares(layer, shares, largest) {
  return largest.map((most, c) => {
    const i = shares.findIndex((own) => own[c] === most);
    return most > 0 ? most / row(layer.lift, i)[c] : 0;
  });
}

function endSheet(scene, { title, names, parts, colours, keyOf, written, head = title }) {
  const rows = indices(scene.k).map((i) => row(parts, i));
  const size = indices(names.length).map((o) => Math.max(...rows.map((own) => Math.abs(own[o]))));
  const picked = largestFirst(size).slice(0, MOST_ENDS).sort((a, b) => a - b);
  const highest = Math.max(...size, 1e-12);
  const few = picked.length < names.length && `${picked.length} of ${names.length}: those with the largest values; `;
  return {
    sheet: sheetOf({
      head: [h("span", null, head), h("span", { class: "note" }, few, `up to ${written(highest)}`)],
      label: `${title}, for each pattern and ${picked.length} of ${names.length}; the numbers stand below`,
      values: rows.map((own) => picked.map((o) => own[o] / highest)),
      columns: picked.map((o) => ({ key: keyOf(o), called: keyOf(o) ? scene.link(keyOf(o), name(names[o])) : name(names[o]) })),
      colourOf: colours, kinds: picked.some((o) => names[o].length > 2) ? "ends upright" : "ends",
      under: (i, n) => [keyOf(picked[n]), `pattern ${i + 1}, ${names[picked[n]]}: ${written(rows[i][picked[n]])}`],
    }, scene),
    numbers: details(`In numbers: ${title}`, () => plainTable(title, ["pattern", ...picked.map((o) => name(names[o]))],
      rows.map((own, i) => [scene.factor(i, String(i + 1)), ...picked.map((o) => written(own[o]))]))),
  };
}

function outputsSheet(scene) {
  const { added, classes } = scene.part;
  const keyOf = (o) => { // where outputs are the labels' classes, and that name is of one alone
    const places = classes.of === "label" ? [] : indices(classes.names.length).filter((c) => classes.names[c] === added.names[o]);
    return places.length === 1 ? thingOf.class(places[0]) : null;
  };
  return endSheet(scene, { title: "adds to the outputs", names: added.names, parts: added.values, colours: eitherWay, keyOf, written: (value) => signed(value) });
}

function classesSheet(scene, at) {
  const { title, names, parts } = scene.part.class_parts[at];
  const kind = parts.true ? "true" : "predicted";
  return endSheet(scene, { title: parts.true && parts.predicted ? `${title}, by label` : title, names, parts: parts[kind], colours: (part) => tinted(MORE, part),
    keyOf: (c) => (at === 0 ? thingOf.class(c) : null), written: (value) => percent(value / 100) });
}
