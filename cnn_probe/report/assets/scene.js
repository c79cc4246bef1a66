// The result that is shown, and what in it belongs together: what lights up when something is selected.

import { h, name, percent, count } from "./dom.js";
import { indices, largestFirst, row, thresholds, total } from "./data.js";
import { addressOf, thingOf } from "./state.js";
import { latentOf, pictureOf } from "./pictures.js";

export const PREFERRED = "the class in which it is furthest above what the class's size would give, in standard deviations over permuted labels";

const TIMES = 1.5; // times its size, that a pattern has in a class to be named beside it
const MUCH = 0.2; // part of an input that a pattern has to be, to be said to be in it
const MOST_INPUTS = 40; // that light up

const standsOut = (share, times) => share >= thresholds.worth && times >= thresholds.above;

// Names that tell things apart: where several are one, their numbers are added.
const apart = (names) => names.map((one, i) => {
  let key = one;
  while (names.some((other, j) => j !== i && other === key)) key += `~${i}`;
  return key;
});

export class Scene {
  constructor(document, at) {
    this.document = document;
    this.results = document.results;
    this.at = at;
    this.part = document.results[at];
    const { inputs } = this.part;
    this.placeOf = new Map(Array.from(inputs.number, (number, place) => [number, place]));
    this.layerKeys = apart(this.part.units.map((units) => units.block));
    this.layerOf = new Map(this.layerKeys.map((key, i) => [key, i]));
  }

  get k() {
    return this.part.shares.shape[1];
  }

  address(where) {
    return addressOf({ result: this.at, ...where }, this.results);
  }

  // A link that selects a thing, wherever it stands on the page.
  link(key, ...children) {
    return h("a", { class: "thing", href: this.address({ thing: key }), "data-thing": key }, children);
  }

  factor(i, ...children) {
    return this.link(thingOf.factor(i), children.length ? children : `pattern ${i + 1}`);
  }

  klass(i, ...children) {
    return this.link(thingOf.class(i), children.length ? children : name(this.part.classes.names[i]));
  }

  unit(layer, unit, ...children) {
    const { block, kind } = this.part.units[layer];
    return this.link(this.unitKey(layer, unit), children.length ? children : [`${kind} ${unit} of `, name(block)]);
  }

  unitKey(layer, unit) {
    return thingOf.unit(this.layerKeys[layer], unit);
  }

  inputName(place) {
    const { number, names } = this.part.inputs;
    const plain = `#${number[place]}`;
    return names && names[place] !== plain ? [plain, " ", name(names[place])] : [plain];
  }

  // An input by its picture, if there is one, and its number.
  input(place, heat = null, caption = null) {
    const { inputs } = this.part;
    const key = thingOf.input(inputs.number[place]);
    const said = this.saidOfInput(place);
    if (!inputs.pictures) return this.link(key, `#${inputs.number[place]}`);
    const at = inputs.pictured ? inputs.pictured[place] : place;
    const picture = at < 0 ? h("span", { class: "picture none" }, "no picture") : pictureOf(inputs.pictures, at, `Input #${inputs.number[place]}${said}`, heat);
    return this.link(key, picture, h("span", { class: "under" }, caption ?? `#${inputs.number[place]}`));
  }

  saidOfInput(place) {
    const label = this.labelOf(place);
    return label === null ? "" : `, ${label}`;
  }

  labelOf(place) {
    const { inputs, classes } = this.part;
    return inputs.label ? classes.names[inputs.label[place]] : null;
  }

  predictedOf(place) {
    const { inputs, classes } = this.part;
    if (inputs.predicted) return classes.names[inputs.predicted[place]];
    return inputs.predicted_names ? inputs.predicted_names[place] : null;
  }

  latent(i) {
    const { latent } = this.part.factors;
    return latent && latentOf(row(latent, i), `Latent image of pattern ${i + 1}`);
  }

  // What part of an input's row of F each pattern is.
  sharesOf(place) {
    const amounts = row(this.part.inputs.F, place);
    const all = total(amounts);
    return Array.from(amounts, (amount) => (all > 0 ? amount / all : 0));
  }

  // Parts of the patterns' amounts by class, as they lie in the list of classes; null if nothing says so.
  get byClass() {
    const [found] = this.part.class_parts;
    if (!found) return null;
    const parts = found.parts.true ?? found.parts.predicted;
    return { parts, of: found.parts.true ? "label" : "prediction", title: found.title };
  }

  classParts(i) {
    const found = this.byClass;
    return found ? Array.from(row(found.parts, i), (part) => part / 100) : [];
  }

  // Channels in which a pattern is well above its mean, the most first.
  standingOut(layer, i) {
    const { shares, lift } = this.part.layers[layer];
    const [own, times] = [row(shares, i), row(lift, i)];
    return largestFirst(times).filter((c) => standsOut(own[c], times[c]));
  }

  // Keys of the things that belong to one, by what they have of each other.
  related(thing) {
    const lit = new Set();
    const add = { factor: (i) => lit.add(thingOf.factor(i)), class: (i) => lit.add(thingOf.class(i)),
      input: (place) => lit.add(thingOf.input(this.part.inputs.number[place])),
      unit: (layer, unit) => lit.add(this.unitKey(layer, unit)) };
    ({ factor: () => this.#ofFactor(thing.index, add), class: () => this.#ofClass(thing.index, add),
      input: () => this.#ofInput(thing.index, add), unit: () => this.#ofUnit(thing, add) })[thing.kind]();
    lit.delete(thing.key);
    return lit;
  }

  // Those that prefer the class, and those that have much more of it than its size would give them.
  factorsOfClass(c) {
    const { beyond_chance: beyond, classes, n } = this.part;
    const much = Math.max(TIMES * classes.counts[c] / n, 1e-9);
    return indices(this.k).filter((i) => this.classParts(i)[c] >= much || (beyond?.goes[i] && beyond.place[i] === c));
  }

  factorsOfUnit(layer, unit) {
    const { lift, shares } = this.part.layers[layer];
    const out = indices(this.k).filter((i) => standsOut(row(shares, i)[unit], row(lift, i)[unit]));
    return out.sort((a, b) => row(lift, b)[unit] - row(lift, a)[unit]);
  }

  inputsOfFactor(i) {
    const { inputs, factors } = this.part;
    const much = indices(inputs.number.length).map((place) => [this.sharesOf(place)[i], place]).filter(([part]) => part >= MUCH);
    const most = much.sort(([a], [b]) => b - a).slice(0, MOST_INPUTS).map(([, place]) => place);
    return [...new Set([...row(factors.top, i), ...most])];
  }

  // Units that are active for one class alone, as pairs of a layer's number and their own.
  unitsOfClass(c) {
    return this.part.units.flatMap(({ n, of_class: known }, layer) =>
      (known ? indices(n).filter((unit) => known.of_one[unit] && known.place[unit] === c).map((unit) => [layer, unit]) : []));
  }

  // The block of the network that a layer of the walk is.
  blockOf(layer) {
    return indices(this.part.blocks.length).filter((b) => this.part.blocks[b].layer !== null)[layer];
  }

  // Whether the units of a layer are the channels that its walk is told by.
  sameUnits(layer) {
    return this.part.units[layer].n === this.part.layers[layer].n_channels;
  }

  #ofFactor(i, add) {
    this.inputsOfFactor(i).forEach(add.input);
    this.part.layers.forEach((_, layer) => this.sameUnits(layer) && this.standingOut(layer, i).forEach((unit) => add.unit(layer, unit)));
    this.part.classes.names.forEach((_, c) => this.factorsOfClass(c).includes(i) && add.class(c));
  }

  #ofClass(c, add) {
    const { inputs } = this.part;
    this.factorsOfClass(c).forEach(add.factor);
    const of = inputs.label ?? inputs.predicted;
    if (of) of.forEach((one, place) => one === c && add.input(place));
    this.unitsOfClass(c).forEach(([layer, unit]) => add.unit(layer, unit));
  }

  #ofInput(number, add) {
    const place = this.placeOf.get(number);
    if (place === undefined) return;
    this.sharesOf(place).forEach((part, i) => part >= MUCH && add.factor(i));
    const { label, predicted } = this.part.inputs;
    for (const of of [label, predicted]) if (of) add.class(of[place]);
  }

  #ofUnit({ layer, index }, add) {
    const at = this.layerOf.get(layer);
    if (at === undefined || index >= this.part.units[at].n) return;
    const { group } = this.part.units[at];
    if (this.sameUnits(at)) this.factorsOfUnit(at, index).forEach(add.factor);
    if (group[index] >= 0) group.forEach((one, unit) => one === group[index] && add.unit(at, unit));
  }

  exists(thing) {
    if (!thing) return false;
    const { part } = this;
    return { factor: () => thing.index >= 0 && thing.index < this.k, class: () => thing.index < part.classes.names.length,
      input: () => this.placeOf.has(thing.index),
      unit: () => this.layerOf.has(thing.layer) && thing.index < part.units[this.layerOf.get(thing.layer)].n }[thing.kind]();
  }
}

export const partOfBlocks = (part, i) => part.blocks.map((block, b) => ({ block: block.name, share: row(part.shares, b)[i] }));
export const inWords = ({ block, share }) => [`${percent(share)} of `, name(block)];
export const ofInputs = (part) => `n = ${count(part.n)} inputs`;
