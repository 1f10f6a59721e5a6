// The stream of what changes: one connection, made again with growing pauses when it breaks. It says how it stands;
// what the events mean is for the pages.

import { request } from "./api.js";

const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 10_000;
/** A picture comes every second: so long without one, and what is shown is old. */
const SILENCE = 5_000;

export class Live {
  /** `heard(name, value)` for each event; `stands({state, retryAt, error})` when the connection changes. */
  constructor(heard, stands) {
    this.heard = heard;
    this.stands = stands;
    this.execution = undefined;
    this.pause = FIRST_PAUSE;
    addEventListener("online", () => this.retry());
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden && this.timer) this.retry();
    });
  }

  /** Watches the cluster, and the execution where there is one. */
  open(execution) {
    if (this.running && this.execution === execution) return;
    this.execution = execution;
    this.pause = FIRST_PAUSE;
    this.retry();
  }

  /** Now rather than after the pause. */
  retry() {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.running?.abort();
    const running = new AbortController();
    this.running = running;
    this.#run(running);
  }

  async #run(running) {
    let error;
    let silent;
    const listen = () => {
      clearTimeout(silent);
      silent = setTimeout(() => running.abort("silent"), SILENCE);
    };
    try {
      listen();
      const query = this.execution ? `?execution=${encodeURIComponent(this.execution)}` : "";
      const response = await request(`live${query}`, { signal: running.signal });
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      let held = "";
      for (;;) {
        const { value, done } = await reader.read();
        if (done) break;
        listen();
        const from = Math.max(0, held.length - 1);
        held += value;
        let end = held.indexOf("\n\n", from);
        while (end >= 0) {
          this.#event(held.slice(0, end));
          held = held.slice(end + 2);
          end = held.indexOf("\n\n");
        }
      }
    } catch (caught) {
      error = caught;
    }
    clearTimeout(silent);
    if (this.running !== running) return;
    this.running = undefined;
    const pause = this.pause * (0.75 + Math.random() / 2);
    this.pause = Math.min(LONGEST_PAUSE, this.pause * 2);
    // Who has to show a token first is asked for it, not tried again and again.
    const refused = error?.status === 401 || error?.status === 403;
    if (!refused) this.timer = setTimeout(() => this.retry(), pause);
    this.stands({ state: refused ? "refused" : "broken", retryAt: Date.now() + pause, error });
  }

  #event(text) {
    const [name, data] = text.split("\ndata: ", 2);
    if (data === undefined) return;
    this.pause = FIRST_PAUSE;
    this.stands({ state: "live" });
    try {
      this.heard(name.replace("event: ", ""), JSON.parse(data));
    } catch (error) {
      // A fault of the page is not one of the connection; the next event may do better.
      reportError(error);
    }
  }
}
