// Tools: which there are, what is declared of each, and a form to call it.

import { get } from "./api.js";
import { pretty } from "./details.js";
import { empty, fill, h, say } from "./dom.js";
import { callForm } from "./form.js";
import { count, duration, many, size, span, text } from "./format.js";
import { keyed } from "./rows.js";

/** The page; with a name, that tool is open. */
export function toolsPage(name) {
  const search = h("input", { type: "search", placeholder: "Name or description", "aria-label": "Filter tools", oninput: () => draw() });
  const list = h("ul", { class: "tool-list" });
  const nothing = h("div", {}, empty("Asking the coordinator …"));
  const open = h("div", { class: "tool-open" });
  const element = h("div", { class: "page" }, h("h1", {}, "Tools"),
    h("div", { class: name ? "tool-two chosen" : "tool-two" },
      h("section", { class: "panel flush tool-side" }, h("div", { class: "tools-bar" }, search), nothing, list), open));
  let tools = [];
  let form;

  async function load() {
    try {
      tools = (await get("tools")).tools ?? [];
      draw();
      const found = tools.find((listed) => listed.tool?.name === name);
      form?.leave();
      if (found) {
        const shown = toolPanel(found);
        form = shown.form;
        fill(open, h("a", { class: "back", href: "#/tools" }, "← All tools"), shown.element);
      } else if (name) fill(open, h("a", { class: "back", href: "#/tools" }, "← All tools"), empty("No such tool", `No worker declared ${name} since the coordinator started.`));
      else fill(open, empty("Choose a tool", "Its schema, its limits, and a form to call it."));
    } catch (error) {
      fill(nothing, empty("The tools cannot be listed", error.message), h("button", { type: "button", onclick: () => load() }, "Try again"));
      nothing.hidden = false;
    }
  }

  function draw() {
    const words = search.value.trim().toLowerCase();
    const shown = tools.filter(({ tool = {} }) => !words || tool.name.toLowerCase().includes(words) || (tool.description ?? "").toLowerCase().includes(words));
    nothing.hidden = shown.length > 0;
    if (!shown.length) fill(nothing, tools.length ? empty("No tool is like that") : empty("No tools yet", "Workers bring their tools when they connect."));
    keyed(list, shown, ({ tool }) => tool.name, ({ tool }) => {
      const row = h("li", {}, h("a", { href: `#/tools/${encodeURIComponent(tool.name)}`, "aria-current": tool.name === name ? "page" : undefined }, h("strong", {}, tool.name), h("span", { class: "note" })));
      return row;
    }, (row, { workers }) => say(row.querySelector(".note"), workers ? many(workers, "worker") : "no worker"));
  }

  // What is declared changes when workers come and go; the counts of the list follow the pictures.
  let before;
  return {
    element,
    shown: () => load(),
    picture: ({ cluster = {} }) => {
      const known = (cluster.tools ?? []).map((tool) => tool.toolName).join("\n");
      if (before !== undefined && before !== known && !name) load();
      before = known;
      const loads = new Map((cluster.tools ?? []).map((tool) => [tool.toolName, tool]));
      for (const listed of tools) listed.workers = loads.get(listed.tool?.name)?.workers ?? 0;
      if (tools.length) draw();
    },
    leave: () => form?.leave(),
  };
}

function toolPanel({ tool, workers, queued, inFlight }) {
  let schema;
  try {
    schema = tool.inputSchemaJson ? JSON.parse(text(tool.inputSchemaJson)) : undefined;
  } catch {
    schema = undefined;
  }
  const form = callForm(tool, schema);
  const facts = [
    `${many(workers, "worker")}`,
    `${count(inFlight)} running, ${count(queued)} queued`,
    tool.readOnly ? "read-only" : tool.idempotent ? "idempotent" : tool.honoursIdempotencyKey ? "honours idempotency keys" : "not safe to repeat",
    `timeout ${tool.timeout ? span(duration(tool.timeout)) : "30 s"}`,
    tool.maxConcurrency ? `at most ${tool.maxConcurrency} at once` : "",
    tool.maxConcurrencyPerWorker ? `at most ${tool.maxConcurrencyPerWorker} at once on one worker` : "",
    tool.ratePerSecond ? `at most ${tool.ratePerSecond} a second` : "",
    Number(tool.maxResultBytes ?? 0) ? `results of at most ${size(tool.maxResultBytes)}` : "",
    ...(tool.effects ?? []).map((effect) => `${effect.mode === "EFFECT_MODE_WRITES" ? "writes" : "reads"} ${effect.keyTemplate ?? ""}`),
    ...Object.entries(tool.labels ?? {}).map(([key, value]) => `${key}=${value}`),
  ].filter(Boolean);
  const source = (title, base64) => (base64 ? h("details", {}, h("summary", {}, title), h("pre", { tabindex: "0" }, pretty(text(base64)))) : undefined);
  const element = h("section", { class: "panel" },
    h("h2", {}, tool.name),
    tool.description ? h("p", { class: "description" }, tool.description) : undefined,
    h("p", { class: "facts" }, facts.join(" · ")),
    source("Schema of the parameters", tool.inputSchemaJson), source("Schema of the result", tool.outputSchemaJson),
    form.element);
  return { element, form };
}
