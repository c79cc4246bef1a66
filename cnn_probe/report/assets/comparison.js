// The patterns of a result beside those of another network on the same inputs: matched, changed, only here, only there.

import { count, details, h, name, number, percent, plainTable } from "./dom.js";
import { indices, row } from "./data.js";
import { inNumbers } from "./numbers.js";
import { latentOf, pictureOf } from "./pictures.js";
import { ofInputs } from "./scene.js";

const SAID = { lost: "only here", new: "only there" };

export function comparisonView(scene) {
  const found = scene.part.comparison;
  const { factors, counts } = found;
  return h("div", null,
    h("p", { class: "lead" }, "Beside ", name(found.with), ": the same inputs, probed in the same way. Patterns of the two are matched one to one by how alike they are over the inputs (cosine, 0 to 1). ", ofInputs(scene.part), "."),
    h("p", null, `${counts.matched} matched, ${counts.changed} changed, ${counts.lost} only here, ${counts.new} only there, ${counts.unmatched} without a match that say nothing. `,
      `What only one has is beyond the spread of ${found.n_own} other starts of each network; were the networks one, about ${number(found.by_chance, 2)} would be by chance.`),
    h("p", { class: "cannot" }, h("b", null, "What this cannot tell: "), "whether a pattern that only one has matters for its outputs."),
    plainTable("Patterns of both networks", ["here", "its pixels here", "there", "its pixels and inputs there", "alike", "own starts", "other network", "verdict"],
      indices(factors.verdict.length).map((i) => [
        ...side(factors.a[i], (f) => [scene.factor(f), f < scene.k ? scene.latent(f) : null]),
        ...side(factors.b[i], (f) => [`its pattern ${f + 1}`, [found.latent && f < found.latent.shape[0] && latentOf(row(found.latent, f), `Latent image of its pattern ${f + 1}`), tops(found, f)]]),
        number(factors.similarity[i], 3), range(factors, "own", i), range(factors, "across", i), h("strong", null, SAID[factors.verdict[i]] ?? factors.verdict[i])])),
    found.latent && details("Latent images of the other in numbers", () => h("div", null, indices(found.latent.shape[0]).map((f) => inNumbers({ of: `Pixels of its pattern ${f + 1}`, maps: row(found.latent, f) })))),
    errorsTable(found.errors),
    found.dead.length > 0 && plainTable("Dead units of both, of all numbers that were recorded: each place of a channel is one", ["layer", "recorded", "dead here alone", "dead there alone", "dead in both"],
      found.dead.map(([block, ...numbers]) => [name(block), ...numbers.map(count)])),
    Object.entries(found.skipped).map(([block, why]) => h("p", { class: "note" }, name(block), ` is not compared: ${why}.`)));
}

const side = (factor, draw) => (factor === null || factor < 0 ? ["–", ""] : draw(factor));

function range(factors, which, i) {
  const [low, high] = [factors[`${which} least`], factors[`${which} most`]];
  return !low || low[i] === null ? "–" : `${number(low[i], 3)} to ${number(high[i], 3)}`;
}

function tops(found, f) {
  if (!found.pictures || f >= found.top.shape[0]) return null;
  return h("div", { class: "tops" }, indices(found.n_tops).map((j) => pictureOf(found.pictures, f * found.n_tops + j, `Input #${row(found.top, f)[j]}`)));
}

function errorsTable(errors) {
  const heads = Object.keys(errors).filter((head) => !head.startsWith("±") || errors[head].some((one) => typeof one === "number"));
  const intervals = heads.some((head) => head.startsWith("±"));
  const said = { "error in a": "left here", "± a": "± here", "error in b": "left there", "± b": "± there", "b - a": "there less here" };
  return plainTable(`What is left of each block, in both: parts of its squares${intervals ? ", with 95% intervals" : ""}`, heads.map((head) => said[head] ?? head), indices(errors[heads[0]].length).map((i) =>
    heads.map((head, j) => (j === 0 ? name(errors[head][i]) : typeof errors[head][i] === "number" ? percent(errors[head][i], 2) : String(errors[head][i] ?? "–")))));
}
