// The timeline's picture: the rows in view on a canvas. Each state has a pattern and a glyph of its own, so that
// nothing is told by colour alone.

import { span } from "./format.js";
import { callState } from "./words.js";

export const ROW = 22;
export const HEAD = 64;
const LOAD = 34;
const MONO = 7.25;

const NAMES = ["text", "muted", "line", "panel", "soft", "accent", "good", "bad", "warn", "quiet", "run", "wait"];

/** Colours of the style sheet, and patterns made of them. */
export function palette(element) {
  const style = getComputedStyle(element);
  const colours = Object.fromEntries(NAMES.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
  return { ...colours, queuedFill: pattern(colours.wait, false), failedFill: pattern(colours.bad, true) };
}

function pattern(colour, crossed) {
  const tile = document.createElement("canvas");
  tile.width = tile.height = 8;
  const context = tile.getContext("2d");
  context.strokeStyle = colour;
  context.lineWidth = 1.4;
  context.beginPath();
  for (const shift of [-8, 0, 8]) {
    context.moveTo(shift, 8);
    context.lineTo(shift + 8, 0);
    if (crossed) {
      context.moveTo(shift, 0);
      context.lineTo(shift + 8, 8);
    }
  }
  context.stroke();
  return context.createPattern(tile, "repeat");
}

/** Round steps of an axis, about `most` of them. */
export function step(length, most) {
  const rough = Math.max(length / Math.max(1, most), 1e-3);
  const power = 10 ** Math.floor(Math.log10(rough));
  if (rough >= 1000) {
    for (const seconds of [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400]) {
      if (seconds * 1000 >= rough) return seconds * 1000;
    }
  }
  return power * [1, 2, 5, 10].find((factor) => factor * power >= rough);
}

const clip = (text, width) => {
  const most = Math.max(1, Math.floor(width / MONO));
  return text.length <= most ? text : `${text.slice(0, most - 1)}…`;
};

/**
 * Paints. `view`: width, height, left (where the bars begin), scroll (in pixels), from and to (in ms), now, rows,
 * first (the row at the top), chosen and pointed (indices of calls), near (those related), onlyCritical.
 */
export function paint(context, colours, calls, view) {
  context.clearRect(0, 0, view.width, view.height);
  const x = (at) => view.left + ((at - view.from) / (view.to - view.from)) * (view.width - view.left - 8);
  const painter = { context, colours, calls, view, x };
  context.textBaseline = "middle";
  grid(painter);
  context.save();
  context.beginPath();
  context.rect(0, HEAD, view.width, view.height - HEAD);
  context.clip();
  const first = Math.floor(view.scroll / ROW);
  const last = Math.min(view.rows.length, Math.ceil((view.scroll + view.height - HEAD) / ROW) + 1);
  for (let at = first; at < last; at += 1) {
    const top = HEAD + at * ROW - view.scroll;
    const row = view.rows[at];
    if (row.index === undefined) heading(painter, row, top);
    else call(painter, row, top);
  }
  edges(painter);
  if (!calls.ended) nowLine(painter);
  context.restore();
}

function grid({ context, colours, calls, view, x }) {
  const every = step(view.to - view.from, (view.width - view.left) / 90);
  context.font = "11px ui-monospace, monospace";
  context.fillStyle = colours.muted;
  context.strokeStyle = colours.line;
  context.lineWidth = 1;
  for (let at = Math.ceil(view.from / every) * every; at <= view.to; at += every) {
    const left = Math.round(x(at)) + 0.5;
    context.beginPath();
    context.moveTo(left, HEAD - 6);
    context.lineTo(left, view.height);
    context.stroke();
    const text = span(at);
    context.fillText(text, Math.min(left - 4, view.width - text.length * 6.7), HEAD - 16);
  }
  // Calls in flight over time: where it is flat at a limit, the limit held it.
  const { steps, most } = calls.load();
  if (!steps.length) return;
  const y = (value) => LOAD + 4 - (value / most) * LOAD;
  context.beginPath();
  context.moveTo(view.left, y(0));
  let level = 0;
  for (const [index, [at, value]] of steps.entries()) {
    const left = Math.min(Math.max(view.left, x(at)), view.width);
    // What comes and goes within a pixel is no more than ink.
    if (index + 1 < steps.length && x(steps[index + 1][0]) - left < 1) continue;
    context.lineTo(left, y(level));
    context.lineTo(left, y(value));
    level = value;
  }
  context.lineTo(Math.min(view.width, Math.max(view.left, x(calls.now()))), y(level));
  context.lineTo(Math.min(view.width, Math.max(view.left, x(calls.now()))), y(0));
  context.closePath();
  context.globalAlpha = 0.25;
  context.fillStyle = colours.run;
  context.fill();
  context.globalAlpha = 1;
  context.strokeStyle = colours.run;
  context.stroke();
  context.fillStyle = colours.muted;
  context.fillText(clip("in flight", view.left - 8), 8, 14);
  context.fillText(clip(`at most ${calls.head?.summary?.analysis?.peakInFlight ?? most}`, view.left - 8), 8, 30);
}

function heading({ context, colours, view }, row, top) {
  context.fillStyle = colours.soft;
  context.fillRect(0, top, view.width, ROW);
  context.fillStyle = colours.text;
  context.font = "600 12px system-ui, sans-serif";
  context.fillText(`Wave ${row.wave}`, 8, top + ROW / 2);
  context.fillStyle = colours.muted;
  context.font = "12px system-ui, sans-serif";
  context.fillText(`${row.count} ${row.count === 1 ? "call" : "calls"}`, 72, top + ROW / 2);
}

function call(painter, row, top) {
  const { context, colours, calls, view } = painter;
  const middle = top + ROW / 2;
  const marked = row.index === view.chosen || row.index === view.pointed;
  const critical = calls.critical.has(row.index);
  const dim = (view.near && !view.near.has(row.index)) || (view.onlyCritical && !critical);
  if (marked) {
    context.fillStyle = colours.soft;
    context.fillRect(0, top, view.width, ROW);
  }
  context.globalAlpha = dim ? 0.25 : 1;
  const state = callState(row);
  context.font = "12px ui-monospace, monospace";
  context.fillStyle = colours[state.kind] ?? colours.muted;
  context.fillText(state.glyph, 8, middle);
  context.fillStyle = colours.text;
  const room = view.left - 34;
  const id = clip(row.id, room - (critical ? 14 : 0));
  context.fillText(id, 24, middle);
  const used = id.length * MONO;
  if (critical) context.fillText("◆", 28 + used, middle);
  if (room - used > 50 && row.toolName !== row.id) {
    context.fillStyle = colours.muted;
    const more = used + (critical ? 18 : 8);
    context.fillText(clip(row.toolName, room - more), 24 + more, middle);
  }
  context.save();
  context.beginPath();
  context.rect(view.left, top, view.width - view.left, ROW);
  context.clip();
  bars(painter, row, top, critical, state);
  context.restore();
  if (row.index === view.chosen) {
    context.strokeStyle = colours.accent;
    context.lineWidth = 2;
    context.strokeRect(1, top + 1, view.width - 2, ROW - 2);
  }
  context.globalAlpha = 1;
}

function bars(painter, row, top, critical, state) {
  const { context, colours, calls, x } = painter;
  const middle = top + ROW / 2;
  const now = calls.now();
  const line = (from, to, dash, colour) => {
    context.strokeStyle = colour;
    context.lineWidth = 1.5;
    context.setLineDash(dash);
    context.beginPath();
    context.moveTo(x(from), middle);
    context.lineTo(x(to), middle);
    context.stroke();
    context.setLineDash([]);
  };
  const box = (from, to, fill, stroke, height = ROW - 8) => {
    const left = x(from);
    const width = Math.max(1.5, x(to) - left);
    context.fillStyle = fill;
    context.fillRect(left, middle - height / 2, width, height);
    context.strokeStyle = stroke;
    context.lineWidth = 1;
    if (width > 3) context.strokeRect(left + 0.5, middle - height / 2 + 0.5, width - 1, height - 1);
    return [left, width];
  };
  const ready = row.ready ?? row.ended ?? now;
  line(0, ready, [1, 4], colours.muted);
  let before = row.ready;
  let bar;
  for (const attempt of row.attempts) {
    const sent = attempt.sent ?? attempt.ended ?? now;
    if (before !== undefined && sent > before) {
      if (attempt.number > 1) line(before, sent, [5, 4], colours.warn);
      else box(before, sent, colours.queuedFill, colours.wait, ROW - 12);
    }
    const end = attempt.ended ?? row.ended ?? now;
    const failed = Boolean(attempt.failure) && (attempt !== row.attempts.at(-1) || row.outcome !== "OUTCOME_SUCCEEDED");
    const colour = failed ? colours.bad : row.ended === undefined ? colours.run : colours[state.kind];
    bar = box(sent, end, failed ? colours.failedFill : colour, colour);
    if (critical) {
      context.strokeStyle = colours.text;
      context.lineWidth = 2;
      context.strokeRect(bar[0], middle - (ROW - 6) / 2, bar[1], ROW - 6);
    }
    context.font = "11px system-ui, sans-serif";
    const name = attempt.worker ?? "";
    if (!failed && bar[1] > name.length * 6.2 + 8) {
      context.fillStyle = colours.panel;
      context.fillText(name, bar[0] + 5, middle);
    }
    before = end;
  }
  if (row.ended === undefined) {
    if (row.state === "CALL_STATE_READY" && before !== undefined) box(before, now, colours.queuedFill, colours.wait, ROW - 12);
    if (row.state === "CALL_STATE_BACKOFF" && before !== undefined) line(before, now, [5, 4], colours.warn);
    return;
  }
  const last = row.attempts.at(-1);
  const took = last ? ` ${span((last.ended ?? row.ended) - (last.started ?? last.sent ?? row.ended))}` : "";
  const tries = row.attempts.length > 1 ? ` ${row.attempts.length} attempts` : "";
  context.font = "11px system-ui, sans-serif";
  context.fillStyle = colours[state.kind] ?? colours.muted;
  const words = `${state.glyph}${took}${tries}`;
  const width = context.measureText(words).width;
  const right = Math.max(bar ? bar[0] + bar[1] : 0, x(row.ended)) + 5;
  const fits = right + width < painter.view.width;
  const left = fits ? right : Math.max(painter.view.left, (bar ? bar[0] : x(row.ended)) - width - 5);
  if (!fits) {
    context.fillStyle = colours.panel;
    context.fillRect(left - 2, middle - 7, width + 4, 14);
    context.fillStyle = colours[state.kind] ?? colours.muted;
  }
  context.fillText(words, left, middle);
}

/** From the ends of what the pointed call waited for to its beginning, and on to those that waited for it. */
function edges({ context, colours, calls, view, x }) {
  const about = calls.list[view.pointed ?? view.chosen];
  if (!about) return;
  const connect = (from, to) => {
    const one = view.places.get(from.index);
    const other = view.places.get(to.index);
    if (one === undefined || other === undefined || from.ended === undefined) return;
    const y = (place) => HEAD + place * ROW - view.scroll + ROW / 2;
    const [left, right] = [x(from.ended), x(to.ready ?? from.ended)];
    context.beginPath();
    context.moveTo(left, y(one));
    context.bezierCurveTo(left + 24, y(one), right - 24, y(other), right, y(other));
    context.stroke();
    context.beginPath();
    context.arc(right, y(other), 3, 0, 7);
    context.fill();
  };
  context.strokeStyle = context.fillStyle = colours.accent;
  context.lineWidth = 1.75;
  for (const on of about.dependsOn.slice(0, 200)) if (calls.list[on]) connect(calls.list[on], about);
  for (const other of (calls.dependents.get(about.index) ?? []).slice(0, 200)) connect(about, calls.list[other]);
}

function nowLine({ context, colours, calls, view, x }) {
  const left = Math.round(x(calls.now())) + 0.5;
  if (left < view.left || left > view.width) return;
  context.strokeStyle = colours.accent;
  context.lineWidth = 1;
  context.beginPath();
  context.moveTo(left, HEAD);
  context.lineTo(left, view.height);
  context.stroke();
}
