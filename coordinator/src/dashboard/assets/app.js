// The page as a whole: which part is shown, and how the connection stands.

import { token } from "./api.js";
import { announce, fill, h, say } from "./dom.js";
import { askToken } from "./dialogs.js";
import { executionPage } from "./execution.js";
import { executionsPage } from "./executions.js";
import { span } from "./format.js";
import { limitsPage } from "./limits.js";
import { Live } from "./live.js";
import { overviewPage, remember } from "./overview.js";
import { toolsPage } from "./tools.js";

const main = document.getElementById("main");
const connection = document.getElementById("connection");
const banner = document.getElementById("banner");

/** What every page may know: the last picture, and when it came. */
const known = { picture: undefined, at: 0 };
let shown;
let stand = { state: "connecting" };

const live = new Live(heard, stands);

function heard(name, value) {
  if (name === "picture") {
    known.picture = value;
    known.at = Date.now();
    remember(value);
    const { cluster = {} } = value;
    document.title = `${cluster.inFlight ?? 0} running · ${cluster.queuedCalls ?? 0} queued · toolwave`;
    shown?.picture?.(value);
  } else if (name === "failure") {
    stands({ state: "failing", error: new Error(value.error?.message) });
  } else {
    shown?.execution?.(name, value);
  }
}

function stands(now) {
  const before = stand.state;
  stand = now;
  if (now.state === "refused") {
    token.forget();
    if (now.error.status === 401) askToken(now.error.message, () => live.retry());
  }
  if (before !== now.state) announce(now.state === "live" ? "Live" : "No connection to the coordinator");
  showStand();
}

const STANDS = {
  connecting: ["quiet", "◌", "connecting"],
  live: ["good", "●", "live"],
  broken: ["bad", "○", "disconnected"],
  failing: ["warn", "◐", "stale"],
  refused: ["bad", "⊘", "refused"],
};

/** Every second too, for the seconds that it counts. */
function showStand() {
  const [kind, glyph, word] = STANDS[stand.state];
  connection.className = `connection ${kind}`;
  say(connection, `${glyph} ${word}`);
  const good = stand.state === "live" || (stand.state === "connecting" && !known.at);
  document.body.classList.toggle("stale", !good && known.at > 0);
  banner.hidden = good;
  if (good) return;
  const old = known.at ? ` What you see is ${age(Date.now() - known.at)} old.` : "";
  const texts = {
    broken: `No connection to the coordinator.${old} Next try in ${span(Math.max(0, Math.ceil((stand.retryAt - Date.now()) / 1000)) * 1000)}.`,
    failing: `The coordinator answers, but not with its state: ${stand.error?.message}.${old}`,
    refused: `The coordinator refuses: ${stand.error?.message}.`,
    connecting: `Connecting.${old}`,
  };
  if (!banner.firstChild) {
    fill(banner, h("span", {}), h("button", { type: "button", onclick: () => live.retry() }, "Try now"));
  }
  say(banner.firstChild, texts[stand.state]);
}

const age = (ms) => (ms < 1000 ? "under 1 s" : span(Math.floor(ms / 1000) * 1000));

setInterval(showStand, 1000);

const PAGES = [
  [/^#\/executions\/(.+)$/, "#/executions", (id) => executionPage(decodeURIComponent(id))],
  [/^#\/executions$/, "#/executions", () => executionsPage()],
  [/^#\/tools(?:\/(.+))?$/, "#/tools", (name) => toolsPage(name && decodeURIComponent(name))],
  [/^#\/limits$/, "#/limits", () => limitsPage()],
  [/^/, "#/", () => overviewPage()],
];

function route() {
  // The link past the header is no page.
  if (location.hash === "#main") return;
  shown?.leave?.();
  for (const [pattern, tab, open] of PAGES) {
    const match = pattern.exec(location.hash);
    if (!match) continue;
    for (const link of document.querySelectorAll("nav a")) {
      if (link.getAttribute("href") === tab) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    shown = open(match[1]);
    break;
  }
  fill(main, shown.element);
  scrollTo(0, 0);
  shown.shown?.();
  if (known.picture) shown.picture?.(known.picture);
  live.open(shown.watches);
}

addEventListener("hashchange", () => {
  route();
  if (location.hash !== "#main") main.focus({ preventScroll: true });
});
route();
