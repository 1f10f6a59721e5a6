// The cluster at a glance: what is wrong, how full it is, who works, what waits.

import { empty, fill, h, meter, panel, say } from "./dom.js";
import { Chart, Samples } from "./charts.js";
import { clock, count, instant, many, size, span } from "./format.js";
import { keyed } from "./rows.js";
import { verdicts } from "./verdict.js";
import { showExecution, executionRow } from "./executions.js";
import { workersTable } from "./workers.js";

const samples = new Samples();

/** Every picture, whichever page is shown: the curves go on. */
export const remember = ({ cluster = {} }) => samples.add(cluster);

const tile = (label) => {
  const value = h("div", { class: "tile-value" }, "–");
  const note = h("div", { class: "tile-note" });
  return { element: h("div", { class: "tile" }, h("div", { class: "tile-label" }, label), value, note), value, note };
};

export function overviewPage() {
  const verdict = h("ul", { class: "verdict", "aria-label": "Verdict" }, h("li", { class: "quiet" }, "Asking the coordinator …"));
  const tiles = { flight: tile("Running"), queue: tile("Queued"), rate: tile("Calls ended"), executions: tile("Executions"), bytes: tile("Payloads held") };
  const flow = new Chart("Calls ended a second", [{ name: "rate", label: "ended", colour: "--accent" }], "/s");
  const load = new Chart("Calls queued and running", [
    { name: "inFlight", label: "running", colour: "--run" },
    { name: "queued", label: "queued", colour: "--wait", dash: [8, 4] },
    { name: "slots", label: "slots", colour: "--muted", dash: [2, 3] },
  ], "");
  const workers = workersTable();
  const tools = h("div", { class: "loads" });
  const newest = h("div", { class: "newest", role: "list", "aria-label": "Newest executions" });
  const about = h("p", { class: "note" });
  const element = h("div", { class: "page" },
    h("h1", { class: "away" }, "Overview"),
    verdict,
    h("div", { class: "tiles" }, Object.values(tiles).map((one) => one.element)),
    h("div", { class: "two" },
      panel("Throughput", flow.element),
      panel("Queue and slots", load.element)),
    panel("Workers", workers.element),
    h("div", { class: "two" },
      panel("Calls by tool", tools),
      panel("Newest executions", newest, h("p", {}, h("a", { href: "#/executions" }, "All executions")))),
    about);

  function picture(now) {
    const { cluster = {}, executions = {} } = now;
    keyed(verdict, verdicts(now), (item) => item.text, (item) => h("li", { class: item.kind }, h("span", { "aria-hidden": "true" }, `${item.glyph} `), item.href ? h("a", { href: item.href }, item.text) : item.text), () => {});
    verdict.querySelector("li.quiet")?.remove();
    say(tiles.flight.value, `${count(cluster.inFlight)} / ${count(cluster.slots)}`);
    fill(tiles.flight.note, meter(cluster.inFlight ?? 0, cluster.slots ?? 0, `${cluster.inFlight ?? 0} of ${cluster.slots ?? 0} slots taken`), " slots");
    say(tiles.queue.value, count(cluster.queuedCalls));
    say(tiles.queue.note, "calls wait for their turn");
    say(tiles.rate.value, `${samples.rate < 10 ? samples.rate.toFixed(1) : count(Math.round(samples.rate))}/s`);
    say(tiles.rate.note, `${count(cluster.callsEnded)} since the start`);
    say(tiles.executions.value, count(cluster.executions));
    say(tiles.executions.note, `running; ${count(cluster.executionsEnded)} ended`);
    say(tiles.bytes.value, size(cluster.payloadBytes));
    say(tiles.bytes.note, "parameters and results");
    flow.draw(samples);
    load.draw(samples);
    workers.show(now.workers?.workers ?? []);
    showLoads(tools, cluster.tools ?? []);
    showNewest(newest, executions.executions ?? []);
    const started = instant(cluster.startedAt);
    say(about, `Coordinator ${cluster.coordinatorId ?? "–"}, build ${cluster.build || "–"}, started ${clock(started)}${started ? `, ${span(Math.floor((Date.now() - started) / 1000) * 1000)} ago` : ""}.`);
  }

  return {
    element,
    picture,
    leave: () => {
      flow.leave();
      load.leave();
    },
  };
}

/** The busiest first; idle tools are only counted. */
function showLoads(element, tools) {
  const busy = tools.filter((tool) => tool.queued || tool.inFlight).sort((one, other) => (other.queued ?? 0) - (one.queued ?? 0));
  const most = Math.max(1, ...busy.map((tool) => (tool.queued ?? 0) + (tool.inFlight ?? 0)));
  const idle = tools.length - busy.length;
  const rest = tools.length ? `${many(idle, "tool")} idle.` : "";
  fill(element,
    tools.length ? undefined : empty("No tools yet", "Workers bring their tools when they connect."),
    busy.slice(0, 12).map((tool) => {
      const bar = h("div", { class: "load-bar", "aria-hidden": "true" }, h("span", { class: "load-run" }), h("span", { class: "load-wait" }));
      bar.children[0].style.width = `${((tool.inFlight ?? 0) / most) * 100}%`;
      bar.children[1].style.width = `${((tool.queued ?? 0) / most) * 100}%`;
      return h("div", { class: "load" },
        h("a", { class: "load-name", href: `#/tools/${encodeURIComponent(tool.toolName)}` }, tool.toolName),
        bar,
        h("span", { class: "load-text" }, `${count(tool.inFlight)} running, ${count(tool.queued)} queued, ${many(tool.workers, "worker")}`));
    }),
    busy.length > 12 ? h("p", { class: "note" }, `${busy.length - 12} more busy tools.`) : undefined,
    rest ? h("p", { class: "note" }, rest) : undefined);
}

function showNewest(element, statuses) {
  if (!statuses.length) {
    element.kept = undefined;
    fill(element, empty("No execution yet", "Send one with `toolwave run`, or call a tool from the Tools page."));
    return;
  }
  element.querySelector(".empty")?.remove();
  keyed(element, statuses.slice(0, 6), (status) => status.executionId, () => {
    const row = executionRow();
    row.setAttribute("role", "listitem");
    return row;
  }, showExecution);
}

