// The wave timeline: each call a row, each attempt a bar. Only the rows in view are drawn, so that ten thousand calls
// cost what forty do; while an execution runs it is drawn anew with each frame, or once a second where little motion
// is wanted.

import { lasted, queued } from "./calls.js";
import { announce, calm, h, say } from "./dom.js";
import { many, span } from "./format.js";
import { HEAD, ROW, paint, palette } from "./timeline_paint.js";
import { KEYS, listen } from "./timeline_keys.js";
import { callState, wait } from "./words.js";

export class Timeline {
  /** `chosen(call)` when another call is chosen (or none), `entered(call)` when its details are asked for. */
  constructor(calls, { chosen, entered }) {
    Object.assign(this, { calls, chosen, entered, rows: [], places: new Map(), wanted: () => true });
    this.over = new AbortController();
    this.canvas = h("canvas", { "aria-hidden": "true" });
    this.space = h("div", { class: "timeline-space" });
    this.scroller = h("div", { class: "timeline-scroll" }, this.canvas, this.space);
    this.tip = h("div", { class: "tip", hidden: true });
    this.element = h("div", { class: "timeline", tabindex: "0", role: "application", "aria-roledescription": "timeline", "aria-label": `Timeline of the calls. ${KEYS}.` }, this.scroller, this.tip);
    listen(this);
    const size = new ResizeObserver(() => this.resize());
    size.observe(this.element);
    this.over.signal.addEventListener("abort", () => size.disconnect());
    for (const query of ["(prefers-color-scheme: dark)", "(forced-colors: active)"]) {
      matchMedia(query).addEventListener("change", () => {
        this.colours = undefined;
        this.wake();
      }, { signal: this.over.signal });
    }
  }

  /** The calls changed. */
  renew() {
    this.rows = this.calls.rows(this.wanted);
    this.places = new Map(this.rows.flatMap((row, place) => (row.index === undefined ? [] : [[row.index, place]])));
    const height = this.rows.length * ROW;
    this.space.style.height = `${height}px`;
    this.element.style.height = `${Math.min(height, 30 * ROW) + HEAD + 2}px`;
    this.resize();
  }

  filter(wanted) {
    this.wanted = wanted;
    this.renew();
  }

  resize() {
    const ratio = devicePixelRatio || 1;
    this.width = this.scroller.clientWidth;
    this.height = Math.min(this.element.clientHeight, this.rows.length * ROW + HEAD);
    this.left = this.width < 560 ? 112 : Math.min(300, Math.round(this.width * 0.26));
    const [wide, high] = [Math.round(this.width * ratio), Math.round(this.height * ratio)];
    if (this.canvas.width !== wide || this.canvas.height !== high) {
      this.canvas.width = wide;
      this.canvas.height = high;
      this.canvas.style.width = `${this.width}px`;
      this.canvas.style.height = `${this.height}px`;
      this.space.style.marginTop = `${HEAD - this.height}px`;
    }
    this.wake();
  }

  /** Draws with the next frame. */
  wake() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = undefined;
      this.draw();
    });
  }

  draw() {
    if (!this.width || this.over.signal.aborted) return;
    const context = this.canvas.getContext("2d");
    const ratio = devicePixelRatio || 1;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.colours ??= palette(this.element);
    const [from, to] = this.range();
    paint(context, this.colours, this.calls, {
      width: this.width,
      height: this.height,
      left: this.left,
      scroll: this.scroller.scrollTop,
      from,
      to,
      rows: this.rows,
      places: this.places,
      chosen: this.selected,
      pointed: this.pointed,
      near: this.near(),
      onlyCritical: this.onlyCritical,
    });
    if (this.calls.ended) return;
    if (!calm()) this.wake();
    else this.slow ??= setTimeout(() => {
      this.slow = undefined;
      this.wake();
    }, 1000);
  }

  /** What is in view, in ms. All of it unless somebody zoomed. */
  range() {
    return this.window ?? [0, Math.max(1e-3, this.calls.now() * 1.04)];
  }

  /** The pointed call, and those that it waited for or that waited for it. */
  near() {
    const about = this.calls.list[this.pointed];
    if (!about) return undefined;
    return new Set([about.index, ...about.dependsOn, ...(this.calls.dependents.get(about.index) ?? [])]);
  }

  fit() {
    this.window = undefined;
    this.wake();
  }

  zoom(factor, offset = undefined) {
    const [from, to] = this.range();
    const bars = Math.max(1, this.width - this.left);
    const share = offset === undefined ? 0.5 : Math.min(1, Math.max(0, (offset - this.left) / bars));
    const at = from + (to - from) * share;
    const all = Math.max(1e-3, this.calls.now() * 1.04);
    const length = Math.max(0.01, (to - from) * factor);
    if (length >= all) return this.fit();
    this.#look(at - length * share, length, all);
  }

  pan(share) {
    const [from, to] = this.range();
    if (!this.window) return;
    this.#look(from + (to - from) * share, to - from, Math.max(to, this.calls.now() * 1.04));
  }

  #look(from, length, all) {
    const begin = Math.max(0, Math.min(from, all - length));
    this.window = [begin, begin + length];
    this.wake();
  }

  /** The call under the pointer. */
  at(event) {
    const box = this.scroller.getBoundingClientRect();
    const y = event.clientY - box.top;
    if (y < HEAD) return undefined;
    const row = this.rows[Math.floor((y - HEAD + this.scroller.scrollTop) / ROW)];
    return row?.index;
  }

  point(event) {
    const pointed = event && this.at(event);
    if (pointed !== this.pointed) {
      this.pointed = pointed;
      this.wake();
    }
    this.tip.hidden = pointed === undefined;
    if (pointed === undefined) return;
    say(this.tip, this.sentence(this.calls.list[pointed]));
    const box = this.element.getBoundingClientRect();
    this.tip.style.left = `${Math.min(event.clientX - box.left + 14, Math.max(0, box.width - this.tip.offsetWidth - 4))}px`;
    this.tip.style.top = `${event.clientY - box.top + 16}px`;
  }

  click(event) {
    const index = this.at(event);
    if (index === undefined) return;
    this.choose(index);
    this.enter();
  }

  move(by) {
    const list = this.rows.filter((row) => row.index !== undefined);
    if (!list.length) return;
    const at = list.findIndex((row) => row.index === this.selected);
    const next = Math.min(list.length - 1, Math.max(0, at < 0 ? (by > 0 && Number.isFinite(by) ? 0 : by > 0 ? list.length - 1 : 0) : at + by));
    this.choose(list[next].index);
  }

  choose(index) {
    this.selected = index;
    const place = this.places.get(index);
    if (place !== undefined) {
      const { scrollTop } = this.scroller;
      const room = this.height - HEAD;
      if (place * ROW < scrollTop) this.scroller.scrollTop = place * ROW - ROW;
      else if ((place + 1) * ROW > scrollTop + room) this.scroller.scrollTop = (place + 1) * ROW - room + ROW;
      announce(this.sentence(this.calls.list[index]));
    }
    this.wake();
    this.chosen(this.calls.list[index]);
  }

  enter() {
    const call = this.calls.list[this.selected];
    if (call) this.entered(call);
  }

  /** A call in words. */
  sentence(call) {
    const now = this.calls.now();
    const parts = [`${call.id}, ${call.toolName}, wave ${call.wave}: ${callState(call).word}`];
    const ran = lasted(call, now);
    const waited = queued(call, now);
    if (ran !== undefined) parts.push(`ran ${span(ran)} on ${call.attempts.at(-1).worker ?? "?"}`);
    if (waited !== undefined) parts.push(`queued ${span(waited)}`);
    if (call.waitsFor) parts.push(`waits for ${wait(call.waitsFor).name}`);
    if (call.attempts.length > 1) parts.push(many(call.attempts.length, "attempt"));
    if (call.dependsOn.length) parts.push(`after ${many(call.dependsOn.length, "call")}`);
    if (this.calls.critical.has(call.index)) parts.push("on the critical path");
    return parts.join(" · ");
  }

  leave() {
    this.over.abort();
    clearTimeout(this.slow);
  }
}
