// How it bears size: figures are said, bounds are generous, since the programs are debug builds on a busy machine.

import assert from "node:assert/strict";
import { picture } from "./browser.mjs";
import { wide } from "./plans.mjs";

/** From asking for the page of an execution to its timeline being drawn, in ms. */
async function shown(view) {
  await view.waitForFunction(() => performance.getEntriesByName("execution-shown").length > 0, undefined, { timeout: 30_000 });
  return view.evaluate(() => performance.getEntriesByName("execution-shown")[0].duration);
}

/** Pictures a second, and the longest pause between two, over a second and a half. */
const frames = (view) => view.evaluate(() => new Promise((resolve) => {
  const began = performance.now();
  let before = began;
  let count = 0;
  let longest = 0;
  const frame = (now) => {
    count += 1;
    longest = Math.max(longest, now - before);
    before = now;
    if (now - began < 1500) requestAnimationFrame(frame);
    else resolve({ rate: Math.round((count * 1000) / (now - began)), longest: Math.round(longest) });
  };
  requestAnimationFrame(frame);
}));

export async function a_thousand_calls_are_shown_at_once_and_smoothly_while_they_run({ cluster, page, say }) {
  const one = await cluster();
  await one.worker("gpu-1", 64);
  const plan = await one.run(wide(1000, 500));
  const { executionId } = await one.newest((status) => status.ended > 100);
  const view = await page({ reducedMotion: "no-preference" });
  await view.goto(one.url);
  await view.getByText("All is well").or(view.getByText("wait")).first().waitFor();
  await view.goto(`${one.url}/#/executions/${executionId}`);
  const took = await shown(view);
  const { rate, longest } = await frames(view);
  say(`1,000 calls shown after ${Math.round(took)} ms; while they ran ${rate} frames/s, the longest pause ${longest} ms`);
  await picture(view, "thousand-calls");
  assert.equal((await one.newest()).endedAt, undefined, "it still ran");
  assert.ok(took < 3000, `${took} ms`);
  assert.ok(rate >= 12, `${rate} frames a second`);
  assert.equal(await plan.ended, 0);
  await view.getByText("1,000 succeeded").waitFor();
  await view.reload();
  say(`once ended: ${Math.round(await shown(view))} ms, the page itself included`);
}

export async function ten_thousand_calls_can_be_used({ cluster, page, say }) {
  const one = await cluster();
  await one.worker("gpu-1", 256);
  const plan = await one.run(wide(10_000, 1));
  assert.equal(await plan.ended, 0);
  const { executionId } = await one.newest((status) => status.endedAt);
  const view = await page({ reducedMotion: "no-preference" });
  await view.goto(`${one.url}/#/executions/${executionId}`);
  say(`10,000 calls shown after ${Math.round(await shown(view))} ms`);
  await view.getByLabel("Filter calls by id or tool").fill("call-9999");
  await view.locator(".timeline").focus();
  await view.keyboard.press("End");
  assert.match(await view.locator("#said").textContent(), /^call-9999, sleep, wave 99: succeeded/);
  await view.getByLabel("Filter calls by id or tool").fill("");
  const { longest } = await view.evaluate(async () => {
    const scroller = document.querySelector(".timeline-scroll");
    let longest = 0;
    let before = performance.now();
    for (let round = 0; round < 40; round += 1) {
      scroller.scrollTop = (scroller.scrollHeight / 40) * round;
      await new Promise((resolve) => requestAnimationFrame(resolve));
      longest = Math.max(longest, performance.now() - before);
      before = performance.now();
    }
    return { longest };
  });
  say(`scrolled through them; the longest pause ${Math.round(longest)} ms`);
  assert.ok(longest < 1000, `${longest} ms`);
}

export async function ten_thousand_executions_are_listed({ cluster, page, say }) {
  const one = await cluster();
  await one.worker("gpu-1", 64);
  let left = 10_000;
  const caller = async () => {
    while (left > 0) {
      left -= 1;
      await one.call("hash", { text: String(left) });
    }
  };
  await Promise.all(Array.from({ length: 32 }, caller));
  const view = await page();
  await view.goto(`${one.url}/#/executions`);
  await view.locator(".long .execution").first().waitFor();
  const began = performance.now();
  for (let round = 0; round < 60 && !(await view.getByText("10,000 shown.").count()); round += 1) {
    await view.evaluate(() => { document.querySelector(".long").scrollTop = 1e9; });
    await view.waitForTimeout(100);
  }
  await view.getByText("10,000 shown.").waitFor();
  say(`10,000 executions scrolled through in ${Math.round(performance.now() - began)} ms`);
  assert.ok((await view.locator(".long .execution").count()) < 80, "only those in view exist");
  await view.getByLabel("Id or tenant").fill("no such");
  await view.getByText("None like that").waitFor();
}
