// Every limit that is set, how much of it is used, and who waits for it.

import { badge, empty, fill, h, meter, panel } from "./dom.js";
import { count, many, size } from "./format.js";
import { wait } from "./words.js";

const amount = (limit, value) => {
  if (/bytes/.test(limit.setting ?? "")) return size(value);
  const text = Number.isInteger(value) ? count(value) : value.toFixed(1);
  return /per_second|rate/.test(limit.setting ?? "") ? `${text}/s` : text;
};

export function limitsPage() {
  const body = h("tbody");
  const nothing = empty("Asking the coordinator …");
  const table = h("table", { class: "cards", hidden: true },
    h("thead", {}, h("tr", {}, ["Setting", "Of", "In use", "Waiting", "What it is"].map((name) => h("th", { scope: "col" }, name)))), body);
  const element = h("div", { class: "page" }, h("h1", {}, "Limits"),
    panel("What bounds this cluster, those with calls waiting first", nothing, table));
  let before;
  function picture({ cluster = {} }) {
    const limits = cluster.limits ?? [];
    const text = JSON.stringify(limits);
    if (text === before) return;
    before = text;
    nothing.hidden = limits.length > 0;
    table.hidden = !limits.length;
    if (!limits.length) fill(nothing, h("p", { class: "empty-title" }, "No limit is set"));
    fill(body, limits.map((limit) => {
      const { inUse = 0, limit: most = 0, waiting = 0 } = limit;
      const used = `${amount(limit, inUse)} of ${amount(limit, most)}`;
      const { meaning, cure } = limit.reason ? wait(limit.reason) : { meaning: "what is beyond is refused", cure: "" };
      return h("tr", {},
        h("th", { scope: "row" }, h("code", {}, limit.setting ?? "–")),
        h("td", { "data-label": "Of" }, limit.subject || "the coordinator"),
        h("td", { "data-label": "In use" }, meter(inUse, most, `${used} in use`), ` ${used}`),
        h("td", { "data-label": "Waiting" }, waiting ? badge({ kind: "warn", glyph: "▨", word: many(waiting, "call") }) : "none"),
        h("td", { "data-label": "What it is" }, meaning, waiting && cure ? h("div", { class: "note" }, cure) : undefined));
    }));
  }
  return { element, picture };
}
