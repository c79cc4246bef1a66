// The patterns at a glance: what each looks like, the inputs that have most of it, and its class, in one line.

import { h, name, percent, points, plural } from "./dom.js";
import { indices, largestFirst, row } from "./data.js";

const PATTERNS = 12; // that one line shows, of most energy
const INPUTS = 2; // of each

// Nothing where there is nothing to look at: neither latent images nor pictures of inputs.
export function glanceOf(scene) {
  const { part } = scene;
  if (!part.factors.latent && !part.inputs.pictures) return null;
  const n = Math.min(scene.k, PATTERNS);
  const label = `${n < part.rank ? String(n) + " of " : ""}${plural(part.rank, "pattern")} at a glance`;
  return [h("p", { class: "lead" }, "A pattern occurs together in the inputs and in all layers. ", toldOf(scene)),
    h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": label },
      h("ol", { class: "glance" }, indices(n).map((i) => h("li", null,
        h("p", null, scene.factor(i, `Pattern ${i + 1}`)),
        h("div", { class: "looks" }, part.factors.latent && scene.latent(i),
          part.inputs.pictures && h("div", { class: "first" }, Array.from(row(part.factors.top, i)).slice(0, INPUTS).map((place) => scene.input(place)))),
        classOf(scene, i), causeOf(part, i)))))];
}

function toldOf({ part, byClass }) {
  const told = [part.factors.latent && "its pixels", part.inputs.pictures && "the inputs that have most of it", byClass && (part.beyond_chance ? "the class that it goes with, and how many times as much of the pattern lies there as the class's part of the inputs (×)" : "the class that most of it is in"),
    part.ablation && "the points of probability that a class loses when it is taken out, and whether other directions like the layer's own take as much"].filter(Boolean);
  return `Of each: ${told.join(", ")}.`;
}

function classOf(scene, i) {
  if (!scene.byClass) return null;
  const beyond = scene.part.beyond_chance;
  if (beyond) return h("p", { class: "note" }, beyond.goes[i] ? ["goes with ", name(beyond.class[i]), ` (×${beyond.lift[i].toFixed(1)})`] : "goes with no class");
  const parts = scene.classParts(i);
  const [most] = largestFirst(parts);
  return h("p", { class: "note" }, "most of it in ", name(scene.part.classes.names[most]), ` (${percent(parts[most])})`);
}

function causeOf({ ablation }, i) {
  const at = ablation ? ablation.factors.indexOf(i) : -1;
  if (at < 0 || ablation.verdicts[at] !== "causes") return null;
  const hit = ablation.hit[at];
  return h("p", { class: "note" }, `taken out: ${points(row(ablation.change, at)[hit])} points of `, name(ablation.classes[hit]),
    !ablation.beyond_alike[at] && "; others take as much");
}
