// Lists: one that keeps its elements while what they show changes, and one of any length of which only what is in
// view exists.

import { h } from "./dom.js";

/** Keeps `parent`'s children in step with `items`: `make(item)` once for each key, `update(element, item)` each time. */
export function keyed(parent, items, key, make, update) {
  parent.kept ??= new Map();
  const gone = new Set(parent.kept.keys());
  let before = parent.firstChild;
  for (const item of items) {
    const name = key(item);
    gone.delete(name);
    let row = parent.kept.get(name);
    if (!row) {
      row = make(item);
      parent.kept.set(name, row);
    }
    if (row === before) before = row.nextSibling;
    else parent.insertBefore(row, before);
    update(row, item);
  }
  for (const name of gone) {
    parent.kept.get(name).remove();
    parent.kept.delete(name);
  }
}

/** A list in which every row is `--row` pixels high (the style sheet says how many). */
export class LongList {
  /** `make()` an element, `show(element, item)` an item in it; `near()` when its end comes into view. */
  constructor({ label, make, show, near = () => {} }) {
    Object.assign(this, { make, show, near, items: [], pool: [] });
    this.space = h("div", { class: "long-space", role: "presentation" });
    this.element = h("div", { class: "long", role: "list", "aria-label": label, tabindex: "0" }, this.space);
    this.element.addEventListener("scroll", () => this.draw(), { passive: true });
    this.observer = new ResizeObserver(() => this.draw());
    this.observer.observe(this.element);
  }

  set(items) {
    this.items = items;
    this.draw();
  }

  draw() {
    const row = Number.parseFloat(getComputedStyle(this.element).getPropertyValue("--row")) || 40;
    const { scrollTop, clientHeight } = this.element;
    this.space.style.height = `${this.items.length * row}px`;
    const first = Math.max(0, Math.floor(scrollTop / row) - 4);
    const last = Math.min(this.items.length, Math.ceil((scrollTop + clientHeight) / row) + 4);
    while (this.pool.length < last - first) {
      const element = this.make();
      element.classList.add("long-row");
      element.setAttribute("role", "listitem");
      this.pool.push(element);
      this.space.append(element);
    }
    this.pool.forEach((element, at) => {
      const index = first + at;
      element.hidden = index >= last;
      if (element.hidden) return;
      element.style.transform = `translateY(${index * row}px)`;
      element.setAttribute("aria-setsize", this.items.length);
      element.setAttribute("aria-posinset", index + 1);
      this.show(element, this.items[index]);
    });
    if (this.items.length && last >= this.items.length - 20) this.near();
  }

  leave() {
    this.observer.disconnect();
  }
}
