// Calling a tool by hand: a form from its schema, or JSON for what the form cannot say; and what came of it.

import { ApiError, post } from "./api.js";
import { pretty } from "./details.js";
import { badge, fill, h, say } from "./dom.js";
import { base64, duration, many, span, text } from "./format.js";
import { Wrong, field } from "./schema.js";
import { outcome } from "./words.js";

/** The form of a tool. */
export function callForm(tool, schema) {
  const form = field(schema && typeof schema === "object" ? { type: "object", properties: {}, ...schema } : { type: "object", properties: {} }, { name: "parameters", required: true });
  const raw = h("textarea", { class: "code", rows: "8", spellcheck: "false", "aria-label": "Parameters as JSON" });
  const place = h("div");
  const wrong = h("div", { class: "wrong", role: "alert", hidden: true });
  const answer = h("div", { "aria-live": "polite" });
  const run = h("button", { type: "submit", class: "main" }, `Call ${tool.name}`);
  const stop = h("button", { type: "button", hidden: true, onclick: () => calling?.abort() }, "Cancel the call");
  const swap = h("button", { type: "button", class: "plain link", onclick: () => turn(!asJson) });
  const element = h("form", { class: "call", novalidate: true, onsubmit: (event) => submit(event) },
    h("div", { class: "details-head" }, h("h3", {}, "Call it"), swap),
    h("p", { class: "note" }, tool.readOnly ? "It is declared to change nothing." : "It may change something: this is a real call, run on a worker now and recorded as yours."),
    place, wrong, h("div", { class: "actions left" }, run, stop), answer);
  let asJson = false;
  let calling;

  function turn(on) {
    if (on) {
      try {
        raw.value = form.read() === "{}" ? "{}" : pretty(form.read());
      } catch {
        raw.value ||= "{}";
      }
    }
    asJson = on;
    fill(place, on ? raw : form.fields ? form.element : h("p", { class: "note" }, "It takes no parameters that a form could ask for."));
    say(swap, on ? "Use the form" : "Write JSON");
  }

  function parameters() {
    if (!asJson) return form.read();
    const words = raw.value.trim() || "{}";
    let value;
    try {
      value = JSON.parse(words);
    } catch (error) {
      throw new Wrong(raw, error.message);
    }
    if (typeof value !== "object" || value === null || Array.isArray(value)) throw new Wrong(raw, "parameters are a JSON object");
    return words;
  }

  const complain = (message) => {
    wrong.hidden = !message;
    say(wrong, message);
  };

  async function submit(event) {
    event.preventDefault();
    complain("");
    form.clear();
    let words;
    try {
      words = parameters();
    } catch (error) {
      if (!(error instanceof Wrong)) throw error;
      error.control.setAttribute("aria-invalid", "true");
      error.control.focus();
      return complain(error.message);
    }
    calling = new AbortController();
    run.disabled = true;
    stop.hidden = false;
    fill(answer, h("p", { class: "note" }, "Running …"));
    try {
      const body = JSON.stringify({ id: "call", toolName: tool.name, parametersJson: base64(words) });
      show(await post("call", body, calling.signal));
    } catch (error) {
      fill(answer);
      if (error.name === "AbortError") complain("Cancelled.");
      else if (error instanceof ApiError) complain([error.message, ...error.violations.map((one) => `${one.field}: ${one.description}`)].join("\n"));
      else throw error;
    } finally {
      run.disabled = false;
      stop.hidden = true;
    }
    return undefined;
  }

  function show({ results = [], summary = {} }) {
    const result = results[0] ?? {};
    const error = result.error;
    const took = duration(summary.duration);
    const where = (result.attempts ?? []).at(-1)?.worker;
    const unsaid = (error?.violations ?? []).filter((one) => asJson || !form.blame(one.path ?? "", one.description ?? ""));
    const worded = result.resultJson ? pretty(text(result.resultJson)) : undefined;
    fill(answer,
      h("div", { class: "answer" },
        h("p", {}, badge(outcome(result.outcome)), ` after ${span(took)}${where ? ` on ${where}` : ""}${(result.attempts ?? []).length > 1 ? `, ${many(result.attempts.length, "attempt")}` : ""} · `,
          summary.executionId ? h("a", { href: `#/executions/${encodeURIComponent(summary.executionId)}` }, "its execution") : ""),
        error ? h("div", { class: "failure" }, h("p", {}, h("code", {}, error.code ?? "?"), " ", error.message ?? ""),
          unsaid.length ? h("ul", {}, unsaid.map((one) => h("li", {}, h("code", {}, one.path || "(whole)"), " ", one.description ?? ""))) : undefined) : undefined,
        worded === undefined ? undefined : h("pre", { tabindex: "0" }, worded),
        result.omittedResultBytes ? h("p", { class: "note" }, "The result is too large to be shown here.") : undefined));
  }

  turn(false);
  return { element, leave: () => calling?.abort() };
}
