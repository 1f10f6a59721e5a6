// What is wrong, in one sentence each: the first thing that somebody who was woken up wants to read.

import { count, duration, many, span } from "./format.js";
import { wait } from "./words.js";

/** `[{kind, glyph, text, href}]`, the worst first; one that says all is well where nothing is wrong. */
export function verdicts({ cluster = {}, workers = {}, executions = {} }) {
  const found = [];
  const say = (kind, glyph, text, href) => found.push({ kind, glyph, text, href });
  const all = workers.workers ?? [];
  const ready = all.filter((worker) => worker.state === "WORKER_STATE_READY" && !worker.draining);
  const queued = cluster.queuedCalls ?? 0;
  if (!all.length) say("bad", "✗", "No worker is connected: no call can run.");
  else if (!ready.length) say("bad", "✗", `None of ${many(all.length, "worker")} takes calls.`);
  for (const tool of cluster.tools ?? []) {
    if (tool.queued && !tool.workers) {
      say("bad", "✗", `${many(tool.queued, "call")} of ${tool.toolName} ${tool.queued === 1 ? "waits" : "wait"}, and no worker hosts it.`, "#/tools");
    }
  }
  for (const worker of all) {
    if (worker.state === "WORKER_STATE_EJECTED") say("bad", "⊘", `Worker ${worker.worker} is out: its attempts kept failing.`);
    if (worker.state === "WORKER_STATE_DETACHED") say("bad", "○", `Worker ${worker.worker} lost its connection ${span(duration(worker.silence))} ago.`);
    if (worker.state === "WORKER_STATE_SUSPECT") say("warn", "◐", `Worker ${worker.worker} has not been heard for ${span(duration(worker.silence))}.`);
  }
  if (cluster.draining) say("warn", "◌", "The coordinator drains: it accepts no execution.");
  const waited = (cluster.limits ?? []).filter((limit) => limit.waiting);
  for (const limit of waited.slice(0, 3)) {
    const subject = limit.subject ? ` of ${limit.subject}` : "";
    say("warn", "▨", `${many(limit.waiting, "call")} ${limit.waiting === 1 ? "waits" : "wait"} for ${limit.setting || wait(limit.reason).name}${subject} (${count(limit.inUse)} of ${count(limit.limit)}).`, "#/limits");
  }
  if (!waited.length && queued && cluster.slots && (cluster.inFlight ?? 0) >= cluster.slots) {
    say("warn", "▨", `${many(queued, "call")} ${queued === 1 ? "waits" : "wait"}: all ${count(cluster.slots)} slots are taken.`);
  }
  const ended = (executions.executions ?? []).filter((status) => status.endedAt);
  const bad = ended.filter((status) => (status.outcomes ?? []).some(({ outcome }) => !["OUTCOME_SUCCEEDED", "OUTCOME_CANCELLED"].includes(outcome)));
  if (ended.length >= 5 && bad.length * 2 > ended.length) {
    say("bad", "✗", `${bad.length} of the last ${ended.length} executions had calls that did not succeed.`, "#/executions");
  }
  if (!found.length) {
    const busy = cluster.inFlight ? `${many(cluster.inFlight, "call")} running` : "idle";
    say("good", "✓", `All is well: ${many(ready.length, "worker")} ready, ${busy}.`);
  }
  const order = { bad: 0, warn: 1, good: 2 };
  return found.sort((one, other) => order[one.kind] - order[other.kind]);
}
