// Studies: the paper's claims with verdicts, errors by rank, spectra, and the controls beside them.

import { bar, details, h, name, number, percent, plainTable, plural, probability, stackedTable } from "./dom.js";
import { indices, row, thresholds } from "./data.js";
import { classDetails } from "./classes.js";
import { qualityTable } from "./quality.js";
import { chart, legend, numbersOf, ranged, spreadOf } from "./charts.js";

export function studiesView(document) {
  const { quality, studies } = document;
  return h("div", { class: "studies show-raw" },
    h("p", { class: "lead" }, "Each condition is a way to train the network; each line is the mean over networks (seeds), its band their range. A verdict counts networks, not ranks of one network: reproduced, or in part, where the same comes by chance in 5% of the cases or fewer; not, where what speaks against it does; undecided otherwise, and where all networks learned little. Chances are of each claim by itself: of 20 without an effect about one comes out either way."),
    h("fieldset", { class: "switch" }, h("legend", null, "Show errors and spectra"),
      [["raw", "raw, as in the paper"], ["free", "free of scale, of another fit: each block weighs the same"]].map(([kind, said], i) => h("label", null,
        h("input", { type: "radio", name: "scale", value: kind, checked: i === 0, onchange: (event) => switchTo(event.target, kind) }), ` ${said} `))),
    contentsOf(document),
    quality && qualityTable(document),
    studies.map((study) => studyOf(study)));
}

function contentsOf({ quality, studies }) {
  return h("nav", { class: "contents", "aria-label": "Studies" }, h("ul", null, [quality && { id: "study-finding", title: "What all networks say" }, ...studies].map((one) =>
    one && h("li", null, h("a", { href: `#${one.id}` }, one.title)))));
}

// What an address may name: it then shows itself, whatever the page shows.
function charted(id, kind, content) {
  const element = h("div", { id, tabindex: "-1", class: kind }, content);
  element.show = () => element.closest(".studies").querySelector(`input[value=${kind}]`).click();
  return element;
}

function folded(id, summary, content) {
  return Object.assign(details(summary, content), { id, tabIndex: -1 });
}

function switchTo(input, kind) {
  const view = input.closest(".studies");
  view.classList.toggle("show-raw", kind === "raw");
  view.classList.toggle("show-free", kind === "free");
}

function studyOf(study) {
  return h("article", { class: "study", id: study.id, "aria-labelledby": `title-${study.id}` },
    h("h3", { id: `title-${study.id}`, tabindex: "-1" }, study.title), study.question && h("p", null, study.question),
    study.claims.length > 0 && claimsTable(study), conditionsTable(study),
    legend(study.conditions.map((one) => ({ label: name(one.label), look: one.look }))),
    h("h4", null, "Errors by rank"), h("div", { class: "charts raw" }, errorChart(study, study.errors.filter((one) => !one.free))),
    h("p", { class: "note" }, "Dotted: the least error that any factorization of this rank can have (SVD)."),
    h("div", { class: "charts free" }, errorChart(study, study.errors.filter((one) => one.free))),
    study.spectra.length > 0 && [h("h4", null, "Singular values"),
      h("div", { class: "charts raw" }, study.spectra.map((one) => spectrumChart(study, one, false))),
      h("div", { class: "charts free" }, study.spectra.map((one) => spectrumChart(study, one, true)))],
    details("In numbers", () => h("div", null, study.errors.map((one) => numbersOf(`${one.title}, mean over the seeds (range)`, "rank", withFloors(seriesOf(study, one)), (value) => number(value, 3))),
      study.spectra.map((one) => numbersOf(`Singular values of ${one.layer}, mean over the seeds (range)`, "which", spectrumOf(study, one, false), (value) => number(value, 3))))),
    study.measures.length > 0 && folded(`${study.charts}-measures`, "Effective ranks, zeros, dead neurons", () => measuresTable(study)),
    study.classes && classDetails(study, folded));
}

const seriesOf = (study, one) => study.conditions.map((condition, c) => {
  const values = row(one.values, c);
  const spread = spreadOf(indices(values.shape[0]).map((seed) => Array.from(row(values, seed))));
  const floors = one.floor && row(one.floor, c);
  return { ...spread, label: condition.label, look: condition.look, x: study.ranks,
    floor: floors && spreadOf(indices(floors.shape[0]).map((seed) => Array.from(row(floors, seed)))).mean };
});

function errorChart(study, errors) {
  return errors.map((one) => charted(one.id, one.free ? "free" : "raw", chart({ title: one.title, xLabel: "rank (latent factors)", yLabel: one.unit, near: true, series: seriesOf(study, one), said: `n = ${plural(study.seeds, "network")} a condition` })));
}

// Floors as lines of their own, for a table.
const withFloors = (series) => series.flatMap((one) => [one, ...(one.floor ? [{ label: `${one.label}: the least (SVD)`, x: one.x, mean: one.floor, n: 1 }] : [])]);

function spectrumOf(study, { values, reference }, over) {
  const scaled = (curve) => curve.map((value) => (value > thresholds.resolved * curve[0] ? value / (over ? curve[0] : 1) : NaN)); // below is rounding
  const lines = study.conditions.map((condition, c) => {
    const own = row(values, c);
    const spread = spreadOf(indices(own.shape[0]).map((seed) => scaled(Array.from(row(own, seed)))));
    return { ...spread, label: condition.label, look: condition.look, x: indices(spread.mean.length).map((i) => i + 1) };
  });
  const floor = reference && spreadOf(indices(reference.shape[0]).map((seed) => scaled(Array.from(row(reference, seed))))).mean;
  if (floor) lines.push({ label: "untrained", look: 1, x: indices(floor.length).map((i) => i + 1), mean: floor, low: floor, high: floor, floor, n: 1 });
  return lines;
}

// What stands beside others: drawn as a floor alone.
const dotted = (one) => (one.floor ? { ...one, mean: one.floor.map(() => NaN) } : one);

function spectrumChart(study, one, over) {
  const { layer, values, reference, n_all: all } = one;
  const n = values.shape.at(-1);
  const said = `n = ${plural(study.seeds, "network")} a condition.${all > n ? " The first " + n + " of " + all + "." : ""}${reference ? " Dotted: untrained networks." : ""}`;
  return chart({ title: `${layer}${over ? ", over the first" : ""}`, xLabel: "which singular value", yLabel: over ? "part of the first" : "singular value", series: spectrumOf(study, one, over).map(dotted), log: true, said });
}

function claimsTable(study) {
  const tests = [...new Set(study.claims.map((one) => one.test).filter(Boolean))];
  const table = stackedTable("Claims, held against the networks",
    ["claim", "verdict", "holds in", "chance of the same without an effect", "chance of what speaks against it", "test, see below"],
    study.claims.map((one) => [one.claim, [h("a", { href: `#${one.show}`, class: `said-${one.verdict}` }, one.word), one.reason && h("span", { class: "note" }, `: ${one.reason}`)],
      [`${one.holds} of ${one.comparisons} ${one.counted}`, besides(one)], chanceOf(one), probability(one.against ?? null), one.test ? String(tests.indexOf(one.test) + 1) : "–"]));
  return [table, tests.length > 0 && h("ol", { class: "note", "aria-label": "Tests of the claims" }, tests.map((one) => h("li", null, one)))];
}

// What is to be known of the comparisons, too: whether it was accuracy that differed, and how many networks know little.
function besides({ comparisons, little, more_accurate: more, reason }) {
  const said = [Number.isFinite(more) && comparisons > 0 && `in ${more} that one is the more accurate`, little > 0 && !reason && `${little} of the networks learned little`].filter(Boolean);
  return said.length > 0 && h("span", { class: "note" }, `; ${said.join("; ")}`);
}

function chanceOf({ chance, least_chance: least, networks }) {
  if (chance === undefined || chance === null) return "–";
  const few = least > thresholds.level ? `; ${plural(networks, "network")} cannot fall below ${percent(least, 1)}` : "";
  return `${probability(chance)}${few}`;
}

function conditionsTable(study) {
  const each = (values, digits = 1) => (values.length === 1 ? percent(values[0], digits) : `${percent(values.reduce((a, b) => a + b, 0) / values.length, digits)} (${percent(Math.min(...values), digits)} to ${percent(Math.max(...values), digits)})`);
  return plainTable("Conditions: mean over the networks (range)", ["trained on", "networks", "accuracy, paper", "accuracy on test images", "on what they were trained on", "classes recognized"],
    study.conditions.map((one) => [[name(one.label), one.saw && h("span", { class: "note" }, ` (${one.saw})`)], String(one.accuracy.length), one.paper === null ? "–" : `${one.paper.toFixed(0)}%`,
      [each(one.accuracy), one.little > 0 && h("span", { class: "note" }, ` ${one.little} of them learned little`)], one.train_accuracy.length ? each(one.train_accuracy) : "–", one.recognized]));
}

function measuresTable(study) {
  return plainTable("Measures, mean over the networks (range)", ["measure", ...study.conditions.map((one) => one.label)],
    study.measures.map((one) => {
      const found = one.values.map((values) => spreadOf(values.map((value) => [value])));
      const most = Math.max(...found.map(({ mean }) => mean[0]), 1e-12);
      return [one.title, ...found.map(({ mean, low, high, n }) => [bar(mean[0] / most), ranged(mean[0], low[0], high[0], n, number)])];
    }));
}
