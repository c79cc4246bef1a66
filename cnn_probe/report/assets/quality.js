// What all networks say together: for each measure whether it goes with accuracy, and whether it moves with scale.

import { details, h, name, number, percent, plainTable, plural, probability, signed } from "./dom.js";
import { addressOf } from "./state.js";
import { dataTable } from "./table.js";

export function qualityTable({ quality: { finding, evidence, rule, rows, factors, scaling, networks }, results }) {
  const said = finding.indexOf(":") + 1 || finding.length; // what follows says why
  return h("article", { class: "study", id: "study-finding", "aria-labelledby": "title-study-finding" },
    h("h3", { id: "title-study-finding", tabindex: "-1" }, "Is RMSE a sign of how well a network was trained?"), h("p", null, h("strong", null, finding.slice(0, said)), finding.slice(said)),
    evidence.length > 0 && [plainTable("What each control says", ["control", "speaks", "what was found"], evidence.map((one) => [one.control, one.speaks_for ? "for" : "against", one.text])), h("p", { class: "note" }, rule)],
    rows.length > 0 && details("Which measures go with accuracy, over all networks", () => plainTable("Rank correlation (Spearman) with accuracy on test images, within a seed; mean over the seeds (range)",
      ["measure", "all networks", "chance", "the paper's studies", "chance", "free of scale"], rows.map((one) => [one.measure, ...correlation(one.all), ...correlation(one.paper), one.scale_free === null ? "–" : one.scale_free ? "yes" : "no"]))),
    scaling.length > 0 && details("Which measures are free of scale", () => plainTable("How far each measure moves where the first layer is multiplied and the next divided, so that the network computes the same",
      ["measure", ...factors.map((factor) => `layer × ${factor}`), "at most", "free of scale (below 1%)"],
      scaling.map((one) => [one.measure, ...factors.map((factor) => moved(one.moves[factor])), moved(one.most), one.scale_free ? "yes" : "no"]))),
    details(`All ${plural(networks.names.length, "network")}, untrained ones too, the most accurate first`, () => h("div", null, networksTable(networks, results),
      h("p", { class: "note" }, "This page has the patterns of one network a condition, in studies that show some; the others were measured alone."))));
}

function networksTable({ ids, names, accuracy, train_accuracy: train, rmse, rank, images }, results) {
  const rows = names.map((called, i) => ({ called, accuracy: accuracy[i], train: train[i], rmse: rmse[i], at: results.findIndex((one) => one.id === ids[i]) }));
  return dataTable({ caption: `Networks, as they were trained; n = ${plural(images, "test image")}`, file: "networks.csv", rows, sortBy: 1, falling: true, words: (one) => one.called, filters: [{ name: "all networks", keep: () => true }, { name: "those that this page shows", keep: (one) => one.at >= 0 }],
    columns: [{ head: "network", value: (one) => one.called, cell: (one) => name(one.called) }, { head: "accuracy on test images", value: (one) => one.accuracy, cell: (one) => percent(one.accuracy, 1) },
      { head: "on what it was trained on", value: (one) => one.train, cell: (one) => percent(one.train, 1) }, { head: `RMSE, rank ${rank} (units of the activations)`, value: (one) => one.rmse, cell: (one) => number(one.rmse) },
      { head: "its patterns", cell: (one) => (one.at < 0 ? "–" : h("a", { href: addressOf({ view: "patterns", result: one.at, thing: "all" }, results), "aria-label": `Patterns of ${one.called}` }, "patterns")) }] });
}

const moved = (move) => (move === null || move === undefined ? "from nothing" : `${signed(move, 2)}%`);
const correlation = (found) => (found ? [`${signed(found.correlation)} (${found.seeds > 1 ? signed(found.low) + " to " + signed(found.high) + "; " : ""}n = ${plural(found.networks, "network")}, ${plural(found.seeds, "seed")})`, found.seeds > 1 ? probability(found.chance) : "–, one seed"] : ["–", "–"]);
