// Lines over an axis, with the range that the seeds give as a band; each line is told by colour, dash and mark.

import { h, number, plainTable, s } from "./dom.js";
import { indices } from "./data.js";

const [WIDTH, HEIGHT] = [440, 280];
const EDGE = { left: 58, right: 12, top: 12, bottom: 46 };
const DASHES = ["", "7 3", "2 3", "9 3 2 3"];
const STYLED = 8; // colours that the style sheet has, one after the other

const MARKS = [
  (x, y) => s("circle", { cx: x, cy: y, r: 3.5 }),
  (x, y) => s("rect", { x: x - 3, y: y - 3, width: 6, height: 6 }),
  (x, y) => s("path", { d: `M${x} ${y - 4.5}l4 7.5h-8z` }),
  (x, y) => s("path", { d: `M${x} ${y - 4.5}l4.5 4.5l-4.5 4.5l-4.5 -4.5z` }),
];

const colourOf = (look) => `c${look % STYLED}`;
const dashOf = (look) => DASHES[Math.floor(look / MARKS.length) % DASHES.length]; // so that dash and mark alone tell 16 apart
const markOf = (look) => MARKS[look % MARKS.length];
const marksOf = (look) => (Math.floor(look / (MARKS.length * DASHES.length)) % 2 ? "marks hollow" : "marks"); // and 32 with this

// Mean and range of rows of numbers, one a seed; what is not known is left out.
export function spreadOf(rows) {
  const known = indices(rows[0]?.length ?? 0).map((i) => rows.map((one) => one[i]).filter((value) => Number.isFinite(value)));
  const over = (how) => known.map((values) => (values.length ? how(values) : NaN));
  return { mean: over((values) => values.reduce((sum, value) => sum + value, 0) / values.length), low: over((values) => Math.min(...values)), high: over((values) => Math.max(...values)), n: rows.length };
}

function ticksOf(low, high, log) {
  if (log) return indices(Math.floor(Math.log10(high)) - Math.ceil(Math.log10(low)) + 1).map((i) => 10 ** (Math.ceil(Math.log10(low)) + i));
  const step = 10 ** Math.floor(Math.log10((high - low) / 4 || 1));
  const wide = [1, 2, 5, 10].map((times) => times * step).find((one) => (high - low) / one <= 6);
  return indices(Math.floor(high / wide) - Math.ceil(low / wide) + 1).map((i) => (Math.ceil(low / wide) + i) * wide);
}

// Where an axis begins and ends. With `near` it leaves 0 out where all values lie nearer to each other than to it.
function endsOf(values, log, near) {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  if (log) return [low, high];
  if (!near || 2 * low <= high) return [0, Math.max(high, 1e-12) * 1.05];
  const room = (high - low || high) / 20;
  return [low - room, high + room];
}

// series: {label, look, x, mean, low, high, floor?}; floor is drawn dotted, in the line's colour.
export function chart({ title, xLabel, yLabel, series, log = false, near = false, said = "" }) {
  const values = series.flatMap((one) => [...one.low, ...one.high, ...(one.floor ?? [])]).filter((value) => Number.isFinite(value) && (!log || value > 0));
  if (!values.length) return null;
  const xs = series.flatMap((one) => one.x);
  const [left, right] = [Math.min(...xs), Math.max(...xs)];
  const [bottom, top] = endsOf(values, log, near);
  const on = (value) => (log ? Math.log10(Math.max(value, bottom)) : value);
  const x = (value) => EDGE.left + (left === right ? 0.5 : (value - left) / (right - left)) * (WIDTH - EDGE.left - EDGE.right);
  const y = (value) => HEIGHT - EDGE.bottom - ((on(value) - on(bottom)) / (on(top) - on(bottom) || 1)) * (HEIGHT - EDGE.top - EDGE.bottom);
  return h("figure", { class: "chart" }, h("figcaption", null, h("b", null, title), said && ` ${said}`),
    s("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": `${title}: ${yLabel} against ${xLabel}; the numbers are in the tables below` },
      axes({ x, y, xLabel, yLabel, above: !log && bottom > 0, xTicks: series[0].x.length <= 12 ? series[0].x : ticksOf(left, right, false), yTicks: ticksOf(bottom, top, log) }),
      series.map((one, i) => (left < right ? lineOf(one, x, y, log) : pointOf(one, EDGE.left + ((i + 1) / (series.length + 1)) * (WIDTH - EDGE.left - EDGE.right), y)))));
}

// As many as tell the ticks apart.
const digitsOf = (ticks) => [3, 4, 5, 6, 7].find((digits) => new Set(ticks.map((tick) => number(tick, digits))).size === ticks.length) ?? 8;

function axes({ x, y, xLabel, yLabel, above, xTicks, yTicks }) {
  const [floor, end] = [HEIGHT - EDGE.bottom, WIDTH - EDGE.right];
  const digits = digitsOf(yTicks);
  return s("g", { class: "axes" },
    yTicks.map((tick) => [s("line", { x1: EDGE.left, x2: end, y1: y(tick), y2: y(tick), class: "grid" }), s("text", { x: EDGE.left - 6, y: y(tick) + 4, "text-anchor": "end" }, number(tick, digits))]),
    xTicks.map((tick) => s("text", { x: x(tick), y: floor + 16, "text-anchor": "middle" }, number(tick, 4))),
    s("path", { d: `M${EDGE.left} ${EDGE.top}V${floor}H${end}`, class: "axis" }),
    s("text", { x: (EDGE.left + end) / 2, y: HEIGHT - 8, "text-anchor": "middle" }, xLabel),
    above && s("text", { x: 4, y: HEIGHT - 8 }, "axis begins above 0"),
    s("text", { x: 14, y: (EDGE.top + floor) / 2, "text-anchor": "middle", transform: `rotate(-90 14 ${(EDGE.top + floor) / 2})` }, yLabel));
}

function pathOf(one, values, x, y, log) {
  let pen = "M";
  return indices(values.length).map((i) => {
    if (!Number.isFinite(values[i]) || (log && values[i] <= 0)) {
      pen = "M";
      return "";
    }
    const step = `${pen}${x(one.x[i]).toFixed(1)} ${y(values[i]).toFixed(1)}`;
    pen = "L";
    return step;
  }).join("");
}

function lineOf(one, x, y, log) {
  const known = indices(one.x.length).filter((i) => Number.isFinite(one.mean[i]) && (!log || one.low[i] > 0));
  const edge = [...known.map((i) => [one.x[i], one.high[i]]), ...known.reverse().map((i) => [one.x[i], one.low[i]])];
  return s("g", { class: colourOf(one.look) }, s("title", null, one.label),
    one.n > 1 && edge.length > 0 && s("path", { class: "band", d: `M${edge.map(([a, b]) => [x(a).toFixed(1), y(b).toFixed(1)].join(" ")).join("L")}Z` }),
    s("path", { class: "line", d: pathOf(one, one.mean, x, y, log), "stroke-dasharray": dashOf(one.look) }),
    one.floor && s("path", { class: "floor", d: pathOf(one, one.floor, x, y, log) }),
    one.x.length <= 12 && s("g", { class: marksOf(one.look) }, known.map((i) => markOf(one.look)(x(one.x[i]), y(one.mean[i])))));
}

// Of one place on the axis: side by side, each with its range.
function pointOf(one, x, y) {
  if (!Number.isFinite(one.mean[0])) return null;
  return s("g", { class: colourOf(one.look) }, s("title", null, one.label),
    one.n > 1 && s("path", { class: "line", d: `M${x.toFixed(1)} ${y(one.low[0]).toFixed(1)}V${y(one.high[0]).toFixed(1)}` }),
    one.floor && s("path", { class: "floor", d: `M${(x - 12).toFixed(1)} ${y(one.floor[0]).toFixed(1)}H${(x + 12).toFixed(1)}` }),
    s("g", { class: marksOf(one.look) }, markOf(one.look)(x, y(one.mean[0]))));
}

export function legend(entries) {
  return h("div", { class: "legend" }, h("ul", null, entries.map(({ label, look }) => h("li", null,
    s("svg", { viewBox: "0 0 34 12", width: 34, height: 12, "aria-hidden": "true", class: colourOf(look) },
      s("path", { class: "line", d: "M0 6H34", "stroke-dasharray": dashOf(look) }), s("g", { class: marksOf(look) }, markOf(look)(17, 6))), " ", label))));
}

export const ranged = (mean, low, high, n, form) => form(mean) + (n > 1 ? ` (${form(low)} to ${form(high)})` : "");

export function numbersOf(title, xLabel, series, form) {
  return plainTable(title, [xLabel, ...series.map((one) => one.label)], indices(series[0].x.length).map((i) => [String(series[0].x[i]),
    ...series.map((one) => (Number.isFinite(one.mean[i]) ? ranged(one.mean[i], one.low?.[i], one.high?.[i], one.n, form) : "–"))]));
}
