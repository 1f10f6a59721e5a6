// What the contract's enums are called on the page: a word, a glyph that tells without colour, a kind that colours.

const OUTCOMES = {
  OUTCOME_SUCCEEDED: ["good", "✓", "succeeded"],
  OUTCOME_FAILED: ["bad", "✗", "failed"],
  OUTCOME_REJECTED: ["bad", "⊘", "rejected"],
  OUTCOME_TIMED_OUT: ["warn", "◷", "timed out"],
  OUTCOME_DEADLINE_EXCEEDED: ["warn", "◶", "deadline exceeded"],
  OUTCOME_CANCELLED: ["quiet", "■", "cancelled"],
  OUTCOME_SKIPPED: ["quiet", "»", "skipped"],
  OUTCOME_UNAVAILABLE: ["bad", "△", "unavailable"],
  OUTCOME_UNKNOWN: ["bad", "?", "unknown"],
};

const STATES = {
  CALL_STATE_WAITING: ["quiet", "┄", "waits for other calls"],
  CALL_STATE_READY: ["wait", "▨", "queued"],
  CALL_STATE_IN_FLIGHT: ["run", "▶", "running"],
  CALL_STATE_BACKOFF: ["warn", "↻", "backs off"],
};

const WORKERS = {
  WORKER_STATE_READY: ["good", "●", "ready"],
  WORKER_STATE_SUSPECT: ["warn", "◐", "suspect"],
  WORKER_STATE_DETACHED: ["bad", "○", "detached"],
  WORKER_STATE_EJECTED: ["bad", "⊘", "ejected"],
};

/** What each means, for who has not read the contract. */
export const WORKER_MEANING = {
  WORKER_STATE_READY: "takes calls",
  WORKER_STATE_SUSPECT: "missed two heartbeats: gets no new call",
  WORKER_STATE_DETACHED: "its stream broke: it has its grace to come back",
  WORKER_STATE_EJECTED: "its attempts kept failing: out for a time, then tried with one call",
};

const WAITS = {
  WAIT_REASON_NO_WORKER: ["a worker", "no healthy worker hosts the tool", "Start a worker that hosts it, or see why it is gone."],
  WAIT_REASON_SLOTS: ["slots", "the slots of the workers that host the tool", "Add workers, or slots to them."],
  WAIT_REASON_COORDINATOR_LIMIT: ["max_in_flight", "the coordinator's limit of calls in flight", "Raise max_in_flight."],
  WAIT_REASON_EXECUTION_LIMIT: ["max_concurrency", "the execution's own limit", "The client may ask for a higher max_concurrency, or for max_concurrency_auto."],
  WAIT_REASON_TENANT_LIMIT: ["the tenant's limit", "the tenant's max_in_flight", "Raise the tenant's max_in_flight."],
  WAIT_REASON_TOOL_LIMIT: ["the tool's limit", "the tool's max_concurrency over all workers", "Raise the tool's max_concurrency."],
  WAIT_REASON_TOOL_RATE: ["the tool's rate", "the tool's rate, or its own wish for a pause", "Raise the tool's rate, where what is behind it can take more."],
  WAIT_REASON_TOOL_WORKER_LIMIT: ["the tool's limit per worker", "the tool's max_concurrency_per_worker", "Raise max_concurrency_per_worker, or add workers."],
  WAIT_REASON_BACKOFF: ["backoff", "the pause between two attempts", "See why attempts fail."],
  WAIT_REASON_TURN: ["its turn", "its turn, or the references of its parameters", ""],
};

const of = (table, name) => {
  const [kind, glyph, word] = table[name] ?? ["quiet", "·", fallback(name)];
  return { kind, glyph, word };
};

/** A value that a newer coordinator knows and this page does not. */
const fallback = (name) => (name ? String(name).replace(/^(OUTCOME|CALL_STATE|WORKER_STATE|WAIT_REASON)_/, "").toLowerCase().replaceAll("_", " ") : "unknown state");

export const outcome = (name) => of(OUTCOMES, name);
export const outcomes = Object.keys(OUTCOMES);

/** A call as it is now. */
export const callState = (call) => (call.state === "CALL_STATE_ENDED" || call.outcome ? outcome(call.outcome) : of(STATES, call.state));

/** A worker; draining says more than ready does. */
export function workerState(worker) {
  const state = of(WORKERS, worker.state);
  if (!worker.draining) return state;
  return worker.state === "WORKER_STATE_READY" ? { kind: "warn", glyph: "◌", word: "draining" } : { ...state, word: `${state.word}, draining` };
}

/** What is waited for: `name`, `meaning`, `cure`. */
export function wait(reason) {
  const [name, meaning, cure] = WAITS[reason] ?? [fallback(reason), fallback(reason), ""];
  return { name, meaning, cure };
}

/** An execution as a whole. */
export function executionState(status) {
  if (!status.endedAt) return { kind: "run", glyph: "▶", word: "running" };
  const counts = new Map((status.outcomes ?? []).map((entry) => [entry.outcome, entry.count]));
  const good = counts.get("OUTCOME_SUCCEEDED") ?? 0;
  if (good === (status.calls ?? 0)) return { kind: "good", glyph: "✓", word: "succeeded" };
  if (counts.has("OUTCOME_CANCELLED") && !counts.has("OUTCOME_FAILED")) return { kind: "quiet", glyph: "■", word: "cancelled" };
  if (good === 0) return { kind: "bad", glyph: "✗", word: "no call succeeded" };
  return { kind: "bad", glyph: "✗", word: `${(status.calls ?? 0) - good} of ${status.calls} not ok` };
}
