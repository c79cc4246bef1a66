// Units: which are dead, redundant, of one class; each with its map.

import { count, h, name, number, percent, plainTable } from "./dom.js";
import { indices, row, thresholds } from "./data.js";
import { mosaicOf } from "./pictures.js";
import { dataTable } from "./table.js";

export function unitsView(scene) {
  const { part } = scene;
  const rows = part.units.flatMap((units, layer) => indices(units.n).map((unit) => unitRow(units, layer, unit)));
  const labelled = part.units.find((units) => units.of_class);
  const dead = part.units[0]?.bound ?? 0;
  const mapped = part.units.some((units) => units.maps);
  return h("div", null,
    h("p", { class: "lead" }, "Channels of a layer that has places, neurons of one that has none. ", h("b", null, "Dead"), `: active for none of the ${count(part.n)} inputs, so for fewer than ${number(100 * dead, 2)}% of such inputs with 95% confidence, each by itself. `,
      h("b", null, "Redundant"), ": as active as another in every input, nearly, but for its scale (a cosine of ", number(thresholds.same), " or more). ",
      labelled && [h("b", null, "Of one class"), `: ${percent(labelled.of_class.least)} of its activation or more lies in inputs of one class, beyond chance. `],
      mapped && "A map is where the channel is active, on average over the inputs, on a scale of its own. ", "What holds of these inputs need not hold of others."),
    summary(part, labelled),
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
    part: known ? known.share[unit] : NaN, p: known ? known.p[unit] : NaN, ofOne,
    marks: [dead && "dead", group >= 0 && "redundant", ofOne && "of one class"].filter(Boolean) };
}

function columnsOf(scene, labelled, mapped) {
  return [
    { head: "unit", value: (one) => one.unit, cell: (one) => scene.unit(one.layer, one.unit, String(one.unit)) },
    { head: "layer", value: (one) => one.layer, cell: (one) => name(one.block), plain: (one) => one.block },
    ...(mapped ? [{ head: "where", cell: (one) => mapOf(scene, one) }] : []),
    { head: "verdict", value: (one) => one.marks.join(", "), cell: (one) => (one.marks.length ? one.marks.map((mark) => h("span", { class: `mark ${mark.replaceAll(" ", "-")}` }, mark)) : "used") },
    { head: "active for", value: (one) => one.rate, cell: (one) => percent(one.rate, 1) + (one.dead ? ` (below ${percent(one.high, 2)})` : "") },
    { head: "part of the layer's squares", value: (one) => one.energy, cell: (one) => percent(one.energy, 2) },
    ...(labelled ? [
      { head: "class with most of it", value: (one) => one.klass ?? "", cell: (one) => (one.klass === null ? "–" : name(one.klass)) },
      { head: "part in that class", value: (one) => one.part, cell: (one) => percent(one.part) },
      { head: "p", value: (one) => one.p, cell: (one) => number(one.p, 2) }] : []),
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

function summary(part, labelled) {
  return plainTable("Units by layer", ["layer", "channels", "dead", "redundant", ...(labelled ? ["of one class"] : []), "neurons", "dead neurons"],
    part.units.map((units) => [name(units.block), units.kind === "channel" ? count(units.n) : "–", ofRate(units, (unit) => units.rate[unit] === 0),
      units.compared ? ofRate(units, (unit) => units.group[unit] >= 0) : "not compared",
      ...(labelled ? [units.of_class ? ofRate(units, (unit) => units.of_class.of_one[unit]) : "–"] : []),
      count(units.neurons.n), `${count(units.neurons.dead)} (${percent(units.neurons.dead / units.neurons.n)})`]));
}

const ofRate = (units, keep) => {
  const found = indices(units.n).filter(keep).length;
  return `${count(found)} (${percent(found / units.n)})`;
};
