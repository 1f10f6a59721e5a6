// One execution: how it stands, its timeline, why it takes so long, and the call that is chosen.

import { post } from "./api.js";
import { Calls } from "./calls.js";
import { details } from "./details.js";
import { confirm, toast } from "./dialogs.js";
import { badge, empty, fill, h, say } from "./dom.js";
import { clock, count, instant, many, span } from "./format.js";
import { slow } from "./slow.js";
import { Timeline } from "./timeline.js";
import { KEYS } from "./timeline_keys.js";
import { callState, executionState, outcome } from "./words.js";

const FILTERS = {
  all: ["All calls", () => true],
  bad: ["Not succeeded", (call) => call.outcome && call.outcome !== "OUTCOME_SUCCEEDED"],
  now: ["Running or queued", (call) => !call.outcome && call.state !== "CALL_STATE_WAITING"],
  retried: ["Retried", (call) => call.attempts.length > 1],
};

export function executionPage(id) {
  performance.mark("execution-asked");
  const calls = new Calls();
  const state = h("span");
  const facts = h("p", { class: "facts" });
  const cancel = h("button", { type: "button", class: "danger", hidden: true, onclick: () => stop() }, "Cancel");
  const why = h("div");
  const side = h("div");
  const search = h("input", { type: "search", placeholder: "Id or tool", "aria-label": "Filter calls by id or tool", oninput: () => filter() });
  const which = h("select", { "aria-label": "Which calls", onchange: () => filter() }, Object.entries(FILTERS).map(([value, [name]]) => h("option", { value }, name)));
  const path = h("button", { type: "button", "aria-pressed": "false", onclick: () => critical() }, "◆ Critical path");
  const timeline = new Timeline(calls, {
    chosen: (call) => call === undefined && showDetails(undefined),
    entered: (call) => showDetails(call, true),
  });
  const control = (label, glyph, act) => h("button", { type: "button", "aria-label": label, title: label, onclick: act }, glyph);
  const bar = h("div", { class: "tools-bar" }, search, which, path,
    h("span", { class: "grow" }),
    control("Zoom out", "−", () => timeline.zoom(1 / 0.6)), control("Zoom in", "+", () => timeline.zoom(0.6)), control("All of it", "Fit", () => timeline.fit()));
  const nothing = h("div", {}, empty("Asking the coordinator …"));
  const none = h("p", { class: "note", hidden: true, role: "status" }, "No call is like that.");
  const body = h("div", { hidden: true },
    h("section", { class: "panel flush" }, bar, none, timeline.element, legend()),
    side, why);
  const element = h("div", { class: "page" },
    h("div", { class: "title" }, h("h1", {}, "Execution ", h("code", {}, id)), state, cancel),
    facts, nothing, body);

  let open;
  function showDetails(call, focus = false) {
    open = call?.index;
    fill(side, call && details(calls, call, {
      choose: (index) => {
        timeline.choose(index);
        showDetails(calls.list[index], true);
      },
      close: () => {
        showDetails(undefined);
        timeline.element.focus();
      },
    }));
    if (focus && call) side.firstChild.focus();
  }

  function filter() {
    const words = search.value.trim().toLowerCase();
    const [, wanted] = FILTERS[which.value];
    timeline.filter((call) => wanted(call) && (!words || call.id.toLowerCase().includes(words) || call.toolName.toLowerCase().includes(words)));
    none.hidden = timeline.rows.length > 0;
  }

  function critical() {
    timeline.onlyCritical = !timeline.onlyCritical;
    path.setAttribute("aria-pressed", String(timeline.onlyCritical));
    timeline.wake();
  }

  async function stop() {
    const { inFlight = 0, waiting = 0 } = calls.status;
    if (!(await confirm("Cancel this execution?", `${many(inFlight, "call")} in flight ${inFlight === 1 ? "is" : "are"} aborted, ${count(waiting)} that wait do not run. What has ended keeps its result.`, "Cancel the execution"))) return;
    cancel.disabled = true;
    try {
      const answer = await post(`executions/${encodeURIComponent(id)}/cancel`);
      toast(answer.alreadyEnded ? "It had ended before." : "It is cancelled.");
    } catch (error) {
      toast(`It was not cancelled: ${error.message}`, true);
    }
    cancel.disabled = false;
  }

  let said;
  let reasons = 0;
  function execution(name, event) {
    if (name === "execution-failure") {
      nothing.hidden = false;
      body.hidden = true;
      cancel.hidden = true;
      const error = event.head.error ?? {};
      return fill(nothing, empty(error.reason === "EXECUTION_NOT_FOUND" ? "No such execution" : "The execution cannot be shown", error.message ?? ""), h("a", { href: "#/executions" }, "All executions"));
    }
    if (name !== "execution") return undefined;
    const ended = calls.ended;
    calls.take(event);
    const { status } = calls;
    nothing.hidden = !calls.head.callsForgotten;
    body.hidden = Boolean(calls.head.callsForgotten);
    if (calls.head.callsForgotten) fill(nothing, empty("Its calls are not kept any more", "It ended long ago: only the line above is left. history.executions and history.bytes say how much is kept."));
    const words = executionState(status);
    if (said !== words.word) {
      said = words.word;
      fill(state, badge(words));
    }
    cancel.hidden = Boolean(status.endedAt);
    path.disabled = calls.critical.size === 0;
    path.title = path.disabled ? "Known when the execution has ended" : "Only the calls that the end waited for";
    say(facts, factsOf(calls).join(" · "));
    timeline.renew();
    if (which.value !== "all") filter();
    // Its details stay where somebody reads or presses in them, unless the call itself changed.
    if (open !== undefined && event.calls.some((call) => (call.index ?? 0) === open)) showDetails(calls.list[open], side.contains(document.activeElement));
    if (event.whole || ended !== calls.ended || performance.now() - reasons > 1000) {
      reasons = performance.now();
      fill(why, slow(calls));
    }
    if (event.whole) requestAnimationFrame(() => requestAnimationFrame(() => performance.measure("execution-shown", "execution-asked")));
    return undefined;
  }

  return { element, watches: id, execution, leave: () => timeline.leave() };
}

function factsOf(calls) {
  const { status } = calls;
  const counts = (status.outcomes ?? []).map((entry) => `${count(entry.count)} ${outcome(entry.outcome).word}`);
  const facts = [`${span(calls.length)}`, `${many(status.calls, "call")} in ${many(status.waves, "wave")}`];
  if (!calls.ended) facts.push(`${count(status.inFlight)} in flight, ${count(status.waiting)} waiting, ${count(status.ended)} ended`);
  facts.push(...counts);
  if ((status.attempts ?? 0) > 0) facts.push(many(status.attempts, "attempt"));
  facts.push(`tenant ${status.tenant || "default"}`, `accepted ${clock(instant(status.acceptedAt))}`);
  if (status.traceId) facts.push(`trace ${status.traceId}`);
  return facts;
}

/** What bars, patterns and glyphs mean. */
function legend() {
  const key = (kind, text) => h("li", {}, h("span", { class: `key ${kind}`, "aria-hidden": "true" }), text);
  const done = ["OUTCOME_SUCCEEDED", "OUTCOME_FAILED", "OUTCOME_TIMED_OUT", "OUTCOME_CANCELLED", "OUTCOME_SKIPPED"].map((name) => callState({ outcome: name }));
  return h("details", { class: "legend" }, h("summary", {}, "What the bars mean, and the keys"),
    h("ul", {},
      key("waits", "waits for other calls"), key("queued", "queued: ready, waits for its turn"), key("runs", "running"),
      key("ends", "ended"), key("fails", "an attempt that failed"), key("rests", "pause before the next attempt"),
      h("li", {}, "◆ on the critical path, drawn with a frame"),
      done.map((one) => h("li", {}, `${one.glyph} ${one.word}`))),
    h("p", { class: "note" }, `${KEYS}. Ctrl and the wheel zoom, dragging pans.`));
}
