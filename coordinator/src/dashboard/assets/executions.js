// Executions, those that run and those that ended: the newest come by themselves, older ones when they are looked for.

import { get } from "./api.js";
import { badge, empty, fill, h, say } from "./dom.js";
import { clock, count, duration, instant, many, short, span } from "./format.js";
import { LongList } from "./rows.js";
import { executionState, outcome } from "./words.js";

/** Of one request. */
const PAGE = 500;

/** A row, to be filled by `showExecution`. */
export function executionRow() {
  const row = h("div", { class: "execution" });
  row.link = h("a", { class: "execution-id" });
  row.state = h("span", { class: "execution-state" });
  row.calls = h("span", { class: "execution-calls" });
  row.time = h("span", { class: "execution-time" });
  row.when = h("span", { class: "execution-when" });
  row.append(row.link, row.state, row.calls, row.time, row.when);
  return row;
}

export function showExecution(row, status) {
  const id = status.executionId ?? "";
  row.link.href = `#/executions/${encodeURIComponent(id)}`;
  row.link.title = id;
  say(row.link, short(id));
  const state = executionState(status);
  if (row.said !== state.word) {
    row.said = state.word;
    fill(row.state, badge(state));
  }
  const ended = status.endedAt ? "" : `${count(status.ended)} of `;
  const tries = (status.attempts ?? 0) === (status.calls ?? 0) ? "" : `, ${many(status.attempts, "attempt")}`;
  const tenant = status.tenant && status.tenant !== "default" ? `, ${status.tenant}` : "";
  say(row.calls, `${ended}${many(status.calls, "call")}, ${many(status.waves, "wave")}${tries}${tenant}`);
  row.calls.title = (status.outcomes ?? []).map((entry) => `${entry.count} ${outcome(entry.outcome).word}`).join(", ");
  say(row.time, span(duration(status.duration)));
  say(row.when, clock(instant(status.acceptedAt)));
}

export function executionsPage() {
  const found = new Map();
  let forgotten = 0;
  let whole = false;
  let loading = false;
  let failed;
  const text = h("input", { type: "search", placeholder: "Id or tenant", "aria-label": "Id or tenant", oninput: () => draw() });
  const which = h("select", { "aria-label": "Which executions", onchange: () => draw() },
    h("option", { value: "all" }, "All"), h("option", { value: "running" }, "Running"), h("option", { value: "trouble" }, "With trouble"));
  const note = h("p", { class: "note", role: "status" });
  const nothing = h("div", { hidden: true });
  const list = new LongList({ label: "Executions", make: executionRow, show: showExecution, near: () => more() });
  const element = h("div", { class: "page" }, h("h1", {}, "Executions"),
    h("div", { class: "tools-bar" }, text, which), note,
    h("section", { class: "panel flush" },
      h("div", { class: "execution heads", "aria-hidden": "true" }, ["Id", "State", "Calls", "Took", "Accepted"].map((name) => h("span", {}, name))),
      nothing, list.element));

  const wanted = (status) => {
    if (which.value === "running" && status.endedAt) return false;
    if (which.value === "trouble" && !["bad", "warn"].includes(executionState(status).kind)) return false;
    const words = text.value.trim().toLowerCase();
    return !words || (status.executionId ?? "").includes(words) || (status.tenant ?? "").toLowerCase().includes(words);
  };

  function draw() {
    const shown = [...found.values()].filter(wanted).sort((one, other) => other.at - one.at);
    list.set(shown);
    say(note, `${count(shown.length)} shown${whole ? "" : ", older ones follow as you scroll"}${Number(forgotten) ? `; ${count(forgotten)} ended long ago and are not kept` : ""}.`);
    nothing.hidden = shown.length > 0;
    if (shown.length) return;
    fill(nothing, failed ? [empty("The executions cannot be listed", failed.message), h("button", { type: "button", onclick: () => more() }, "Try again")]
      : !whole ? empty("Asking the coordinator …")
        : found.size ? empty("None like that", "Others are there: change the filter.")
          : empty("No execution yet", "Send one with `toolwave run`, or call a tool from the Tools page."));
  }

  function take(statuses) {
    for (const status of statuses) {
      status.at = instant(status.acceptedAt) ?? 0;
      const before = found.get(status.executionId);
      // An answer that was on its way does not undo an end.
      if (!before?.endedAt || status.endedAt) found.set(status.executionId, status);
    }
  }

  let last = "";
  async function more() {
    if (loading || whole) return;
    loading = true;
    failed = undefined;
    try {
      const answer = await get(`executions?limit=${PAGE}&before=${encodeURIComponent(last)}`);
      const statuses = answer.executions ?? [];
      take(statuses);
      forgotten = answer.forgotten ?? 0;
      last = statuses.at(-1)?.executionId ?? last;
      whole = statuses.length < PAGE;
    } catch (error) {
      failed = error;
    }
    loading = false;
    draw();
  }

  /** Those that run and are not among the newest: asked for anew where some of them ended. */
  let asked = Date.now();
  async function again(newest) {
    const old = [...found.values()].filter((status) => !status.endedAt && !newest.has(status.executionId));
    if (!old.length || Date.now() - asked < 5000) return;
    asked = Date.now();
    const answer = await get("executions?running=true&limit=1000").catch(() => undefined);
    if (!answer) return;
    take(answer.executions ?? []);
    const running = new Set((answer.executions ?? []).map((status) => status.executionId));
    if (old.every((status) => running.has(status.executionId))) return;
    for (const status of old) found.delete(status.executionId);
    last = "";
    whole = false;
    more();
  }

  return {
    element,
    shown: () => more(),
    picture: ({ executions = {} }) => {
      if (failed) more();
      take(executions.executions ?? []);
      again(new Set((executions.executions ?? []).map((status) => status.executionId)));
      draw();
    },
    leave: () => list.leave(),
  };
}
