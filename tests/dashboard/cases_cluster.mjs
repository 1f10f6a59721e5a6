// The overview, workers, and what happens when the coordinator is not there.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { picture } from "./browser.mjs";
import { long } from "./plans.mjs";

export async function an_empty_cluster_says_what_to_do({ cluster, page }) {
  const one = await cluster();
  const view = await page();
  await view.goto(one.url);
  await view.getByText("No worker is connected: no call can run.").waitFor();
  await view.getByText("No workers", { exact: true }).waitFor();
  await view.getByText("No execution yet").first().waitFor();
  await picture(view, "empty");
  await view.goto(`${one.url}/#/tools`);
  await view.getByText("No tools yet").waitFor();
  await view.goto(`${one.url}/#/executions`);
  await view.getByText("No execution yet").waitFor();
  await view.goto(`${one.url}/#/executions/0529567b-313f-4cc0-9c78-14d7fa8ea97f`);
  await view.getByText("No such execution").waitFor();
}

export async function workers_come_drain_and_go_while_somebody_looks({ cluster, page }) {
  const one = await cluster({ config: 'reconnect_grace = "2s"\nsuspect_after = "1s"\nheartbeat_interval = "500ms"\nlease = "4s"\nself_fence = "2s"' });
  const view = await page();
  await view.goto(one.url);
  await view.getByText("No worker is connected").waitFor();
  await one.worker("gpu-1", 4);
  const row = view.locator("tbody tr", { hasText: "gpu-1" });
  await row.getByText("ready").waitFor();
  await view.getByText("All is well: 1 worker ready, idle.").waitFor();
  await row.getByRole("button", { name: "Drain gpu-1" }).click();
  // The answer that changes nothing has the focus.
  assert.equal(await view.evaluate(() => document.activeElement.textContent), "No, go back");
  await view.getByRole("dialog").getByRole("button", { name: "Drain" }).click();
  await row.getByText("draining").waitFor();
  assert.equal((await one.get("workers")).workers[0].draining, true);
  await view.getByText("None of 1 worker takes calls.").waitFor();
  await row.getByRole("button", { name: "Resume gpu-1" }).click();
  await row.getByText("ready").waitFor();
  await one.kill(one.workers.get("gpu-1"));
  await view.getByText("No worker is connected").waitFor({ timeout: 20_000 });
  assert.equal(await row.count(), 0);
}

export async function the_overview_shows_load_as_it_is({ cluster, page }) {
  const one = await cluster();
  await one.worker("gpu-1", 4);
  await one.worker("gpu-2", 4);
  const view = await page();
  await view.goto(one.url);
  await view.getByText("All is well").waitFor();
  await one.call("hash", { text: "first" });
  const plan = await one.run(long(20));
  await view.locator(".tile", { hasText: "Running" }).getByText("8 / 8").waitFor();
  await view.locator(".tile", { hasText: "Queued" }).getByText("12").waitFor();
  await view.locator(".load", { hasText: "sleep" }).getByText("8 running, 12 queued, 2 workers").waitFor();
  await view.getByText(/12 calls wait/).waitFor();
  await view.locator(".newest .execution", { hasText: "running" }).waitFor();
  await view.waitForTimeout(process.env.TOOLWAVE_SCREENSHOTS ? 6000 : 0);
  await picture(view, "overview");
  await one.kill(plan.process);
  await view.locator(".tile", { hasText: "Running" }).getByText("0 / 8").waitFor();
}

export async function a_coordinator_that_goes_is_said_and_found_again({ cluster, page }) {
  const one = await cluster();
  await one.worker("gpu-1", 4);
  const view = await page();
  await view.goto(one.url);
  await view.locator("#connection", { hasText: "live" }).waitFor();
  await one.kill(one.coordinator);
  await view.locator("#connection", { hasText: "disconnected" }).waitFor();
  await view.getByText(/No connection to the coordinator. What you see is .* old. Next try in/).waitFor();
  assert.ok(await view.evaluate(() => document.body.classList.contains("stale")));
  await picture(view, "disconnected");
  await one.coordinate();
  // By itself, after its pause.
  await view.locator("#connection", { hasText: "live" }).waitFor({ timeout: 25_000 });
  assert.ok(await view.locator("#banner").isHidden());
  assert.ok(!(await view.evaluate(() => document.body.classList.contains("stale"))));
}

export async function where_tokens_are_asked_for_nothing_is_shown_without_an_operators({ cluster, page }) {
  const folder = mkdtempSync(join(tmpdir(), "toolwave-tokens-"));
  const entries = [];
  const make = (name, ...more) => {
    const file = join(folder, name);
    entries.push(execFileSync(join(process.env.TOOLWAVE_BINARIES, "toolwave"), ["token", name, "--tools", "*", "--file", file, ...more], { encoding: "utf8" }));
    return readFileSync(file, "utf8").trim();
  };
  const operator = make("ops", "--operator");
  const client = make("client");
  writeFileSync(join(folder, "tokens.toml"), entries.join("\n"), { mode: 0o600 });
  const one = await cluster({ config: `[auth]\ntokens_file = "${join(folder, "tokens.toml")}"\n` });
  const view = await page();
  await view.goto(one.url);
  const dialog = view.getByRole("dialog");
  await dialog.getByText("An operator's token, please").waitFor();
  await dialog.getByLabel("Token").fill("nonsense");
  await dialog.getByRole("button", { name: "Use it" }).click();
  await dialog.getByText("the token is not good here").waitFor();
  await dialog.getByLabel("Token").fill(client);
  await dialog.getByRole("button", { name: "Use it" }).click();
  await view.getByText("The coordinator refuses: not permitted").waitFor();
  await view.getByRole("button", { name: "Try now" }).click();
  await dialog.getByLabel("Token").fill(operator);
  await dialog.getByRole("button", { name: "Use it" }).click();
  await view.locator("#connection", { hasText: "live" }).waitFor();
  assert.equal((await fetch(`${one.url}/api/cluster`)).status, 401);
  assert.equal((await fetch(`${one.url}/api/cluster`, { headers: { authorization: `Bearer ${client}` } })).status, 403);
  assert.equal((await fetch(`${one.url}/api/cluster`, { headers: { authorization: `Bearer ${operator}` } })).status, 200);
  assert.equal((await fetch(`${one.url}/api/live`)).status, 401);
}


export async function limits_say_how_much_is_used_and_who_waits({ cluster, page }) {
  const one = await cluster({ config: "max_in_flight = 3" });
  await one.worker("gpu-1", 8);
  const view = await page();
  await view.goto(`${one.url}/#/limits`);
  const row = view.locator("tbody tr", { hasText: "max_in_flight" }).first();
  await row.getByText("0 of 3").waitFor();
  const plan = await one.run(long(10));
  await row.getByText("3 of 3").waitFor();
  await row.getByText("7 calls").waitFor();
  await row.getByText("Raise max_in_flight.").waitFor();
  await picture(view, "limits");
  await view.getByRole("link", { name: "Overview" }).click();
  await view.getByText("7 calls wait for max_in_flight (3 of 3).").waitFor();
  await one.kill(plan.process);
}
