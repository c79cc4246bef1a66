// On paper all of it is shown: what is folded is open, tables have all their rows, pictures are drawn.

import { drawAll } from "./pictures.js";

export function printWhole(main) {
  const [opened, tables] = [[], []];
  addEventListener("beforeprint", () => {
    opened.push(...main.querySelectorAll("details:not([open])"));
    for (const one of opened) one.show(); // which makes the tables in it
    tables.push(...main.querySelectorAll(".datatable"));
    for (const one of tables) one.showAll(true);
    drawAll();
  });
  addEventListener("afterprint", () => {
    for (const one of opened.splice(0)) one.open = false;
    for (const one of tables.splice(0)) one.showAll(false);
  });
}
