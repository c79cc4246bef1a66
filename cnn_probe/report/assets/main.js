// The page: reads its document, draws its views, and follows the address.

import { h, name } from "./dom.js";
import { readDocument } from "./data.js";
import { VIEWS, addressOf, asked, go, homeOf, readAddress } from "./state.js";
import { forgetDrawings, paintMosaic } from "./pictures.js";
import { printWhole } from "./paper.js";
import { Scene } from "./scene.js";
import { inspectorOf, unfold } from "./inspector.js";
import { verdictsView } from "./verdicts.js";
import { patternsView } from "./patterns.js";
import { walkView } from "./walk.js";
import { atlasView } from "./atlas.js";
import { unitsView } from "./units.js";
import { inputsView } from "./inputs.js";
import { comparisonView } from "./comparison.js";
import { studiesView } from "./studies.js";
import { aboutView } from "./about.js";

const TITLES = { verdicts: "Verdicts", patterns: "Patterns", walk: "The walk of a pattern", atlas: "Atlas: all patterns at once", units: "Units", inputs: "Inputs", comparison: "Comparison", studies: "Studies", about: "Where it comes from, and limits" };
const DRAW = {
  verdicts: verdictsView,
  patterns: (scene) => scene && patternsView(scene),
  walk: (scene) => scene && scene.part.layers.length > 0 && walkView(scene),
  atlas: (scene) => scene && scene.part.layers.length > 0 && atlasView(scene),
  units: (scene) => scene && scene.part.units.length > 0 && unitsView(scene),
  inputs: (scene) => scene && inputsView(scene),
  comparison: (scene) => scene?.part.comparison && comparisonView(scene),
  studies: (scene, document_) => document_.studies.length > 0 && studiesView(document_),
  about: aboutView,
};

const elsewhere = (event) => event.ctrlKey || event.metaKey || event.shiftKey || event.altKey; // into another tab or window

const HELD = 1500; // milliseconds that what is scrolled to is held

function current(element, is) {
  if (is) element.setAttribute("aria-current", "true");
  else element.removeAttribute("aria-current");
}

class Page {
  constructor(document_) {
    this.document = document_;
    this.results = document_.results;
    this.main = document.getElementById("main");
    this.inspector = document.getElementById("selected");
    this.views = document.getElementById("views");
    this.status = h("p", { class: "unseen", role: "status" });
    document.body.append(this.status);
    this.picker = this.results.length > 1 ? this.pickerOf() : null;
    if (this.picker) document.getElementById("picker").append(this.picker);
    this.shown = null;
    this.keepClear();
    addEventListener("hashchange", () => this.follow(this.typed()));
    addEventListener("click", (event) => {
      const hash = event.target.closest?.("a")?.hash;
      if (!hash || event.defaultPrevented || elsewhere(event)) return;
      asked.hash = hash;
      if (hash === location.hash) this.follow(false); // which the browser takes for no change
    });
    const [toMain, toSelected] = document.querySelectorAll("a.skip");
    this.toSelected = toSelected;
    const skip = (link, to) => link.addEventListener("click", (event) => { // else it would take the selection's address
      event.preventDefault();
      to();
    });
    skip(toMain, () => {
      this.main.scrollIntoView();
      this.main.focus();
    });
    skip(toSelected, () => this.toInspector());
    addEventListener("keydown", (event) => this.hear(event));
    for (const kind of ["wheel", "touchstart", "pointerdown", "keydown"]) addEventListener(kind, () => { this.held = null; }, { passive: true });
    printWhole(this.main);
    this.main.addEventListener("pointed", ({ detail: { from, to } }) => { // at a map, which is no element
      this.point(from, false);
      this.point(to, true);
    });
    this.main.addEventListener("drawn", () => {
      this.places = null;
      this.light();
    });
    history.replaceState(true, "");
    this.follow(true);
    for (const [kind, on] of [["pointerover", true], ["focusin", true], ["pointerout", false], ["focusout", false]]) {
      this.main.addEventListener(kind, (event) => this.point(event.target.closest?.("[data-thing]")?.dataset.thing, on));
    }
  }

  pickerOf() {
    const choose = ({ target: { selectedIndex: result } }) => { // patterns of networks have nothing but their numbers in common
      const kept = this.thing && this.thing.kind !== "factor" && new Scene(this.document, result).exists(this.thing);
      go(addressOf({ result, thing: kept ? this.thing.key : "all" }, this.results));
    };
    return h("label", null, "Network shown ", h("select", { id: "result", onchange: choose }, this.results.map((one) => h("option", null, one.label))));
  }

  // What is scrolled to, or focused, comes to lie between the bar at the top and what is selected at the bottom.
  keepClear() {
    const root = document.documentElement.style; // no variables: all elements would inherit them, and be styled again
    const keep = () => {
      root.scrollPaddingTop = `${document.getElementById("bar").offsetHeight + 10}px`;
      root.scrollPaddingBottom = `${this.inspector.offsetHeight + 10}px`;
      document.body.style.paddingBottom = `${this.inspector.offsetHeight}px`;
    };
    this.keep = keep; // also before an address is followed, when nothing was measured yet
    const measured = new ResizeObserver(keep);
    measured.observe(document.getElementById("bar"));
    measured.observe(this.inspector);
  }

  // Whether somebody typed the address: nothing here asked for it, and it has not been here before.
  typed() {
    const typed = !history.state && location.hash !== asked.hash;
    asked.hash = null;
    history.replaceState(true, "");
    return typed;
  }

  follow(toThing) {
    const { view, result: network, thing, named } = readAddress(location.hash, this.results);
    const here = this.views.querySelector("[aria-current]")?.dataset.view;
    const result = network ?? (/^(study|chart)-/.test(view ?? "") && this.shown || 0); // a study is of no network
    const other = this.shown !== null && result !== this.shown;
    if (result !== this.shown) this.draw(result);
    this.thing = this.scene?.exists(thing) ? thing : null;
    this.light();
    const isHere = view && document.getElementById(view);
    this.inspect(named !== null && !this.thing ? named : view && !isHere ? view : null);
    for (const link of this.views.querySelectorAll("a")) link.href = addressOf({ view: link.dataset.view, result, thing: this.thing?.key }, this.results);
    const goal = (isHere ? view : null) ?? (toThing && this.thing ? homeOf(this.thing) : other ? here : null); // another network, in the same view
    if (goal) this.show(goal, isHere || toThing);
    this.toTop = false;
  }

  draw(result) {
    forgetDrawings(this.studies);
    this.places = this.marked = null;
    this.shown = result;
    this.scene = this.results.length ? new Scene(this.document, result) : null;
    if (this.picker) this.picker.querySelector("select").selectedIndex = result;
    this.studies ??= DRAW.studies(this.scene, this.document); // of no result, and the most to draw
    const drawn = VIEWS.map((view) => [view, view === "studies" ? this.studies : DRAW[view](this.scene, this.document)]).filter(([, content]) => content);
    this.main.replaceChildren(...drawn.map(([view, content]) => h("section", { id: view, "aria-labelledby": `title-${view}`, class: "view" },
      h("h2", { id: `title-${view}`, tabindex: "-1" }, TITLES[view]), content)));
    this.views.replaceChildren(...drawn.map(([view]) => h("li", null, h("a", { "data-view": view, onclick: (event) => { this.toTop = !elsewhere(event); } }, view))));
    this.keep();
    this.watch();
  }

  // The view that is in the window is the current one in the list of views.
  watch() {
    this.observer?.disconnect();
    this.observer = new IntersectionObserver((entries) => {
      for (const { target, isIntersecting } of entries) {
        if (isIntersecting) for (const link of this.views.querySelectorAll("a")) this.mark(link, link.dataset.view === target.id);
      }
    }, { rootMargin: "-30% 0px -60% 0px" });
    for (const section of this.main.children) this.observer.observe(section);
  }

  mark(link, is) {
    current(link, is);
    if (is) this.views.scrollLeft = link.offsetLeft - this.views.offsetLeft - this.views.clientWidth / 3; // where it is one line
  }

  // A link in the list of views keeps what is selected, and goes to the view's beginning (`toTop`).
  show(view, focused) {
    const section = document.getElementById(view);
    if (!section) return;
    section.show?.();
    if (this.thing && !this.toTop) for (const table of section.querySelectorAll(".datatable")) table.reveal(this.thing.key);
    const own = this.thing && !this.toTop && section.querySelector(`[data-row="${CSS.escape(this.thing.key)}"], [data-thing="${CSS.escape(this.thing.key)}"]`);
    const goal = own || section;
    goal.scrollIntoView({ block: own ? "center" : "start" });
    this.hold(goal);
    if (focused) (own ? own.closest("[data-thing]") ?? own.querySelector("[data-thing]") ?? own : section.querySelector("[tabindex='-1']") ?? section).focus({ preventScroll: true });
  }

  // What is scrolled to stays where it is while views above it come to their sizes, unless somebody scrolls on.
  hold(goal) {
    const { top } = goal.getBoundingClientRect();
    const placed = () => [scrollY, document.documentElement.scrollHeight];
    let [at, height] = placed();
    this.held = goal;
    const began = performance.now();
    const again = () => {
      const off = goal.getBoundingClientRect().top - top;
      const [now, high] = placed();
      if (this.held !== goal || (Math.abs(off) > 2 && Math.abs(off + now - at) < 2 && high === height)) return; // scrolled by somebody
      scrollBy(0, off);
      [at, height] = placed();
      if (performance.now() - began < HELD) requestAnimationFrame(again);
    };
    requestAnimationFrame(again);
  }

  // All places of a thing on the page. They are gathered once, and again where more is drawn.
  placesOf(key) {
    if (!this.places) {
      this.places = new Map();
      for (const element of this.main.querySelectorAll("[data-thing], [data-row]")) {
        const own = element.dataset.thing ?? element.dataset.row;
        if (this.places.has(own)) this.places.get(own).push(element);
        else this.places.set(own, [element]);
      }
    }
    return this.places.get(key) ?? [];
  }

  // Mark what is selected, and what belongs to it.
  light() {
    const lit = this.thing ? this.scene.related(this.thing) : new Set();
    if (this.scene) this.scene.lit = new Set([...lit, ...(this.thing ? [this.thing.key] : [])]);
    for (const element of this.marked ?? []) {
      element.classList.remove("selected", "lit");
      current(element, false);
    }
    const own = this.thing ? this.placesOf(this.thing.key) : [];
    const related = [...lit].flatMap((key) => this.placesOf(key));
    for (const element of own) {
      element.classList.add("selected");
      if (element.dataset.thing) current(element, true);
    }
    for (const element of related) element.classList.add("lit");
    this.marked = [...own, ...related];
    for (const canvas of this.main.querySelectorAll(".walk canvas.mosaic")) if (canvas.painted) paintMosaic(canvas);
    this.said = this.thing ? `${related.filter((one) => one.matches("a")).length} places that belong to it are marked.` : "";
  }

  // What is selected, and what the address names that is not here.
  inspect(missing) {
    const within = this.inspector.contains(document.activeElement);
    if (!within) this.comeFrom(document.activeElement);
    this.inspector.hidden = !this.thing && missing === null;
    this.toSelected.hidden = !this.thing;
    const missed = missing === null ? [] : [this.missed(missing)];
    this.status.textContent = [...missed.map((one) => one.textContent), this.said].join(" ");
    if (this.inspector.hidden && within) this.cameFrom().focus({ preventScroll: true });
    if (this.inspector.hidden) return;
    const clear = h("a", { href: this.scene ? this.scene.address({ thing: "all" }) : "#all" }, "clear");
    this.inspector.replaceChildren(...missed, ...(this.thing ? inspectorOf(this.scene, this.thing) : [clear]));
    if (within) this.focusInspector();
    const more = this.inspector.querySelector(".more");
    if (more) unfold(more, this.inspector.classList.contains("unfolded"));
  }

  missed(named) {
    const few = /^input-\d+$/.test(named) && this.scene && `${this.scene.placeOf.size} of its ${this.scene.part.inputs.n_all} inputs are on it. `;
    return h("p", null, "What the address names is not on this page: ", name(named), ". ", few);
  }

  // Where else on the page the thing under the pointer is; what belongs to it shows when it is selected.
  point(key, on) {
    for (const one of this.placesOf(key)) one.classList.toggle("pointed", on);
  }

  // By keyboard: Escape clears; S, on a thing, goes to what is selected, and from there back.
  hear(event) {
    if (this.inspector.hidden || /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) return;
    if (event.key === "Escape") go(addressOf({ result: this.shown, thing: "all" }, this.results));
    if (!/^s$/i.test(event.key) || event.ctrlKey || event.metaKey || event.altKey) return;
    if (this.inspector.contains(event.target)) this.cameFrom().focus();
    else if (event.target.closest("[data-thing]")) this.toInspector();
  }

  toInspector() {
    this.comeFrom(document.activeElement);
    this.focusInspector();
  }

  focusInspector() {
    (this.inspector.querySelector("h2") ?? this.inspector.querySelector("a"))?.focus();
  }

  comeFrom(element) {
    if (element.closest("main [data-thing]")) this.from = element;
  }

  cameFrom() {
    return this.from?.checkVisibility() ? this.from : this.main;
  }
}

async function start() {
  const element = document.getElementById("document");
  try {
    const found = await readDocument(element);
    document.documentElement.classList.add("live");
    document.cnnProbe = new Page(found);
    document.getElementById("summary").remove();
  } catch (error) {
    document.getElementById("failed").hidden = false;
    document.getElementById("failed").append(` (${error.message})`);
    throw error;
  }
}

start();
