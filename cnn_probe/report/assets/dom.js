// Elements, and how numbers are written. Texts go in as text nodes alone: no name can become markup.

const SVG = "http://www.w3.org/2000/svg";

function fill(element, props, children) {
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "vars") for (const [key, of] of Object.entries(value)) element.style.setProperty(key, of);
    else element.setAttribute(name, value === true ? "" : value);
  }
  for (const child of children.flat(Infinity)) {
    if (child !== null && child !== undefined && child !== false) element.append(child);
  }
  return element;
}

export const h = (tag, props, ...children) => fill(document.createElement(tag), props, children);
export const s = (tag, props, ...children) => fill(document.createElementNS(SVG, tag), props, children);

// A name from outside: kept apart from the direction of the text around it.
export const name = (text) => h("bdi", { class: "name" }, String(text));

// With a minus, and nothing that is rounded to zero below it.
const fixed = (value, digits) => value.toFixed(digits).replace(/^-(?=[0.]*$)/, "").replace("-", "−");
export const percent = (part, digits = 0) =>
  part === null || Number.isNaN(part) ? "–" : `${fixed(100 * part, digits)}%`;
export const probability = (p) => (p !== null && p < 0.0005 ? "below 0.1%" : p > 0.9995 && p < 1 ? "above 99.9%" : percent(p, 1));
export const signed = (value, digits = 2) => fixed(value, digits).replace(/^(?=[0.]*[1-9])/, "+");
export const points = (part) => signed(100 * part, 1);
export const number = (value, digits = 3) => (value === null || Number.isNaN(value) ? "–" : Number(value.toPrecision(digits)).toString().replace(/^-/, "−"));
const COUNTS = new Intl.NumberFormat("en");
export const count = (value) => COUNTS.format(value);
export const plural = (n, one, many = `${one}s`) => `${count(n)} ${n === 1 ? one : many}`;

// A bar of a part of a whole; what it says stands beside it as text.
export const bar = (part, kind = "") =>
  h("span", { class: `bar ${kind}`, "aria-hidden": "true", vars: { "--part": `${Math.max(0, Math.min(1, part)) * 100}%` } });

// Content that is made when it is first opened, or printed: tables that few open are most of a large page.
export function details(summary, content) {
  const element = h("details", null, h("summary", null, summary));
  element.show = () => {
    element.open = true;
    if (element.childElementCount > 1) return;
    element.append(content());
    element.dispatchEvent(new CustomEvent("drawn", { bubbles: true }));
  };
  element.addEventListener("toggle", () => element.open && element.show());
  return element;
}

// A table that is as wide as it needs to be, in a region that scrolls, also by keyboard.
export function plainTable(caption, heads, rows) {
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
    h("table", null,
      h("caption", null, caption),
      h("thead", null, h("tr", null, heads.map((head) => h("th", { scope: "col" }, head)))),
      h("tbody", null, rows.map((row) => h("tr", null, row.map((cell, i) =>
        i === 0 ? h("th", { scope: "row" }, cell) : h("td", null, cell)))))));
}

// The same; in a narrow window each row is a card, whose cells say what they are.
export function stackedTable(caption, heads, rows) {
  const table = plainTable(caption, heads, rows);
  for (const row of table.querySelectorAll("tbody tr")) [...row.cells].forEach((cell, i) => { cell.dataset.head = heads[i]; });
  table.classList.add("stacked");
  return table;
}

export const joined = (parts) => parts.flatMap((one, i) => (i ? [", ", one] : [one]));

export function download(file, text, type) {
  const link = h("a", { href: URL.createObjectURL(new Blob([text], { type })), download: file });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
