// An execution's calls as the timeline needs them: times as milliseconds since acceptance, who waits for whom.

import { duration, instant } from "./format.js";

/** Follows the events of one execution. */
export class Calls {
  constructor() {
    this.list = [];
    this.status = {};
    this.head = undefined;
    this.version = 0;
  }

  /** One event: what is known of the execution, and the calls that changed. */
  take({ head, whole, calls }) {
    this.head = head;
    this.status = head.status ?? {};
    this.start = instant(this.status.acceptedAt) ?? 0;
    if (whole) this.list = [];
    for (const call of calls) this.list[call.index ?? 0] = this.#derive(call);
    this.ended = Boolean(this.status.endedAt);
    this.heardAt = performance.now();
    this.length = duration(this.status.duration);
    this.critical = new Set(head.summary?.analysis?.criticalPath ?? []);
    this.version += 1;
    if (whole || !this.dependents) {
      this.dependents = new Map();
      for (const call of this.list) {
        for (const on of call.dependsOn) this.dependents.set(on, [...(this.dependents.get(on) ?? []), call.index]);
      }
    }
  }

  /** Milliseconds since acceptance, now: what the coordinator said last, and the time since. */
  now() {
    return this.ended ? this.length : this.length + (performance.now() - this.heardAt);
  }

  #at(timestamp) {
    const at = instant(timestamp);
    return at === undefined ? undefined : Math.max(0, at - this.start);
  }

  #derive(call) {
    const attempts = (call.attempts ?? []).map((attempt) => {
      const started = this.#at(attempt.startedAt);
      return { ...attempt, sent: this.#at(attempt.dispatchedAt) ?? started, started, ended: this.#at(attempt.endedAt) };
    });
    return {
      ...call,
      index: call.index ?? 0,
      id: call.id ?? String(call.index ?? 0),
      toolName: call.toolName ?? "",
      wave: call.wave ?? 0,
      dependsOn: call.dependsOn ?? [],
      attempts,
      ready: this.#at(call.readyAt),
      ended: this.#at(call.endedAt),
    };
  }

  /** Rows of the timeline: each wave under a heading of its own, its calls in request order. */
  rows(wanted = () => true) {
    const waves = [];
    for (const call of this.list) {
      if (call && wanted(call)) (waves[call.wave] ??= []).push(call);
    }
    return waves.flatMap((calls, wave) => [{ wave, count: calls.length }, ...calls]);
  }

  /** How many were in flight at each time it changed: `[time, count]`, and the most. */
  load() {
    if (this.loadOf === this.version) return this.loadKnown;
    const changes = [];
    for (const call of this.list) {
      for (const attempt of call?.attempts ?? []) {
        if (attempt.sent === undefined) continue;
        changes.push([attempt.sent, 1]);
        // The end of the call is by the clock that the next dispatch is by; that of an attempt is the worker's.
        const end = Math.min(attempt.ended ?? Infinity, call.ended ?? Infinity);
        if (end !== Infinity) changes.push([Math.max(end, attempt.sent), -1, attempt.sent]);
      }
    }
    // An end and the dispatch that it made room for are told of within the same moment, in either order.
    const moment = Math.min(2, this.length / 500);
    const order = ([at, , sent]) => (sent === undefined ? at : Math.max(at - moment, sent + 1e-6));
    changes.sort((one, other) => order(one) - order(other) || one[1] - other[1]);
    let now = 0;
    let most = 1;
    const steps = changes.map(([at, change]) => {
      now += change;
      most = Math.max(most, now);
      return [at, now];
    });
    this.loadOf = this.version;
    this.loadKnown = { steps, most };
    return this.loadKnown;
  }
}

/** A call in a sentence, for those who listen and for the tip. */
export const lasted = (call, now) => {
  const last = call.attempts.at(-1);
  const begun = last?.started ?? last?.sent;
  return begun === undefined ? undefined : (last.ended ?? call.ended ?? now) - begun;
};

/** Between ready and the first time it was sent, or now. */
export const queued = (call, now) => (call.ready === undefined ? undefined : (call.attempts[0]?.sent ?? call.ended ?? now) - call.ready);
