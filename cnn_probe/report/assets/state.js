// What is selected. It lives in the address alone: links select, and so do back and forward.
//
// An address has up to three parts: a view, a result, a thing, as in #walk/rank-20/factor-3; each may be left out.

export const VIEWS = ["verdicts", "patterns", "walk", "atlas", "units", "inputs", "comparison", "studies", "about"];
const HOMES = { factor: "patterns", class: "patterns", unit: "units", input: "inputs" };

export const thingOf = {
  factor: (i) => `factor-${i + 1}`,
  class: (i) => `class-${i}`,
  input: (n) => `input-${n}`,
  unit: (layer, unit) => `unit-${encodeURIComponent(layer)}-${unit}`,
};

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // an address that somebody typed
  }
}

function thingIn(part) {
  const [, kind, rest] = part.match(/^(factor|class|input|unit)-(.+)$/) ?? [];
  if (!kind) return null;
  if (kind === "unit") {
    const [, layer, unit] = rest.match(/^(.*)-(\d+)$/) ?? [];
    return layer === undefined ? null : { kind, key: thingOf.unit(decoded(layer), Number(unit)), layer: decoded(layer), index: Number(unit) };
  }
  if (!/^\d+$/.test(rest)) return null;
  const index = Number(rest) - (kind === "factor" ? 1 : 0);
  return { kind, key: thingOf[kind](index), index }; // as links write it, however it was typed
}

// What an address says, and in `named` the part of it that is to be a thing; one that can be none comes first.
export function readAddress(hash, results) {
  const found = { view: null, result: null, thing: null, named: null };
  let unknown = null; // a network that is not here, say: then nothing is selected of another
  for (const part of hash.replace(/^#/, "").split("/")) {
    const said = decoded(part);
    const at = results.findIndex((one) => one.id === said);
    if (VIEWS.includes(said) || /^(study|chart)-/.test(said)) found.view = said;
    else if (at >= 0) found.result = at;
    else if (part && part !== "all") {
      found.thing = thingIn(part);
      found.named = said;
      if (!found.thing) unknown ??= said;
    }
  }
  return unknown === null ? found : { ...found, thing: null, named: unknown };
}

export function addressOf({ view = null, result = 0, thing = null }, results) {
  const parts = [view, result ? encodeURIComponent(results[result].id) : null, thing];
  return `#${parts.filter(Boolean).join("/")}`;
}

// What the page itself asks for, by a link or by this, is only marked; an address that somebody types is gone to.
export const asked = { hash: null };

export function go(hash) {
  asked.hash = hash;
  location.hash = hash;
}

export const homeOf = (thing) => HOMES[thing.kind];
