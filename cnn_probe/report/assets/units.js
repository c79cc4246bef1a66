// Units: which are dead, redundant, of one class; each with its map.

import { count, h, name, number, percent, plainTable, plural } from "./dom.js";
import { indices, row, thresholds } from "./data.js";
import { mosaicOf } from "./pictures.js";
import { PREFERRED } from "./scene.js";
import { dataTable } from "./table.js";

export function unitsView(scene) {
  const { part } = scene;
  const rows = part.units.flatMap((units, layer) => indices(units.n).map((unit) => unitRow(units, layer, unit)));
  const labelled = part.units.find((units) => units.of_class);
  const dead = part.units[0]?.bound ?? 0;
  const mapped = part.units.some((units) => units.maps);
  return h("div", null,
    h("p", { class: "lead" }, "Channels of a layer that has places, neurons of one that has none, places of one that was pooled over its channels. ", h("b", null, "Dead"), `: active for none of the ${count(part.n)} inputs, so for fewer than ${number(100 * dead, 2)}% of such inputs with 95% confidence, each by itself. `,
      h("b", null, "Redundant"), `: nearly a multiple of another, both active for 5 inputs or more. What is left of either, once the other is scaled to it, is at most ${percent(1 - thresholds.same ** 2)} of how it varies over the inputs at each place; of a group this holds of any two. Of a pooled layer it says that they are alike in how much, not in where. `,
      labelled && [h("b", null, "Of one class"), `: it is active for one class, and for inputs of others on average ${percent(1 - labelled.of_class.least)} as much as for all, or less; that not by chance. `],
      h("b", null, "Active"), ": none of these, which does not say that the network uses it."),
    h("p", { class: "note" }, labelled && `A unit prefers ${PREFERRED}. p is of all units of a layer together (in ${percent(thresholds.level)} of layers some unit is below ${thresholds.level} by chance alone; inputs are taken for independent, and of near-copies it is too small), and is never below ${number(labelled.of_class.least_p, 1)} by so many permutations: small where the two parts are near, it is of a preference that is sure and slight. `,
      mapped && "A map is where the channel is active, on average over the inputs, on a scale of its own. ", "What holds of these inputs need not hold of others."),
    summary(scene, labelled),
    dataTable({
      caption: "All units", file: "units.csv", rows, sortBy: 1, words: (one) => `${one.block} ${one.unit} ${one.klass ?? ""} ${one.marks.join(" ")}`,
      attributes: (one) => ({ "data-row": scene.unitKey(one.layer, one.unit) }),
      filters: [{ name: "all units", keep: () => true },
        { name: "dead", keep: (one) => one.dead }, { name: "redundant", keep: (one) => one.group >= 0 },
        ...(labelled ? [{ name: "of one class", keep: (one) => one.ofOne }] : []),
        ...part.units.map((units, layer) => ({ name: `layer ${units.block}`, keep: (one) => one.layer === layer }))],
      columns: columnsOf(scene, labelled, mapped) }));
}

function unitRow(units, layer, unit) {
  const known = units.of_class;
  const ofOne = Boolean(known?.of_one[unit]);
  const [dead, group] = [units.rate[unit] === 0, units.group[unit]];
  return { layer, unit, block: units.block, rate: units.rate[unit], high: units.rate_high[unit], energy: units.energy[unit], dead, group,
    factor: units.factor ? units.factor[unit] : -1, klass: known && known.favourite[unit] >= 0 ? known.names[known.favourite[unit]] : null,
    part: known ? known.share[unit] : NaN, size: known ? known.size[unit] : NaN, p: known ? known.p[unit] : NaN, leastP: known?.least_p, ofOne,
    marks: [dead && "dead", group >= 0 && "redundant", ofOne && "of one class"].filter(Boolean) };
}

function columnsOf(scene, labelled, mapped) {
  return [
    { head: "unit", value: (one) => one.unit, cell: (one) => scene.unit(one.layer, one.unit, String(one.unit)) },
    { head: "layer", value: (one) => one.layer, cell: (one) => name(one.block), plain: (one) => one.block },
    ...(mapped ? [{ head: "where", cell: (one) => mapOf(scene, one) }] : []),
    { head: "verdict", value: (one) => one.marks.join(", ") || "active", cell: (one) => (one.marks.length ? one.marks.map((mark) => h("span", { class: `mark ${mark.replaceAll(" ", "-")}` }, mark)) : "active") },
    { head: "active for", value: (one) => one.rate, cell: (one) => percent(one.rate, 1) + (one.dead ? ` (below ${percent(one.high, 2)})` : "") },
    { head: "part of the layer's squares", value: (one) => one.energy, cell: (one) => percent(one.energy, 2) },
    ...(labelled ? [
      { head: "class that it prefers", value: (one) => one.klass ?? "", cell: (one) => (one.klass === null ? "–" : name(one.klass)) },
      { head: "part in that class", value: (one) => one.part, cell: (one) => percent(one.part, 1) },
      { head: "the class's part of the inputs", value: (one) => one.size, cell: (one) => percent(one.size, 1) },
      { head: "p", value: (one) => one.p, cell: (one) => (one.p <= one.leastP * 1.000001 ? `≤\u00a0${number(one.leastP, 1)}` : number(one.p, 2)) }] : []),
    { head: "pattern that uses it most", value: (one) => one.factor + 1, cell: (one) => (one.factor < 0 ? "none" : one.factor < scene.k ? scene.factor(one.factor) : `pattern ${one.factor + 1}`) },
    { head: "like others (group)", value: (one) => (one.group < 0 ? null : one.group), cell: (one) => (one.group < 0 ? "–" : String(one.group)) },
  ];
}

function mapOf(scene, one) {
  const { maps } = scene.part.units[one.layer];
  if (!maps) return "–";
  const [, height, width] = maps.shape;
  const own = row(maps, one.unit);
  own.shape = [1, height, width];
  return mosaicOf(own, 1, `Where unit ${one.unit} of ${one.block} is active`);
}

const POOLED = { mean: ", means", max: ", maxima", token: ", means over channels" };

function summary({ part }, labelled) {
  return plainTable("Units by layer", ["layer", "units", "dead", "redundant", ...(labelled ? ["of one class"] : []), `hold ${percent(part.units[0].holding.part)} of the squares`, "neurons", "dead neurons"],
    part.units.map((units, layer) => [name(units.block), plural(units.n, units.kind) + (units.kind === "neuron" ? "" : POOLED[part.layers[layer].pool] ?? ""),
      ofRate(units, (unit) => units.rate[unit] === 0), units.compared ? ofRate(units, (unit) => units.group[unit] >= 0) : "not compared",
      ...(labelled ? [units.of_class ? ofRate(units, (unit) => units.of_class.of_one[unit]) : "–"] : []), units.holding.n === 0 ? "–" : count(units.holding.n),
      ...(units.neurons ? [count(units.neurons.n), `${count(units.neurons.dead)} (${percent(units.neurons.dead / units.neurons.n)})`] : ["not recorded", "–"])]));
}

const ofRate = (units, keep) => {
  const found = indices(units.n).filter(keep).length;
  return `${count(found)} (${percent(found / units.n)})`;
};
