// A table that is sorted by its heads, filtered, shown a page at a time, and taken away as CSV.

import { count, download, h } from "./dom.js";

const ROWS = 50;

// columns: {head, value(row), cell(row)?, plain(row)?}; value sorts, cell is shown, plain goes into the file.
export function dataTable({ caption, columns, rows, file, filters = [], words = null, sortBy = 0, falling = false, attributes = () => ({}) }) {
  const state = { shown: ROWS, by: sortBy, falling, filter: 0, text: "" };
  const body = h("tbody");
  const heads = columns.map((column, i) => h("th", { scope: "col" },
    column.value ? h("button", { type: "button", class: "sort", onclick: () => sort(i) }, column.head) : column.head));
  const said = h("p", { class: "note", role: "status" });
  const more = h("button", { type: "button", onclick: () => { state.shown += ROWS; draw(); } }, "Show more rows");

  function sort(i) {
    state.falling = state.by === i ? !state.falling : typeof columns[i].value(rows[0] ?? {}) === "number";
    state.by = i;
    draw();
  }

  function chosen() {
    const text = state.text.toLowerCase();
    const keep = filters.length ? filters[state.filter].keep : () => true;
    const found = rows.filter((one) => keep(one) && (!text || words(one).toLowerCase().includes(text)));
    const value = columns[state.by].value;
    const way = state.falling ? -1 : 1;
    return found.map((one, i) => [value(one), i, one]).sort(([a, i], [b, j]) => {
      const [lacksA, lacksB] = [a === null || Number.isNaN(a), b === null || Number.isNaN(b)];
      if (lacksA || lacksB) return lacksA - lacksB || i - j; // what is not known comes last, whichever way
      return way * (a < b ? -1 : a > b ? 1 : 0) || i - j;
    }).map(([, , one]) => one);
  }

  function draw() {
    const found = chosen();
    heads.forEach((head, i) => head.setAttribute("aria-sort", i === state.by ? (state.falling ? "descending" : "ascending") : "none"));
    body.replaceChildren(...found.slice(0, state.shown).map((one) => h("tr", attributes(one), columns.map((column, i) =>
      h(i === 0 ? "th" : "td", i === 0 ? { scope: "row" } : null, column.cell ? column.cell(one) : String(column.value(one) ?? "–"))))));
    said.textContent = `${count(Math.min(found.length, state.shown))} of ${count(found.length)} rows shown${found.length < rows.length ? ", of " + count(rows.length) + " in all" : ""}.`;
    more.hidden = found.length <= state.shown;
    element.dispatchEvent(new CustomEvent("drawn", { bubbles: true }));
  }

  const quoted = (value) => (/[",;\t\n\r]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value);
  // A text that a spreadsheet would take for a formula gets a quote before it.
  const safe = (value) => (typeof value === "string" && /^[=+\-@\t\r\n]/.test(value) ? `'${value}` : String(value ?? ""));
  function save() {
    const taken = columns.filter((column) => column.value || column.plain);
    const lines = [taken.map((column) => column.head), ...chosen().map((one) => taken.map((column) => (column.plain ?? column.value)(one)))];
    download(file, lines.map((line) => line.map((value) => quoted(safe(value))).join(",")).join("\r\n"), "text/csv");
  }

  const tools = h("div", { class: "tools" },
    filters.length > 1 && h("label", null, "Show ", h("select", { onchange: (event) => { state.filter = event.target.selectedIndex; state.shown = ROWS; draw(); } },
      filters.map((filter) => h("option", null, filter.name)))),
    words && h("label", null, "Find ", h("input", { type: "search", oninput: (event) => { state.text = event.target.value; state.shown = ROWS; draw(); } })),
    h("button", { type: "button", onclick: save }, "Save as CSV"));
  const element = h("div", { class: "datatable" }, tools,
    h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
      h("table", null, h("caption", null, caption), h("thead", null, h("tr", null, heads)), body)),
    said, more);
  let before = ROWS; // rows that were shown when all were asked for
  element.showAll = (on) => {
    if (on) before = state.shown;
    state.shown = on ? rows.length : before;
    draw();
  };
  // Show the row of that key, whatever is chosen.
  element.reveal = (key) => {
    const at = () => chosen().findIndex((one) => attributes(one)["data-row"] === key);
    if (!rows.some((one) => attributes(one)["data-row"] === key)) return;
    if (at() < 0) {
      Object.assign(state, { filter: 0, text: "" });
      for (const one of tools.querySelectorAll("select")) one.selectedIndex = 0;
      for (const one of tools.querySelectorAll("input")) one.value = "";
    }
    state.shown = Math.max(state.shown, at() + 1);
    draw();
  };
  draw();
  return element;
}
