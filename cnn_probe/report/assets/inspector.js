// What is selected, in short, with ways to all views of it.

import { details, h, joined, name, percent, plural, points } from "./dom.js";
import { indices, largestFirst, row, thresholds } from "./data.js";
import { inNumbers } from "./numbers.js";
import { mosaicOf } from "./pictures.js";
import { PREFERRED, inWords, partOfBlocks } from "./scene.js";

const SHOWN = { factor: ["patterns", "walk", "atlas", "units", "inputs"], class: ["patterns", "units", "inputs"], input: ["inputs", "patterns"], unit: ["units", "walk", "atlas", "patterns"] };

export function inspectorOf(scene, thing) {
  const [title, picture, facts, grids] = { factor: aboutFactor, class: aboutClass, input: aboutInput, unit: aboutUnit }[thing.kind](scene, thing);
  return [h("div", { class: "line" }, h("h2", { tabindex: "-1" }, title),
    h("button", { type: "button", class: "more", "aria-controls": "inspected", onclick: (event) => unfold(event.currentTarget) }, "more"),
    copier(), h("a", { class: "clear", href: scene.address({ thing: "all" }), "aria-label": "clear (Esc)" }, "clear", h("span", { class: "key" }, " (Esc)"))),
  h("div", { id: "inspected" }, picture && h("div", { class: "shown" }, picture), h("ul", null, facts.filter(Boolean).map((fact) => h("li", null, fact)))),
  h("p", { class: "ways" }, "See it in: ", SHOWN[thing.kind].map((view) => [h("a", { href: scene.address({ view, thing: thing.key }) }, view), " "]), h("span", { class: "key" }, "By keyboard: S leads here from a link, and back.")),
  ...(grids ? [details("Its pictures in numbers", () => h("div", null, grids.map(inNumbers)))] : [])];
}

// In a narrow window what is selected is one line until somebody asks for more; it stays as it was asked for.
export function unfold(button, on = button.getAttribute("aria-expanded") !== "true") {
  button.setAttribute("aria-expanded", String(on));
  button.closest("aside").classList.toggle("unfolded", on);
}

// Where a page may not write what is copied, as from a file in some browsers, the address stands there to be taken.
function copier() {
  const typed = h("input", { type: "text", readonly: true, hidden: true, "aria-label": "Address of what is selected" });
  const take = () => {
    typed.value = location.href;
    typed.hidden = false;
    typed.select();
  };
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(location.href);
      button.textContent = "copied: send the file, too";
    } catch {
      take();
    }
  };
  const button = h("button", { type: "button", onclick: copy }, "copy link");
  return h("span", { class: "copy", role: "status" }, button, " ", typed);
}

function aboutFactor(scene, { index: i }) {
  const { part } = scene;
  const units = part.layers.flatMap((layer, at) => (scene.sameUnits(at) ? scene.standingOut(at, i).slice(0, 3).map((c) => scene.unit(at, c)) : []));
  const classes = part.classes.names.map((_, c) => c).filter((c) => scene.factorsOfClass(c).includes(i));
  const [ablated, stable] = [part.ablation, part.stability];
  const at = ablated ? ablated.factors.indexOf(i) : -1;
  return [`Pattern ${i + 1}`, scene.latent(i), [
    joined(partOfBlocks(part, i).slice(0, 4).map(inWords)),
    classes.length > 0 && ["more than its size in ", joined(classes.sort((a, b) => scene.classParts(i)[b] - scene.classParts(i)[a]).slice(0, 4).map((c) => [scene.klass(c), ` (${percent(scene.classParts(i)[c])})`]))],
    units.length > 0 && ["stands out in ", joined(units.slice(0, 6))],
    at >= 0 && ["taken out of ", name(ablated.layer), `: ${points(row(ablated.change, at)[ablated.hit[at]])} points of class `, name(ablated.classes[ablated.hit[at]]), `; ${ablated.said[at]}`],
    stable && `${stable.verdicts[i]}: ${stable.counts[i]}`,
    ["most in ", joined(Array.from(row(part.factors.top, i)).slice(0, 3).map((place) => scene.link(`input-${part.inputs.number[place]}`, `#${part.inputs.number[place]}`)))]],
    picturesOf(part, i)];
}

function picturesOf({ factors, inputs }, i) {
  const found = [factors.latent && { of: `Pixels of pattern ${i + 1}`, maps: row(factors.latent, i) },
    factors.heat && { of: Array.from(row(factors.top, i), (place) => `Where it is in input #${inputs.number[place]}`), maps: row(factors.heat, i) }].filter(Boolean);
  return found.length > 0 && found;
}

function aboutClass(scene, { index: c }) {
  const { part } = scene;
  const factors = scene.factorsOfClass(c).sort((a, b) => scene.classParts(b)[c] - scene.classParts(a)[c]);
  const units = scene.unitsOfClass(c).map(([layer, unit]) => scene.unit(layer, unit));
  return [["Class ", name(part.classes.names[c])], null, [
    `${plural(part.classes.counts[c], "input")} of ${part.n}, by ${part.classes.of.split(" ")[0] === "label" ? "label" : "prediction"}`,
    factors.length ? ["patterns: ", joined(factors.slice(0, 5).map((i) => [scene.factor(i), ` (${percent(scene.classParts(i)[c])})`]))] : "no pattern has much more in it than its size",
    units.length > 0 && ["units of this class alone: ", joined(units.slice(0, 6))]]];
}

function aboutInput(scene, { index }) {
  const { part } = scene;
  const place = scene.placeOf.get(index);
  const [label, predicted] = [scene.labelOf(place), scene.predictedOf(place)];
  const shares = scene.sharesOf(place);
  const suspected = part.suspects.filter((found) => found.input.includes(place));
  return [["Input ", scene.inputName(place)], part.inputs.pictures && scene.input(place), [
    (label !== null || predicted !== null) && [label !== null && ["label ", name(label), "; "], predicted !== null && ["predicted ", name(predicted)]],
    `${percent(part.inputs.residual[place], 1)} of it is left unexplained (${percent(part.inputs.quantile[place])} of the inputs have as much, or less)`,
    ["patterns: ", joined(largestFirst(shares).slice(0, 4).filter((i) => shares[i] > 0).map((i) => [scene.factor(i), ` (${percent(shares[i])})`]))],
    suspected.length > 0 && `its label looks wrong by the ${suspected.map((found) => found.source).join(" and the ")}`]];
}

function aboutUnit(scene, { layer, index }) {
  const { part } = scene;
  const at = scene.layerOf.get(layer);
  const units = part.units[at];
  const known = units.of_class;
  const own = units.maps && row(units.maps, index);
  if (own) own.shape = [1, ...units.maps.shape.slice(1)];
  const factors = scene.sameUnits(at) ? scene.factorsOfUnit(at, index) : [];
  const alike = indices(units.n).filter((unit) => unit !== index && units.group[index] >= 0 && units.group[unit] === units.group[index]);
  return [[`${units.kind} ${index} of `, name(units.block)], own && mosaicOf(own, 1, `Where ${units.kind} ${index} is active`), [
    units.rate[index] === 0 ? "dead: active for none of these inputs" : `active for ${percent(units.rate[index], 1)} of the inputs; ${percent(units.energy[index], 1)} of the layer's squares`,
    known && known.favourite[index] >= 0 && [known.of_one[index] ? "of one class: " : "prefers class ", name(known.names[known.favourite[index]]), ` (${percent(known.share[index])} of it; the class is ${percent(known.size[index])} of the inputs)`,
      !known.of_one[index] && h("span", { class: "note" }, `: ${PREFERRED}`)],
    alike.length > 0 && ["redundant with ", joined(alike.slice(0, 6).map((unit) => scene.unit(at, unit, String(unit))))],
    factors.length > 0 ? ["stands out in ", joined(factors.slice(0, 5).map((i) => [scene.factor(i), ` (×${row(part.layers[at].lift, i)[index].toFixed(1)})`]))] : `no pattern of which it is ${percent(thresholds.worth)} or more has it ${thresholds.above} times its mean share`],
    own && [{ of: `Where ${units.kind} ${index} is active, on average`, maps: own }]];
}
