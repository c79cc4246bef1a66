// What the page says first: a card a question.

import { h, name } from "./dom.js";

function cardOf(card, address) {
  return h("article", { class: "card" },
    h("h3", null, card.question),
    h("p", { class: "answer" }, h("strong", null, card.number), " ", card.answer),
    h("p", { class: "sure" }, h("b", null, "How sure: "), card.sure),
    h("p", { class: "cannot" }, h("b", null, "What this cannot tell: "), card.cannot),
    card.show && h("p", null, h("a", { href: address(card.show), "aria-label": `Show me: ${card.question}` }, "Show me")));
}

export function verdictsView(scene, document) {
  const cards = document.cards ?? [];
  const address = (show) => (scene ? scene.address({ view: show }) : `#${show}`);
  return h("div", null,
    cards.length > 0 && h("div", { class: "cards" }, cards.map((card) => cardOf(card, address))),
    scene && scene.results.length > 1 && h("h3", { class: "of" }, "Of one network: ", name(scene.part.label)),
    scene && h("div", { class: "cards" }, scene.part.cards.map((card) => cardOf(card, address))));
}
