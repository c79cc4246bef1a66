// What the page says first: the patterns at a glance, a line for each question about all networks, a card for each
// about the one that is shown.

import { h, name, stackedTable } from "./dom.js";
import { glanceOf } from "./glance.js";

function showMe(card, address) {
  return card.show && h("a", { class: "show", href: address(card.show), "aria-label": `Show me: ${card.question}` }, "Show me");
}

function cardOf(card, address) {
  return h("article", { class: "card" },
    h("h3", null, card.question),
    h("p", { class: "answer" }, h("strong", null, card.number), " ", card.answer),
    h("p", { class: "sure" }, h("b", null, "How sure: "), card.sure),
    h("p", { class: "cannot" }, h("b", null, "What this cannot tell: "), card.cannot),
    card.show && h("p", null, showMe(card, address)));
}

// Of many networks at once: questions are alike, and so is what their answers cannot tell.
function linesOf(cards, address) {
  return [stackedTable("What all networks say", ["question", "verdict", "what holds", "how sure", "evidence"], cards.map((card) =>
    [card.question, h("strong", null, card.number), card.answer, card.sure, showMe(card, address)])),
  [...new Set(cards.map((card) => card.cannot))].map((cannot) => h("p", { class: "cannot" }, h("b", null, "What this cannot tell: "), cannot))];
}

export function verdictsView(scene, document) {
  const lines = document.cards ?? [];
  const address = (show) => (scene ? scene.address({ view: show }) : `#${show}`);
  return h("div", null,
    scene && glanceOf(scene),
    lines.length > 0 && linesOf(lines, address),
    scene && scene.results.length > 1 && h("h3", { class: "of" }, "Of one network: ", name(scene.part.label)),
    scene && h("div", { class: "cards" }, scene.part.cards.map((card) => cardOf(card, address))));
}
