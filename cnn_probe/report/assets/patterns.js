// Patterns: a card a factor.

import { bar, details, h, name, number, percent, plainTable, points, plural } from "./dom.js";
import { indices, largestFirst, row } from "./data.js";
import { PREFERRED, ofInputs, partOfBlocks } from "./scene.js";
import { thingOf } from "./state.js";

const CLASSES = 5; // that a card names
const BLOCKS = 6; // whose shares a card lists

export function patternsView(scene) {
  const { part } = scene;
  const heat = part.inputs.pictures && part.factors.heat;
  return h("div", null,
    h("p", { class: "lead" }, `A pattern is a factor, here of a factorization of rank ${part.rank}: it occurs together in the inputs and in all layers, and each input is, nearly, a sum of patterns. `,
      "They stand in order of energy, the squares of their part in all blocks as the fit weighed them. In Python and in its files they are counted from 0, here from 1. ", ofInputs(part), "."),
    part.beyond_chance && h("p", { class: "note" }, `A pattern prefers ${PREFERRED}; it goes with that class where this is beyond chance.`),
    heat && h("label", { class: "switch" },
      h("input", { type: "checkbox", checked: true, onchange: (event) => event.target.closest("section").classList.toggle("plain", !event.target.checked) }),
      " Orange: where in each input the pattern is, by ", name(part.factors.heat_layer)),
    heat && h("p", { class: "note" }, toldOfPlaces(part)),
    h("div", { class: "patterns" }, indices(scene.k).map((i) => patternCard(scene, i))),
    part.rank > scene.k && h("p", { class: "note" }, `The ${scene.k} of most energy, of ${part.rank} patterns.`));
}

// What the orange is, of how many places, and what it is not.
function toldOfPlaces({ factors, layers }) {
  const pooled = ["mean", "max"].includes(layers.find(({ layer }) => layer === factors.heat_layer).pool);
  const [places, drawn] = [factors.heat_places, factors.heat.shape.slice(2)].map((sides) => sides.join("×"));
  return [pooled ? "How much of the pattern the channels at each place hold. " : "What part of the input's own activations at each place is the pattern's, summed over the channels. ",
    "One scale a pattern, by the square of the amount: the strongest place of all its inputs has the fullest orange. ",
    `The map has ${places} places, ${places === drawn ? "" : "drawn as " + drawn + ", "}enlarged and smoothed. A place has seen pixels from around it: this is no attribution to pixels.`];
}

function patternCard(scene, i) {
  const { part } = scene;
  return h("article", { class: "pattern", "data-row": thingOf.factor(i) },
    h("h3", null, scene.factor(i, `Pattern ${i + 1}`)),
    h("div", { class: "heads" },
      part.factors.latent && h("figure", null, scene.latent(i), h("figcaption", null, "its pixels")),
      sharesOf(part, i)),
    inputsOf(scene, i), classesOf(scene, i), causedBy(scene, i), againOf(part, i));
}

// Of many blocks the first, the last and the one with most of it; the others are folded.
function sharesOf(part, i) {
  const blocks = partOfBlocks(part, i);
  const ends = [0, largestFirst(blocks.map((one) => one.share))[0], blocks.length - 1];
  const shown = blocks.length > BLOCKS ? blocks.filter((_, b) => ends.includes(b)) : blocks;
  const list = (some) => h("dl", { class: "shares" }, some.map(({ block, share }) => [h("dt", null, name(block)), h("dd", null, bar(share), percent(share, 1))]));
  return h("div", { class: "parts" }, h("p", { class: "note" }, "Its part of the squares of"), list(shown),
    shown.length < blocks.length && details(`all ${blocks.length} blocks`, () => list(blocks)));
}

function inputsOf(scene, i) {
  const { factors, inputs } = scene.part;
  const places = row(factors.top, i);
  const shares = row(factors.top_share, i);
  const heat = factors.heat && row(factors.heat, i);
  const tiles = (hot) => h("ol", { class: `tiles ${hot ? "hot" : "cold"}` }, Array.from(places, (place, j) =>
    h("li", null, scene.input(place, hot ? row(heat, j) : null, `#${inputs.number[place]} · ${percent(shares[j])}`))));
  return [h("h4", null, "Inputs with the largest part of it"), heat && inputs.pictures ? [tiles(true), tiles(false)] : tiles(false)];
}

function classesOf(scene, i) {
  const found = scene.byClass;
  if (!found) return null;
  const parts = scene.classParts(i);
  const beyond = scene.part.beyond_chance;
  const other = scene.part.class_parts[0].parts.predicted;
  const both = found.of === "label" && other;
  return [
    h("h4", null, found.of === "label" ? "Its amount, by class" : "Its amount, by the class that the network predicts"),
    h("ul", { class: "classes" }, largestFirst(parts).slice(0, CLASSES).filter((c) => parts[c] > 0.005).map((c) =>
      h("li", null, scene.klass(c), " ", bar(parts[c]), percent(parts[c]), both && h("span", { class: "note" }, ` (predicted: ${percent(row(other, i)[c] / 100)})`)))),
    beyond && h("p", { class: "note" }, toldOfClass(beyond, i))];
}

// The class that it prefers, which need not be the one that most of it lies in: that is mostly the commonest.
function toldOfClass(beyond, i) {
  if (beyond.class[i] === null) return "It is in none of the inputs.";
  return [beyond.goes[i] ? ["Goes with ", h("strong", null, name(beyond.class[i]))] : ["Goes with no class beyond chance; prefers ", name(beyond.class[i])],
    `: ${percent(beyond.share[i])} of it`, beyond.goes[i] && ` (95%: ${percent(beyond.low[i])} to ${percent(beyond.high[i])})`,
    `, ${number(beyond.lift[i], 2)} times the class's ${percent(beyond.size[i])} of the inputs; `,
    `${pOf(beyond, i)}, of all patterns together.`];
}

// So many permutations, or shuffles, give no less than their least.
const pOf = ({ p, least_p: least }, i) => (p[i] <= 1.001 * least ? "p ≤ " + least.toFixed(3) : "p = " + p[i].toFixed(3));

const ends = (low, high, c) => (Number.isNaN(low[c]) ? "–" : `${points(low[c])} to ${points(high[c])}`);

function causedBy(scene, i) {
  const found = scene.part.ablation;
  const at = found ? found.factors.indexOf(i) : -1;
  if (at < 0) return null;
  const [change, low, high] = [found.change, found.low, found.high].map((values) => row(values, at));
  const hit = found.hit[at];
  const chance = (p) => (found.tested ? ` (${pOf({ p, least_p: 1 / (1 + found.n_shuffles) }, at)})` : "");
  return [h("h4", null, "Taken out of ", name(found.layer)),
    h("p", null, "Class ", name(found.classes[hit]), " ", h("strong", null, `${points(change[hit])} points`),
      ` of probability (${Number.isNaN(low[hit]) ? "too few inputs for an interval" : "95% of all classes together: " + ends(low, high, hit)}; n = ${found.n_inputs[hit]}). Verdict: `, h("em", null, found.said[at]), ". ",
      `${percent(found.kept[at])} of the inputs keep their class.`),
    h("p", { class: "note" }, `As much of other directions, the hardest of each kind: of ${plural(found.n_shuffles, "direction")} with shuffled neurons ${points(found.shuffled[at])} points${chance(found.p)}; `,
      `of ${found.n_shuffles} drawn like the layer's own activations ${points(found.alike[at])}${chance(found.p_alike)}; the first principal direction ${points(found.principal[at])}.`,
      !found.tested && " Chance is tested with 20 directions or more."),
    details("What it does to each class", () => plainTable(`Pattern ${i + 1} taken out: points of probability`, ["class", "change", "95% interval, of all together", "inputs"],
      found.classes.map((one, c) => [name(one), points(change[c]), ends(low, high, c), String(found.n_inputs[c])])))];
}

function againOf(part, i) {
  const found = part.stability;
  return found && [h("h4", null, "Does it come out again?"), h("p", null, h("strong", null, found.verdicts[i]), `: ${found.counts[i]}.`)];
}
