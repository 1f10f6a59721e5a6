// Numbers as people read them, always with their unit. Times of the contract become milliseconds.

/** `google.protobuf.Duration` in JSON ("1.5s") as milliseconds; undefined: 0. */
export const duration = (text) => (text ? Number.parseFloat(text) * 1000 : 0);

/** A timestamp as milliseconds since 1970, with its fraction; undefined stays undefined. */
export function instant(text) {
  if (!text) return undefined;
  const fraction = /\.(\d+)/.exec(text);
  const whole = Date.parse(text.replace(/\.\d+/, ""));
  return whole + (fraction ? Number(`0.${fraction[1]}`) * 1000 : 0);
}

/** Milliseconds. */
export function span(ms) {
  if (!Number.isFinite(ms)) return "–";
  const size = Math.abs(ms);
  if (size === 0) return "0 ms";
  if (size < 0.9995) return `${Math.round(ms * 1000)} µs`;
  if (size < 9.995) return `${trim(ms, 2)} ms`;
  if (size < 999.5) return `${Math.round(ms)} ms`;
  if (size < 9995) return `${trim(ms / 1000, 2)} s`;
  if (size < 59950) return `${trim(ms / 1000, 1)} s`;
  const seconds = Math.round(ms / 1000);
  if (size < 3600e3) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  if (size < 86400e3) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
  return `${Math.floor(seconds / 86400)} d ${Math.floor((seconds % 86400) / 3600)} h`;
}

const trim = (value, digits) => value.toFixed(digits).replace(/\.?0+$/, "");

/** Bytes; JSON has 64-bit numbers as text. */
export function size(bytes) {
  const value = Number(bytes || 0);
  if (value < 1024) return `${value} B`;
  const units = ["KiB", "MiB", "GiB", "TiB"];
  let scaled = value / 1024;
  let unit = 0;
  while (scaled >= 1024 && unit < units.length - 1) {
    scaled /= 1024;
    unit += 1;
  }
  return `${scaled < 10 ? trim(scaled, 1) : Math.round(scaled)} ${units[unit]}`;
}

/** 12,345 */
export const count = (value) => Number(value || 0).toLocaleString("en-US");

/** "1 call", "2 calls" */
export const many = (value, one, more = `${one}s`) => `${count(value)} ${Number(value || 0) === 1 ? one : more}`;

/** The time of day, with the date where it is another day's; in the viewer's time zone. */
export function clock(ms) {
  if (ms === undefined) return "–";
  const date = new Date(ms);
  const time = date.toLocaleTimeString("en-GB", { hour12: false });
  if (date.toDateString() === new Date().toDateString()) return time;
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${time}`;
}

const two = (value) => String(value).padStart(2, "0");

/** An id, short; the whole of it belongs into a title. */
export const short = (id) => (id.length > 12 ? id.slice(0, 8) : id);

/** Base64 of the JSON mapping as text. */
export function text(base64) {
  if (!base64) return "";
  return new TextDecoder().decode(Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0)));
}

/** Text as base64. */
export function base64(words) {
  let binary = "";
  for (const byte of new TextEncoder().encode(words)) binary += String.fromCharCode(byte);
  return btoa(binary);
}
