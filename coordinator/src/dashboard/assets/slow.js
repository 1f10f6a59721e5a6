// Why is it slow? What the coordinator measured of an execution, in sentences and lengths; while it runs, what its
// calls wait for now.

import { h, meter } from "./dom.js";
import { count, duration, many, span } from "./format.js";
import { wait } from "./words.js";

/** The panel of an execution. */
export function slow(calls) {
  const summary = calls.head.summary;
  return h("section", { class: "panel slow" }, h("h2", {}, "Why does it take so long?"), summary?.analysis ? ended(calls, summary) : summary ? h("p", { class: "note" }, "It was not analysed.") : running(calls));
}

function running(calls) {
  const waits = new Map();
  for (const call of calls.list) {
    if (call?.waitsFor) waits.set(call.waitsFor, (waits.get(call.waitsFor) ?? 0) + 1);
  }
  const dependent = calls.list.filter((call) => call?.state === "CALL_STATE_WAITING").length;
  const flight = calls.status.inFlight ?? 0;
  const rows = [...waits].sort((one, other) => other[1] - one[1]).map(([reason, number]) => row(`${many(number, "call")} ${number === 1 ? "waits" : "wait"} for ${wait(reason).name}`, wait(reason), number, calls.list.length));
  if (dependent) rows.push(row(`${many(dependent, "call")} ${dependent === 1 ? "waits" : "wait"} for other calls`, { meaning: "their dependencies have not ended", cure: "" }, dependent, calls.list.length));
  if (!rows.length) return h("p", {}, flight ? `Nothing waits: ${many(flight, "call")} running.` : "Nothing waits.");
  return h("ul", { class: "waits" }, rows);
}

const row = (title, { meaning, cure }, part, whole) => h("li", {}, h("strong", {}, title), meter(part, whole, `${part} of ${whole}`), h("div", { class: "note" }, `${meaning}. ${cure}`));

function ended(calls, summary) {
  const analysis = summary.analysis;
  const took = duration(summary.duration);
  const alone = duration(summary.sequentialDuration);
  const least = duration(analysis.lowerBound);
  const path = duration(analysis.criticalPathExecution);
  const saved = duration(analysis.savedByOneMoreSlot);
  const bar = (name, value, note) => h("div", { class: "length" }, h("span", { class: "length-name" }, name), length(value, Math.max(took, least, 1e-6)), h("span", { class: "length-text" }, span(value), note ? h("span", { class: "note" }, ` ${note}`) : ""));
  const parts = [
    bar("Took", took, took > 0 ? `one after another: ${span(alone)}, so ${(alone / took).toFixed(1)} times faster` : ""),
    bar("Critical path ◆", path, `${many((analysis.criticalPath ?? []).length, "call")}; the other ${span(Math.max(0, took - path))} was waiting`),
    bar("Lower bound", least, "with any number of slots"),
  ];
  const waits = (analysis.waits ?? []).slice(0, 6).map((one) => {
    const words = wait(one.reason);
    const subject = one.subject ? ` (${one.subject})` : "";
    return h("li", {}, h("strong", {}, `${span(duration(one.time))} for ${words.name}${subject}`), ` ${many(one.calls, "call")}, summed: ${words.meaning}.`, words.cure ? h("div", { class: "note" }, words.cure) : undefined);
  });
  return [
    h("div", { class: "lengths" }, parts),
    waits.length ? h("ul", { class: "waits" }, waits) : h("p", {}, "No ready call waited."),
    analysis.retries ? h("p", {}, `${many(analysis.retries, "retry", "retries")} took ${span(duration(analysis.retryTime))}: attempts that failed and the pauses behind them.`) : undefined,
    h("p", {}, `At most ${count(analysis.peakInFlight)} in flight at once. `, saved > took * 0.01 ? `One more would have saved about ${span(saved)}.` : "One more would have saved next to nothing."),
  ];
}

function length(value, most) {
  const bar = h("span", { class: "length-bar", "aria-hidden": "true" }, h("span", { class: "length-in" }));
  bar.firstChild.style.width = `${(value / most) * 100}%`;
  return bar;
}
