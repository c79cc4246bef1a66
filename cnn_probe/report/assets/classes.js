// The classes of a study: which neurons fire for each, which they share, which classes are recognized.

import { bar, h, name, percent, plainTable } from "./dom.js";
import { largestFirst, row } from "./data.js";
import { mosaicOf } from "./pictures.js";

const MOST = 12; // neurons that are named

export function classDetails({ charts, conditions, classes }, folded) {
  const { names, firing, overlap, recognized } = classes;
  const told = (kind, summary, said, heads, cells) => folded(`${charts}-${kind}`, summary, () => h("div", null, conditions.map(({ label }, c) =>
    plainTable(`Trained on ${label}: ${said}`, ["class", ...heads], names.map((one, i) => [name(one), ...cells(c, i, one)])))));
  const strip = (maps, label) => mosaicOf(maps, maps.shape[0], label);
  const counted = (n) => [bar(n / firing.neurons), n];
  const most = (rates, keep, told) => { // what a strip shows, in numbers
    const found = largestFirst(rates).filter((at) => keep(rates[at]));
    return found.length ? found.slice(0, MOST).map(told).join(", ") + (found.length > MOST ? `, and ${found.length - MOST} more` : "") : "none";
  };
  return [
    firing && [
      told("groups", `Groups of neurons that fire for a class, ${firing.of}`, `active in more than half of a class's images, of ${firing.neurons}${firing.groups ? "; a field a channel, brighter for fewer classes" : ""}`,
        ["neurons", "for no other class", ...(firing.groups ? ["where", "which, those of fewest classes first"] : [])], (c, i, one) => {
          if (!firing.groups) return [counted(firing.counts[c][i]), counted(firing.own[c][i])];
          const own = row(firing.groups[c], i);
          return [counted(firing.counts[c][i]), counted(firing.own[c][i]), strip(own, `Neurons that fire for ${one}`), most(own, (value) => value > 0, String)];
        }),
      firing.rates && told("firing", `How often neurons fire, ${firing.of}`, "part of a class's images that activate each; a field a channel",
        ["where", "most often"], (c, i, one) => {
          const own = row(firing.rates[c], i);
          return [strip(own, `How often each fires for ${one}`), most(own, (value) => value > 0, (at) => `${at} (${percent(own[at] / 255)})`)];
        })],
    overlap && told("overlap", "Neurons that classes share, all seeds", "of the neurons of either class, the part of both (Jaccard), mean over the seeds", ["at a glance", ...names], (c, i, one) => {
      const shared = row(overlap[c], i);
      const cells = Object.assign(Uint8Array.from(shared, (part) => 255 * part), { shape: [names.length, 1, 1] });
      return [strip(cells, `What ${one} shares with each`), ...Array.from(shared, (part) => part.toFixed(2))];
    }),
    recognized && folded(`${charts}-recognized`, "Classes recognized, all seeds", () => plainTable("Part of each class's images, in the order of training, mean over the seeds",
      ["trained on", ...names.map((_, i) => i + 1)], recognized.map(({ label, order, known }) => [name(label), ...order.map((one, i) => [name(names[one]), h("br"), bar(known[i]), percent(known[i])])]))),
  ];
}
