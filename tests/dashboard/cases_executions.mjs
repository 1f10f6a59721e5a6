// Executions: the timeline, a call's details, cancelling, calling a tool.

import assert from "node:assert/strict";
import { picture } from "./browser.mjs";
import { long, mixed } from "./plans.mjs";

export async function a_plan_is_followed_from_its_first_call_to_its_last({ cluster, page }) {
  const one = await cluster();
  await one.worker("gpu-1", 4);
  await one.worker("gpu-2", 4);
  const view = await page();
  const plan = await one.run(mixed());
  const { executionId } = await one.newest();
  await view.goto(`${one.url}/#/executions/${executionId}`);
  const title = view.locator(".title");
  await title.getByText("running").waitFor();
  await view.getByText(/23 calls in 3 waves/).waitFor();
  await view.getByText(/in flight, .* waiting/).waitFor();
  await view.waitForTimeout(process.env.TOOLWAVE_SCREENSHOTS ? 900 : 0);
  await picture(view, "timeline-running");
  await title.getByText("3 of 23 not ok").waitFor();
  assert.equal(await plan.ended, 1);
  await view.getByText(/20 succeeded · 1 failed · 1 timed out · 1 skipped/).waitFor();
  // By keys alone: the call that took three attempts.
  const timeline = view.locator(".timeline");
  await timeline.focus();
  const said = view.locator("#said");
  for (let round = 0; round < 40 && !(await said.textContent()).startsWith("third-time"); round += 1) await view.keyboard.press("ArrowDown");
  assert.match(await said.textContent(), /third-time, fail, wave 1: succeeded · ran .* on gpu-\d · queued .* · 3 attempts · after 1 call/);
  await view.keyboard.press("Enter");
  const details = view.locator(".details");
  await details.getByText("3 attempts").waitFor();
  assert.equal(await details.locator(".attempts > li").count(), 3);
  assert.equal(await details.getByText("<b>not</b> yet").count(), 2);
  await details.getByText("Parameters and results are not shown").waitFor();
  await picture(view, "timeline", { fullPage: true });
  await details.getByRole("button", { name: "fetch-0" }).click();
  await view.locator(".details h2", { hasText: "fetch-0" }).waitFor();
  await view.locator(".details").getByRole("button", { name: "Close the details" }).click();
  assert.equal(await details.count(), 0);
  await view.getByLabel("Which calls").selectOption("bad");
  await timeline.focus();
  await view.keyboard.press("End");
  assert.match(await said.textContent(), /^after-broken, hash, wave 2: skipped/);
  await view.keyboard.press("Home");
  assert.match(await said.textContent(), /^slow, sleep, wave 0: timed out/);
  // Zoomed and panned it still answers.
  for (const key of ["+", "+", "ArrowRight", "ArrowLeft", "-", "0"]) await view.keyboard.press(key);
  const { executionId: listed } = await one.newest();
  await view.goto(`${one.url}/#/executions`);
  await view.locator(".execution", { hasText: listed.slice(0, 8) }).getByText("3 of 23 not ok").waitFor();
  await view.getByLabel("Which executions").selectOption("running");
  await view.getByText("None like that").waitFor();
}

export async function a_critical_path_and_its_reasons_are_shown_when_it_has_ended({ cluster, page }) {
  const one = await cluster();
  await one.worker("gpu-1", 2);
  const plan = await one.run(mixed());
  const { executionId } = await one.newest((status) => status.endedAt);
  await plan.ended;
  const { summary } = await one.get(`executions/${executionId}`);
  const view = await page();
  await view.goto(`${one.url}/#/executions/${executionId}`);
  await view.getByText("Lower bound").waitFor();
  await view.getByText(/At most \d+ in flight at once/).waitFor();
  await view.getByText(/summed: /).first().waitFor();
  const button = view.getByRole("button", { name: "◆ Critical path" });
  await button.click();
  assert.equal(await button.getAttribute("aria-pressed"), "true");
  const call = (await one.get(`executions/${executionId}`)).calls[summary.analysis.criticalPath.at(-1)];
  await view.getByLabel("Filter calls by id or tool").fill(call.id);
  await view.locator(".timeline").focus();
  await view.keyboard.press("Home");
  assert.match(await view.locator("#said").textContent(), /on the critical path/);
  await view.getByLabel("Filter calls by id or tool").fill("");
  await picture(view, "why-slow", { fullPage: true });
}

export async function an_execution_is_cancelled_by_who_confirms_it({ cluster, page }) {
  const one = await cluster();
  await one.worker("gpu-1", 2);
  const plan = await one.run(long(4));
  const { executionId } = await one.newest();
  const view = await page();
  await view.goto(`${one.url}/#/executions/${executionId}`);
  await view.getByRole("button", { name: "Cancel", exact: true }).click();
  await view.getByRole("dialog").getByRole("button", { name: "No, go back" }).click();
  assert.equal((await one.newest()).endedAt, undefined);
  await view.getByRole("button", { name: "Cancel", exact: true }).click();
  await view.getByRole("dialog").getByRole("button", { name: "Cancel the execution" }).click();
  await view.getByText("It is cancelled.").first().waitFor();
  await view.locator(".title").getByText("cancelled").waitFor();
  assert.notEqual(await plan.ended, 0);
  assert.ok(await view.getByRole("button", { name: "Cancel", exact: true }).isHidden());
}

export async function a_tool_is_called_by_a_form_of_its_schema_or_by_json({ cluster, page }) {
  const one = await cluster();
  await one.worker("gpu-1", 2);
  const view = await page();
  await view.goto(`${one.url}/#/tools`);
  await view.getByRole("link", { name: /calculator/ }).click();
  await view.getByLabel("expression").fill("17 + 25");
  await view.getByRole("button", { name: "Call calculator" }).click();
  await view.locator(".answer").getByText("succeeded").waitFor();
  assert.match(await view.locator(".answer pre").textContent(), /"42"/);
  await picture(view, "call-form");
  // What the schema forbids is said at its field.
  await view.getByLabel("expression").fill("");
  await view.getByRole("button", { name: "Call calculator" }).click();
  await view.locator(".answer").getByText("rejected").waitFor();
  await view.locator(".field .wrong:visible").waitFor();
  assert.equal(await view.getByLabel("expression").getAttribute("aria-invalid"), "true");
  // JSON, with an integer that a double does not hold.
  await view.goto(`${one.url}/#/tools/echo`);
  await view.getByRole("button", { name: "Write JSON" }).click();
  await view.getByLabel("Parameters as JSON").fill('{"value": 9007199254740993}');
  await view.getByRole("button", { name: "Call echo" }).click();
  await view.locator(".answer").getByText("succeeded").waitFor();
  assert.match(await view.locator(".answer pre").textContent(), /9007199254740993/);
  await view.getByLabel("Parameters as JSON").fill("[1]");
  await view.getByRole("button", { name: "Call echo" }).click();
  await view.getByText("parameters are a JSON object").waitFor();
  // A tool's error is shown, and its execution is one click away.
  await view.goto(`${one.url}/#/tools/fail`);
  await view.getByLabel("message").fill("<script>no</script>");
  await view.getByRole("button", { name: "Call fail" }).click();
  await view.locator(".answer").getByText("<script>no</script>").waitFor();
  await view.locator(".answer").getByRole("link", { name: "its execution" }).click();
  await view.locator(".title").getByText("no call succeeded").waitFor();
  // One that takes too long is cancelled.
  await view.goto(`${one.url}/#/tools/sleep`);
  await view.getByLabel("milliseconds").fill("25000");
  await view.getByRole("button", { name: "Call sleep" }).click();
  await one.newest((status) => status.inFlight === 1);
  await view.getByRole("button", { name: "Cancel the call" }).click();
  await view.getByText("Cancelled.").waitFor();
  const gone = await one.newest((status) => status.endedAt);
  assert.equal(gone.outcomes[0].outcome, "OUTCOME_CANCELLED");
}

export async function contents_are_shown_where_the_operator_keeps_them({ cluster, page }) {
  const one = await cluster({ config: "[history]\ncontents = true\ncontents_bytes = 64" });
  await one.worker("gpu-1", 2);
  await one.call("echo", { value: `<i>${"x".repeat(100)}` });
  const { executionId } = await one.newest((status) => status.endedAt);
  const view = await page();
  await view.goto(`${one.url}/#/executions/${executionId}`);
  await view.getByText("1 call in 1 wave").waitFor();
  await view.locator(".timeline").focus();
  await view.keyboard.press("ArrowDown");
  await view.keyboard.press("Enter");
  await view.locator(".details pre", { hasText: "<i>xxx" }).first().waitFor();
  await view.getByText("the first 64 B of").first().waitFor();
}
