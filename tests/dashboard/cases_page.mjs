// What must hold of every page: on a phone, without colour, by contrast, with markup in every text.

import assert from "node:assert/strict";
import { picture } from "./browser.mjs";
import { mixed } from "./plans.mjs";

const PAGES = ["#/", "#/executions", "#/tools", "#/tools/fail", "#/limits"];

async function somethingToSee(cluster) {
  const one = await cluster();
  await one.worker("gpu-1", 4);
  await one.worker("gpu-2", 4);
  const plan = await one.run(mixed());
  await plan.ended;
  const { executionId } = await one.newest((status) => status.endedAt);
  return { one, execution: `#/executions/${executionId}` };
}

export async function on_a_phone_nothing_is_wider_than_the_screen({ cluster, page }) {
  const { one, execution } = await somethingToSee(cluster);
  const view = await page({ viewport: { width: 360, height: 740 }, colorScheme: "dark", deviceScaleFactor: 2, hasTouch: true });
  for (const at of [...PAGES, execution]) {
    await view.goto(`${one.url}/${at}`);
    await view.locator("#connection", { hasText: "live" }).waitFor();
    await view.locator("main h1").first().waitFor({ state: "attached" });
    assert.equal(await view.evaluate(() => document.documentElement.scrollWidth), 360, at);
  }
  await view.getByText("23 calls in 3 waves").waitFor();
  await view.waitForTimeout(200);
  await picture(view, "phone-timeline");
  // A tap opens a call's details.
  const box = await view.locator(".timeline").boundingBox();
  await view.touchscreen.tap(box.x + 60, box.y + 64 + 22 + 11);
  await view.locator(".details h2", { hasText: "fetch-0" }).waitFor();
  assert.equal(await view.evaluate(() => document.documentElement.scrollWidth), 360);
  await view.goto(`${one.url}/#/`);
  await view.getByText("All is well").waitFor();
  await picture(view, "phone-overview");
}

export async function without_colour_every_state_is_still_told({ cluster, page }) {
  const { one, execution } = await somethingToSee(cluster);
  const view = await page();
  const session = await view.context().newCDPSession(view);
  await session.send("Emulation.setEmulatedVisionDeficiency", { type: "achromatopsia" });
  await view.goto(`${one.url}/${execution}`);
  await view.getByText("23 calls in 3 waves").waitFor();
  await view.waitForTimeout(200);
  await picture(view, "without-colour");
  await view.goto(`${one.url}/#/`);
  await view.locator("tbody .badge").first().waitFor();
  for (const badge of await view.locator(".badge").allTextContents()) assert.match(badge, /^\S+ \w+/);
  const forced = await page({ forcedColors: "active" });
  await forced.goto(`${one.url}/${execution}`);
  await forced.getByText("23 calls in 3 waves").waitFor();
  await forced.waitForTimeout(200);
  await picture(forced, "forced-colours");
}

export async function text_has_contrast_in_light_and_dark({ cluster, page }) {
  const one = await cluster();
  for (const colorScheme of ["light", "dark"]) {
    const view = await page({ colorScheme });
    await view.goto(one.url);
    const colours = await view.evaluate(() => {
      const style = getComputedStyle(document.documentElement);
      return Object.fromEntries(["page", "panel", "soft", "text", "muted", "accent", "good", "bad", "warn", "quiet", "run", "wait"].map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
    });
    const light = (hex) => {
      const parts = [1, 3, 5].map((at) => Number.parseInt(hex.slice(at, at + 2), 16) / 255).map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
      return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
    };
    for (const ground of ["page", "panel", "soft"]) {
      for (const ink of ["text", "muted", "accent", "good", "bad", "warn", "quiet", "run", "wait"]) {
        const [one, other] = [light(colours[ground]), light(colours[ink])].sort((a, b) => b - a);
        const ratio = (one + 0.05) / (other + 0.05);
        assert.ok(ratio >= 4.5, `${colorScheme}: ${ink} on ${ground} has ${ratio.toFixed(2)}, less than 4.5`);
      }
    }
  }
}

export async function every_page_is_reached_and_left_by_keys({ cluster, page }) {
  const one = await cluster();
  await one.worker("gpu-1", 4);
  const view = await page();
  await view.goto(one.url);
  await view.locator(".cards tbody tr").waitFor();
  const seen = [];
  for (let round = 0; round < 12; round += 1) {
    await view.keyboard.press("Tab");
    seen.push(await view.evaluate(() => document.activeElement.getAttribute("aria-label") ?? document.activeElement.textContent.trim()));
  }
  for (const name of ["Skip to content", "Overview", "Executions", "Tools", "Limits", "Drain gpu-1"]) assert.ok(seen.includes(name), `${name} among ${seen}`);
  await view.getByRole("link", { name: "Limits" }).focus();
  await view.keyboard.press("Enter");
  await view.getByRole("heading", { name: "Limits", level: 1 }).waitFor();
  assert.equal(await view.evaluate(() => document.activeElement.id), "main");
}

/** Every text of the answers, as somebody would write it who wants to run a script here. */
const MARKUP = '<img src=x onerror="window.crossed=1"><script>window.crossed=1</script>"><b data-crossed>';

export async function markup_in_any_text_stays_text({ cluster, page }) {
  const one = await cluster();
  const view = await page();
  const now = new Date().toISOString();
  const bytes = (text) => Buffer.from(text).toString("base64");
  const error = { code: MARKUP, message: MARKUP, rootCallId: MARKUP, detailsJson: bytes(MARKUP), violations: [{ path: MARKUP, description: MARKUP }] };
  const status = { executionId: MARKUP, tenant: MARKUP, acceptedAt: now, endedAt: now, calls: 1, waves: 1, ended: 1, attempts: 1, duration: "1s", traceId: MARKUP, outcomes: [{ outcome: MARKUP, count: 1 }] };
  const picture = {
    cluster: { coordinatorId: MARKUP, build: MARKUP, startedAt: now, executions: 1, queuedCalls: 1, slots: 1, workers: 1, tools: [{ toolName: MARKUP, queued: 1 }], limits: [{ reason: MARKUP, subject: MARKUP, setting: MARKUP, limit: 1, inUse: 1, waiting: 1 }] },
    workers: { workers: [{ worker: MARKUP, state: MARKUP, tools: [MARKUP], labels: { [MARKUP]: MARKUP }, build: MARKUP, address: MARKUP, slots: 1, silence: "9s" }, { worker: `${MARKUP}2`, state: "WORKER_STATE_EJECTED" }] },
    executions: { executions: [status] },
  };
  const call = { id: MARKUP, toolName: MARKUP, state: "CALL_STATE_ENDED", outcome: "OUTCOME_FAILED", readyAt: now, endedAt: now, error, waitsFor: MARKUP, attempts: [{ number: 1, worker: MARKUP, dispatchedAt: now, startedAt: now, endedAt: now, failure: error }], parametersJson: bytes(MARKUP), resultJson: bytes(MARKUP), parametersBytes: "9" };
  const analysis = { criticalPath: [0], waits: [{ reason: MARKUP, subject: MARKUP, time: "1s", calls: 1 }], lowerBound: "1s" };
  const execution = { head: { status, contents: true, summary: { analysis, duration: "1s" } }, whole: true, calls: [call] };
  const tool = { name: MARKUP, description: MARKUP, labels: { [MARKUP]: MARKUP }, effects: [{ keyTemplate: MARKUP }], inputSchemaJson: bytes(JSON.stringify({ type: "object", description: MARKUP, properties: { [MARKUP]: { type: "string", description: MARKUP, default: MARKUP, examples: [MARKUP], pattern: MARKUP }, choice: { enum: [MARKUP] }, inner: { type: "object", description: MARKUP, properties: { [MARKUP]: {} } } } })), outputSchemaJson: bytes(MARKUP) };
  const event = (name, value) => `event: ${name}\ndata: ${JSON.stringify(value)}\n\n`;
  await view.route("**/api/**", (route) => {
    const { pathname, searchParams } = new URL(route.request().url());
    const json = (value, code = 200) => route.fulfill({ status: code, contentType: "application/json", body: JSON.stringify(value) });
    if (pathname.endsWith("/live")) return route.fulfill({ contentType: "text/event-stream", body: event("picture", picture) + (searchParams.has("execution") ? event("execution", execution) : "") });
    if (pathname.endsWith("/tools")) return json({ tools: [{ tool, workers: 1 }] });
    if (pathname.endsWith("/executions")) return json({ executions: [status] });
    if (pathname.endsWith("/call")) return json({ results: [{ outcome: "OUTCOME_FAILED", error, resultJson: bytes(MARKUP) }], summary: { executionId: MARKUP } });
    return json({ error: { reason: MARKUP, message: MARKUP, violations: [{ field: MARKUP, description: MARKUP }] } }, 409);
  });
  const clean = async (at) => {
    assert.equal(await view.evaluate(() => window.crossed), undefined, at);
    assert.equal(await view.locator("[data-crossed], main script, main img, dialog img, .toast img").count(), 0, at);
    assert.ok((await view.locator("body").textContent()).includes("<img src=x"), `${at} shows the text`);
  };
  const name = encodeURIComponent(MARKUP);
  for (const at of ["#/", "#/executions", "#/tools", "#/limits", `#/tools/${name}`, `#/executions/${name}`]) {
    await view.goto(`${one.url}/${at}`);
    await view.getByText("<img src=x").first().waitFor({ state: "attached" });
    await clean(at);
  }
  await view.locator(".timeline").waitFor();
  await view.locator(".timeline").focus();
  await view.keyboard.press("ArrowDown");
  await view.keyboard.press("Enter");
  await view.locator(".details").waitFor();
  await view.locator(".timeline").hover({ position: { x: 60, y: 97 } });
  await view.locator(".tip:visible").waitFor();
  await clean("details and tip");
  await view.goto(`${one.url}/#/tools/${name}`);
  await view.locator("form.call button[type=submit]").click();
  await view.locator(".answer .failure").waitFor();
  await clean("answer");
  await view.goto(`${one.url}/#/`);
  await view.locator("td.act button").first().click();
  await view.getByRole("dialog").getByRole("button", { name: "Drain" }).click();
  await view.locator(".toast").waitFor();
  await clean("toast");
}
