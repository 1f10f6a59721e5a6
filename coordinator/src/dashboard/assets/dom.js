// Elements. What comes from the server is put in as text: nothing here, or anywhere in the page, parses HTML.

/** An element with attributes (`on…` are listeners, `value` and the like properties) and children. */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "value" || name === "checked" || name === "disabled" || name === "hidden") element[name] = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  append(element, children);
  return element;
}

function append(element, children) {
  for (const child of children.flat(Infinity)) {
    if (child === undefined || child === null || child === false) continue;
    element.append(child instanceof Node ? child : String(child));
  }
}

/** New children instead of the old ones. */
export function fill(element, ...children) {
  element.replaceChildren();
  append(element, children);
  return element;
}

/** Sets text only where it changed, so that a selection or a reader is not disturbed. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Tells those who listen rather than look. */
export function announce(text) {
  say(document.getElementById("said"), text);
}

/** A share as a bar that is also words: `label` says what the lengths mean. */
export function meter(used, of, label) {
  const share = of > 0 ? Math.min(1, used / of) : 0;
  const bar = h("span", { class: "meter", role: "img", "aria-label": label }, h("span", { class: share >= 1 ? "meter-in full" : "meter-in" }));
  bar.firstChild.style.width = `${share * 100}%`;
  return bar;
}

/** A state as a glyph and a word, never as a colour alone. */
export function badge({ kind, glyph, word }) {
  return h("span", { class: `badge ${kind}` }, h("span", { "aria-hidden": "true" }, glyph), ` ${word}`);
}

/** What is shown where there is nothing to show. */
export function empty(title, ...more) {
  return h("div", { class: "empty" }, h("p", { class: "empty-title" }, title), more.map((text) => h("p", {}, text)));
}

/** A part of a page under a heading. */
export function panel(title, ...children) {
  return h("section", { class: "panel" }, h("h2", {}, title), children);
}

/** Whether somebody asked for little motion. */
export const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;
