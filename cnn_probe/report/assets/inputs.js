// Inputs: the least explained, labels that look wrong, single decisions, and all that are on the page.

import { bar, count, details, h, name, number, percent, plainTable, signed } from "./dom.js";
import { indices, largestFirst, row } from "./data.js";
import { dataTable } from "./table.js";
import { thingOf } from "./state.js";

export function inputsView(scene) {
  const { part } = scene;
  const { inputs } = part;
  const { files } = scene.document.about;
  return h("div", null,
    h("p", { class: "lead" }, inputs.n_all === inputs.number.length ? `All ${count(inputs.n_all)} inputs are on this page. ` : `${count(inputs.number.length)} of ${count(inputs.n_all)} inputs are on this page: those that something is said of, and others from all over. ${files.some((file) => /residuals[.]csv$/.test(file)) ? "All are in the CSV files beside it. " : ""}`,
      "Inputs are counted from 0, in the order they were given."),
    h("h3", null, "Least explained"),
    h("p", null, "Of these inputs most is left that no pattern explains, in parts of their squares, weighted as in the fit; of the median input ", percent(inputs.median_residual), " is left. Rare inputs, mistaken labels and inputs from elsewhere look alike here."),
    h("ol", { class: "tiles large" }, Array.from(part.worst, (place) => h("li", null, scene.input(place, null, `#${inputs.number[place]} · ${percent(inputs.residual[place])} left`)))),
    inputs.label && [h("h3", null, "Labels that look wrong"), part.suspects.length === 0 && notTold(part, scene.document.about.full)],
    part.suspects.map((found) => suspectsOf(scene, found)),
    part.decisions.length > 0 && [h("h3", null, "Single decisions, taken apart"), h("p", null, "What each pattern adds to the first output over the second, through the linear layer that follows; with what no pattern explains (rest) and the bias, it adds up to the margin."),
      h("div", { class: "decisions" }, part.decisions.map((one) => decision(scene, one)))],
    h("h3", null, "The inputs on this page"), allInputs(scene));
}

// Why nothing is said of labels: it cannot be, or was not asked for, and how it is.
function notTold({ no_suspects: why }, full) {
  if (why) return h("p", null, `Not told here: ${why}.`);
  return [h("p", null, "Not told here: cnn-probe run and probe look for them with --full, in Python save_page(..., full=True) does", full ? ":" : "."),
    full && h("pre", { tabindex: "0", "aria-label": "Command that looks for labels that look wrong" }, full)];
}

function suspectsOf(scene, found) {
  if (!found.input.length) return h("p", null, `By the ${found.source}: none.`);
  return [h("p", null, `By the ${found.source}${found.out_of_sample ? ", out of sample" : ", not out of sample: what was seen with its label may be known by heart"}: `, `${count(found.n_suspect)} in all, the likeliest first.`),
    plainTable(`Labels that look wrong by the ${found.source}`, ["input", "given", "more likely", "probability of the given", ...(found.factor ? ["its pattern", "what the pattern's others have"] : [])],
      Array.from(found.input, (place, i) => [scene.input(place), name(found.given[i]), name(found.suggested[i]), percent(found.confidence[i], 1),
        ...(found.factor ? [found.factor[i] >= 0 && found.factor[i] < scene.k ? scene.factor(found.factor[i]) : "–",
          found.others[i] === null ? "–" : [name(found.others[i]), ` (${percent(found.share[i])} of ${count(found.n_others[i])})`]] : [])]))];
}

function decision(scene, one) {
  const parts = [...Array.from(one.factors, (value, i) => [value, () => scene.factor(i)]), ...(one.beyond ? [[one.beyond, () => "further patterns"]] : []), [one.rest, () => "rest"], [one.bias, () => "bias"]];
  const most = Math.max(...parts.map(([value]) => Math.abs(value)), 1e-12);
  const label = scene.labelOf(one.input);
  return h("article", { class: "decision" },
    h("h4", null, one.why), scene.input(one.input),
    h("p", null, name(one.winner), " over ", name(one.other), ` by ${number(one.margin)}`, label !== null && [" (label: ", name(label), ")"]),
    h("ul", { class: "bars" }, largestFirst(parts.map(([value]) => Math.abs(value))).slice(0, 8).map((i) => h("li", null, parts[i][1](), " ", bar(Math.abs(parts[i][0]) / most, parts[i][0] < 0 ? "down" : "up"), signed(parts[i][0])))),
    details("Through which channels", () => plainTable("What goes through each channel, all patterns together", ["channel", "adds"], Array.from(one.channels, (c, i) => [String(c), signed(one.through[i])]))));
}

function allInputs(scene) {
  const { part } = scene;
  const { inputs } = part;
  const rows = indices(inputs.number.length).map((place) => {
    const shares = scene.sharesOf(place);
    const [first] = largestFirst(shares);
    return { place, number: inputs.number[place], label: scene.labelOf(place), predicted: scene.predictedOf(place), left: inputs.residual[place], first, share: shares[first] };
  });
  const worst = new Set(part.worst);
  const suspected = new Set(part.suspects.flatMap((found) => Array.from(found.input)));
  const comparable = inputs.label && inputs.predicted;
  return dataTable({
    caption: "Inputs", file: "inputs-on-the-page.csv", rows, sortBy: 0, words: (one) => `#${one.number} ${inputs.names?.[one.place] ?? ""} ${one.label ?? ""} ${one.predicted ?? ""} pattern ${one.first + 1}`,
    attributes: (one) => ({ "data-row": thingOf.input(one.number) }),
    filters: [{ name: "all on the page", keep: () => true }, { name: "least explained", keep: (one) => worst.has(one.place) },
      ...(comparable ? [{ name: "predicted otherwise than labelled", keep: (one) => inputs.label[one.place] !== inputs.predicted[one.place] }] : []),
      ...(suspected.size ? [{ name: "labels that look wrong", keep: (one) => suspected.has(one.place) }] : []),
      ...indices(scene.k).map((i) => ({ name: `strongest: pattern ${i + 1}`, keep: (one) => one.first === i }))],
    columns: [{ head: "input", value: (one) => one.number, cell: (one) => scene.input(one.place) },
      ...(inputs.names ? [{ head: "name", value: (one) => inputs.names[one.place], cell: (one) => name(inputs.names[one.place]) }] : []),
      ...(inputs.label ? [{ head: "label", value: (one) => one.label, cell: (one) => name(one.label) }] : []),
      ...(inputs.predicted || inputs.predicted_names ? [{ head: "predicted", value: (one) => one.predicted, cell: (one) => name(one.predicted) }] : []),
      { head: "left unexplained", value: (one) => one.left, cell: (one) => percent(one.left, 1) },
      { head: "strongest pattern", value: (one) => one.first + 1, cell: (one) => scene.factor(one.first) },
      { head: "its part", value: (one) => one.share, cell: (one) => percent(one.share) },
      ...part.blocks.map((block, b) => ({ head: `left of ${block.name}`, value: (one) => row(inputs.by_block, one.place)[b], cell: (one) => percent(row(inputs.by_block, one.place)[b]) }))] });
}
