// One call, all that is known of it.

import { badge, h } from "./dom.js";
import { many, size, span, text } from "./format.js";
import { queued } from "./calls.js";
import { callState, wait } from "./words.js";

const fact = (name, ...value) => [h("dt", {}, name), h("dd", {}, value)];

/** What is shown of a call; `choose(index)` when another is asked for, `close()`. */
export function details(calls, call, { choose, close }) {
  const now = calls.now();
  const other = (index) => {
    const to = calls.list[index];
    return to && h("button", { type: "button", class: "chip", onclick: () => choose(index) }, `${callState(to).glyph} ${to.id}`);
  };
  const others = (indices) => [indices.slice(0, 30).map(other), indices.length > 30 ? ` and ${indices.length - 30} more` : ""];
  const after = calls.dependents.get(call.index) ?? [];
  const waited = queued(call, now);
  return h("section", { class: "panel details", "aria-label": `Call ${call.id}`, tabindex: "-1" },
    h("div", { class: "details-head" },
      h("h2", {}, call.id),
      badge(callState(call)),
      h("button", { type: "button", class: "plain", "aria-label": "Close the details", onclick: close }, "×")),
    h("dl", {},
      fact("Tool", h("a", { href: `#/tools/${encodeURIComponent(call.toolName)}` }, call.toolName)),
      fact("Wave", `${call.wave}${calls.critical.has(call.index) ? ", on the critical path ◆" : ""}`),
      call.waitsFor ? fact("Waits for", `${wait(call.waitsFor).name}: ${wait(call.waitsFor).meaning}`) : [],
      call.dependsOn.length ? fact("Waited for", others(call.dependsOn)) : [],
      after.length ? fact("Waited for by", others(after)) : [],
      call.ready === undefined ? [] : fact("Ready", `${span(call.ready)} after acceptance`),
      waited === undefined ? [] : fact("Queued", span(waited)),
      call.ended === undefined ? [] : fact("Ended", `${span(call.ended)} after acceptance`),
      fact("Parameters", size(call.parametersBytes)),
      call.outcome === "OUTCOME_SUCCEEDED" ? fact("Result", size(call.resultBytes)) : []),
    call.error ? failure("Why it did not succeed", call.error) : undefined,
    h("h3", {}, many(call.attempts.length, "attempt")),
    call.attempts.length ? h("ol", { class: "attempts" }, call.attempts.map((attempt) => tried(attempt, call, now))) : h("p", { class: "note" }, "It was never sent to a worker."),
    contents(calls, call));
}

function tried(attempt, call, now) {
  const ended = attempt.ended ?? call.ended;
  const begun = attempt.started ?? attempt.sent ?? 0;
  const words = [`on ${attempt.worker ?? "?"}`, `sent at ${span(attempt.sent)}`, `${ended === undefined ? "running for" : "ran"} ${span((ended ?? now) - begun)}`];
  if (attempt.late) words.push("reported after the call had ended: it changed nothing");
  return h("li", { value: attempt.number ?? 1 }, words.join(", "), attempt.failure ? failure(undefined, attempt.failure) : undefined);
}

function failure(title, error) {
  const more = [];
  if (error.retryable) more.push("may succeed later");
  if (error.mayHaveRun) more.push("may have had its effect");
  if (error.rootCallId) more.push(`because of ${error.rootCallId}`);
  if (error.retryAfter) more.push(`the tool asked for ${span(Number.parseFloat(error.retryAfter) * 1000)} of rest`);
  return h("div", { class: "failure" },
    title ? h("h3", {}, title) : undefined,
    h("p", {}, h("code", {}, error.code ?? "?"), " ", error.message ?? ""),
    more.length ? h("p", { class: "note" }, more.join(", ")) : undefined,
    error.violations?.length ? h("ul", {}, error.violations.map((one) => h("li", {}, h("code", {}, one.path || "(whole)"), " ", one.description ?? ""))) : undefined,
    error.detailsJson ? h("pre", {}, pretty(text(error.detailsJson))) : undefined);
}

/** JSON with line breaks; what was cut off is shown as it is. */
export function pretty(words) {
  // Numbers beyond 2^53 would be changed by reading them.
  if (/\d{16}/.test(words)) return words;
  try {
    return JSON.stringify(JSON.parse(words), undefined, 2);
  } catch {
    return words;
  }
}

function contents(calls, call) {
  if (!calls.head.contents) {
    return h("p", { class: "note" }, "Parameters and results are not shown: the coordinator does not keep them for operators (", h("code", {}, "history.contents"), " is off).");
  }
  const part = (title, base64, whole) => {
    if (!base64) return [];
    const words = text(base64);
    const cut = Number(whole ?? 0) > new TextEncoder().encode(words).length;
    return [h("h3", {}, title, cut ? h("span", { class: "note" }, ` the first ${size(words.length)} of ${size(whole)}`) : ""), h("pre", { tabindex: "0" }, pretty(words))];
  };
  return h("div", {}, part("Parameters", call.parametersJson, call.parametersBytes), part("Result", call.resultJson, call.resultBytes));
}

