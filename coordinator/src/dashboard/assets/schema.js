// A form from a JSON Schema, as far as forms go: each property a field; what a form cannot say is a field of JSON.
// Fields answer JSON text, not values, so that integers beyond 2^53 stay what was typed.

import { h } from "./dom.js";

let ids = 0;

/** The kind of a schema, of those that a form has a field for. */
function kindOf(schema) {
  if (!schema || typeof schema !== "object") return "json";
  if (Array.isArray(schema.enum) && schema.enum.every((value) => value === null || typeof value !== "object")) return "enum";
  const types = [schema.type ?? []].flat().filter((type) => type !== "null");
  if (types.length !== 1) return "json";
  const [type] = types;
  if (type === "object") return schema.properties && !schema.patternProperties ? "object" : "json";
  if (type === "array") return ["string", "number", "integer"].includes(schema.items?.type) && !schema.items.enum ? "list" : "json";
  return ["string", "integer", "number", "boolean"].includes(type) ? type : "json";
}

/** `#/$defs/…` within the whole schema. */
function resolve(schema, whole, depth = 0) {
  const reference = schema?.$ref;
  if (typeof reference !== "string" || !reference.startsWith("#/") || depth > 8) return schema;
  let found = whole;
  for (const part of reference.slice(2).split("/")) {
    const name = part.replaceAll("~1", "/").replaceAll("~0", "~");
    if (!found || typeof found !== "object" || !Object.hasOwn(found, name)) return {};
    found = found[name];
  }
  return resolve(found, whole, depth + 1);
}

/**
 * A field: `element`; `read()`, its JSON text, undefined where it is left out; `blame(path, text)`, true when the JSON
 * Pointer is its own or of something in it. `path` is its own pointer.
 */
export function field(schema, { name, required, whole = schema, path = "", depth = 0 }) {
  const own = resolve(schema, whole);
  const kind = depth > 4 ? "json" : kindOf(own);
  if (kind === "object") return group(own, { name, required, whole, path, depth });
  const id = `field-${(ids += 1)}`;
  const { control, read } = controls[kind](own, id, required);
  const hints = [own.description, ...bounds(own), kind === "list" ? "one a line" : kind === "json" ? "JSON" : ""].filter(Boolean);
  const note = h("div", { class: "note", id: `${id}-note` }, hints.join(" · "));
  const wrong = h("div", { class: "wrong", id: `${id}-wrong`, hidden: true });
  control.setAttribute("aria-describedby", `${id}-note ${id}-wrong`);
  const element = h("div", { class: `field field-${kind}` }, h("label", { for: id }, name, required ? h("span", { class: "note" }, " required") : ""), control, note, wrong);
  const blame = (at, text) => {
    if (at !== path && !at.startsWith(`${path}/`)) return false;
    wrong.hidden = false;
    wrong.textContent = at === path ? text : `${at.slice(path.length)}: ${text}`;
    control.setAttribute("aria-invalid", "true");
    return true;
  };
  const clear = () => {
    wrong.hidden = true;
    control.removeAttribute("aria-invalid");
  };
  return { element, read, blame, clear, focus: () => control.focus() };
}

function group(schema, { name, required, whole, path, depth }) {
  const needed = new Set(schema.required ?? []);
  // Those that are needed first.
  const names = Object.keys(schema.properties ?? {}).sort((one, other) => needed.has(other) - needed.has(one));
  const escape = (key) => key.replaceAll("~", "~0").replaceAll("/", "~1");
  const fields = names.map((key) => [key, field(schema.properties[key], { name: key, required: needed.has(key), whole, path: `${path}/${escape(key)}`, depth: depth + 1 })]);
  const inside = fields.map(([, one]) => one.element);
  const element = depth === 0 ? h("div", {}, inside) : h("fieldset", {}, h("legend", {}, name), schema.description ? h("p", { class: "note" }, schema.description) : undefined, inside);
  const read = () => {
    const members = [];
    for (const [key, one] of fields) {
      const text = one.read();
      if (text !== undefined) members.push(`${JSON.stringify(key)}: ${text}`);
    }
    return members.length || required || depth === 0 ? `{${members.join(", ")}}` : undefined;
  };
  const blame = (at, text) => fields.some(([, one]) => one.blame(at, text));
  const clear = () => fields.forEach(([, one]) => one.clear());
  return { element, read, blame, clear, fields: fields.length };
}

const bounds = (schema) => [
  ["minimum", "at least "], ["maximum", "at most "], ["exclusiveMinimum", "above "], ["exclusiveMaximum", "below "],
  ["minLength", "characters at least: "], ["maxLength", "characters at most: "], ["pattern", "matches "], ["format", ""],
].filter(([key]) => ["string", "number"].includes(typeof schema[key])).map(([key, words]) => `${words}${schema[key]}`)
  .concat(schema.default === undefined ? [] : [`default ${JSON.stringify(schema.default)}`]);

const example = (schema) => (schema.examples?.[0] === undefined ? "" : String(typeof schema.examples[0] === "string" ? schema.examples[0] : JSON.stringify(schema.examples[0])));

/** Words that are checked to be a number, and sent as they were typed. */
function number(schema, id, required, pattern, what) {
  const control = h("input", { id, inputmode: "decimal", required, placeholder: example(schema), autocomplete: "off" });
  const read = () => {
    const text = control.value.trim();
    if (!text) return undefined;
    if (!pattern.test(text)) throw new Wrong(control, `not ${what}`);
    return text;
  };
  return { control, read };
}

/** A field that holds what cannot be sent. */
export class Wrong extends Error {
  constructor(control, message) {
    super(message);
    this.control = control;
  }
}

const controls = {
  string(schema, id, required) {
    const control = h("textarea", { id, rows: "1", required, placeholder: example(schema), spellcheck: "false" });
    return { control, read: () => (control.value || required ? JSON.stringify(control.value) : undefined) };
  },
  integer: (schema, id, required) => number(schema, id, required, /^-?(0|[1-9]\d*)$/, "an integer"),
  number: (schema, id, required) => number(schema, id, required, /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/, "a number"),
  boolean(schema, id, required) {
    const control = h("select", { id }, required ? [] : h("option", { value: "" }, "not said"), h("option", { value: "true" }, "true"), h("option", { value: "false" }, "false"));
    return { control, read: () => control.value || undefined };
  },
  enum(schema, id, required) {
    const control = h("select", { id }, required ? [] : h("option", { value: "" }, "not said"), schema.enum.map((value, at) => h("option", { value: String(at) }, String(value))));
    return { control, read: () => (control.value === "" ? undefined : JSON.stringify(schema.enum[Number(control.value)])) };
  },
  list(schema, id, required) {
    const control = h("textarea", { id, rows: "3", required, spellcheck: "false" });
    const textual = schema.items.type === "string";
    const read = () => {
      const lines = control.value.split("\n").map((line) => line.trim()).filter(Boolean);
      if (!lines.length) return required ? "[]" : undefined;
      if (textual) return JSON.stringify(lines);
      const odd = lines.find((line) => !/^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/.test(line));
      if (odd !== undefined) throw new Wrong(control, `${odd} is not a number`);
      return `[${lines.join(", ")}]`;
    };
    return { control, read };
  },
  json(schema, id, required) {
    const control = h("textarea", { id, rows: "3", class: "code", required, spellcheck: "false", placeholder: example(schema) });
    const read = () => {
      const text = control.value.trim();
      if (!text) return undefined;
      try {
        JSON.parse(text);
      } catch (error) {
        throw new Wrong(control, error.message);
      }
      return text;
    };
    return { control, read };
  },
};
