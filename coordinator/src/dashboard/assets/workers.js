// Those who run the calls: a table that becomes cards where it is narrow.

import { post } from "./api.js";
import { badge, empty, fill, h, meter, say } from "./dom.js";
import { confirm, toast } from "./dialogs.js";
import { duration, many, span } from "./format.js";
import { keyed } from "./rows.js";
import { WORKER_MEANING, workerState } from "./words.js";

const COLUMNS = ["Worker", "State", "Slots", "Tools", "Address", "Heard", ""];

export function workersTable() {
  const body = h("tbody");
  const table = h("table", { class: "cards" },
    h("thead", {}, h("tr", {}, COLUMNS.map((name) => h("th", { scope: "col" }, name || h("span", { class: "away" }, "Actions"))))), body);
  const nothing = empty("No workers", "Start one: toolwave-worker --coordinator http://HOST:7421");
  const element = h("div", {}, nothing, table);
  const show = (workers) => {
    nothing.hidden = workers.length > 0;
    table.hidden = workers.length === 0;
    keyed(body, workers, (worker) => worker.worker, makeRow, showRow);
  };
  return { element, show };
}

function makeRow(worker) {
  const cell = (label) => h("td", { "data-label": label });
  const row = h("tr", {}, h("th", { scope: "row" }), COLUMNS.slice(1, -1).map(cell), h("td", { class: "act" }));
  const labels = Object.entries(worker.labels ?? {}).map(([key, value]) => `${key}=${value}`);
  fill(row.cells[0], worker.worker, h("div", { class: "note" }, [worker.build, ...labels].filter(Boolean).join(" · ")));
  row.button = h("button", { type: "button", onclick: () => drain(row.worker, row.button) });
  row.cells[6].append(row.button);
  return row;
}

function showRow(row, worker) {
  row.worker = worker;
  const [, state, slots, tools, address, heard] = row.cells;
  const words = workerState(worker);
  if (row.said !== words.word) {
    row.said = words.word;
    fill(state, badge(words));
    state.title = WORKER_MEANING[worker.state] ?? "";
  }
  const used = `${worker.inFlight ?? 0} of ${worker.slots ?? 0}`;
  if (slots.said !== used) {
    slots.said = used;
    fill(slots, meter(worker.inFlight ?? 0, worker.slots ?? 0, `${used} slots taken`), ` ${used}`);
  }
  const names = worker.tools ?? [];
  const shown = names.length > 3 ? `${names.slice(0, 3).join(", ")} and ${names.length - 3} more` : names.join(", ");
  say(tools, shown || "none");
  tools.title = names.join(", ");
  say(address, worker.address || "no session");
  say(heard, duration(worker.silence) < 5000 && worker.state === "WORKER_STATE_READY" ? "now" : `${span(duration(worker.silence))} ago`);
  say(row.button, worker.draining ? "Resume" : "Drain");
  row.button.setAttribute("aria-label", `${worker.draining ? "Resume" : "Drain"} ${worker.worker}`);
}

async function drain(worker, button) {
  const { worker: name, draining, inFlight } = worker;
  if (!draining) {
    const text = `It gets no further call, also after it reconnects, until you resume it. ${many(inFlight, "call")} in flight there end by themselves.`;
    if (!(await confirm(`Drain ${name}?`, text, "Drain"))) return;
  }
  button.disabled = true;
  try {
    await post(`workers/${encodeURIComponent(name)}/${draining ? "resume" : "drain"}`);
    toast(draining ? `${name} takes calls again.` : `${name} drains.`);
  } catch (error) {
    toast(`${name} was not ${draining ? "resumed" : "drained"}: ${error.message}`, true);
  }
  button.disabled = false;
}
