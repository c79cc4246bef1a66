// Where it all comes from, how to run it again, and what the page cannot tell.

import { download, h, name, number, percent, plainTable } from "./dom.js";
import { indices, plainOf } from "./data.js";

export function aboutView(scene, document) {
  const { about } = document;
  return h("div", null,
    h("h3", null, "What this page cannot tell"), h("ul", null, about.limits.map((one) => h("li", null, one))),
    about.notes.length > 0 && [h("h3", null, "What is left out of this page"), h("ul", null, about.notes.map((one) => h("li", null, one)))],
    scene && [useTable(scene.part), agreement(scene.part), recordedTable(scene.part)],
    h("h3", null, "Where it comes from"),
    h("dl", { class: "facts" }, about.facts.map(([what, said]) => [h("dt", null, what), h("dd", null, said)])),
    about.command && [h("h3", null, "How to run it again"), h("pre", { tabindex: "0", "aria-label": "Command" }, about.command)],
    h("p", null, h("button", { type: "button", onclick: () => download("cnn-probe.json", JSON.stringify(plainOf(document)), "application/json") }, "Save all numbers as JSON")),
    about.files.length > 0 && [h("h3", null, "Files beside this page"), h("p", { class: "note" }, "In the folder that the page was made in; they are not in the page, and do not travel with it.", about.vectors && " Each PNG lies there as an SVG, too."),
      h("ul", { class: "files" }, about.files.map((file) => h("li", null, h("a", { href: file.split("/").map(encodeURIComponent).join("/") }, name(file)))))]);
}

function useTable({ use, blocks }) {
  const heads = ["relative error", "SVD floor", "k-means", "separate NMF", "coupling costs", "explained variance", "zeros"];
  if (!use) {
    return [h("h3", null, "What is left of each block"), plainTable("Errors by block", ["block", "numbers an input", "relative error", "RMSE"],
      blocks.map((block) => [name(block.name), String(block.n_features), percent(block.relative_error, 1), number(block.rmse)]))];
  }
  return [h("h3", null, "How much is used, and what coupling costs"),
    h("p", null, "Relative errors, in parts of each block's squares: of this factorization; the least of any of this rank (SVD); of as many cluster centres (k-means); of a factorization of the block alone. The effective rank is as Roy and Vetterli define it."),
    plainTable("Use of each block", ["block", ...heads, "effective rank", "mean removed"], use.block.map((block, i) =>
      [name(block), ...heads.map((head) => percent(use[head][i], 1)), number(use["effective rank"][i]), number(use["effective rank, mean removed"][i])]))];
}

function agreement({ agreement: found }) {
  return found && [h("h3", null, "What the patterns keep of the decisions"),
    plainTable("For how many inputs the linear head gives the network's class", ["of", "agrees", "95% interval"],
      indices(found.of.length).map((i) => [found.of[i], percent(found.agreement[i], 1), found.low[i] === null ? "by definition" : `${percent(found.low[i], 1)} to ${percent(found.high[i], 1)}`]))];
}

function recordedTable(part) {
  const skipped = Object.entries(part.skipped);
  return [h("h3", null, "What was recorded"),
    plainTable("Layers", ["layer", "shape of one output", "taken", "negative values", "in memory"],
      part.recorded.map((one) => [name(one.layer), one.shape.join("×"), one.pool, one.negative, one.bytes])),
    skipped.length > 0 && [h("p", null, "Left out, since they cannot be recorded:"), h("ul", null, skipped.map(([layer, why]) => h("li", null, name(layer), `: ${why}`)))]];
}
