// A headless Chromium: TOOLWAVE_CHROMIUM, else the system's, else what Playwright installed.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { chromium } from "playwright-core";

const SYSTEM = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome", "/usr/bin/google-chrome-stable"];

export function chromiumPath() {
  const own = process.env.TOOLWAVE_CHROMIUM;
  return [own, ...SYSTEM, chromium.executablePath()].find((path) => path && existsSync(path));
}

export async function launch() {
  // Inside of a container there is no user namespace for its sandbox; what it opens is from here.
  return chromium.launch({ executablePath: chromiumPath(), args: ["--no-sandbox", "--disable-dev-shm-usage"] });
}

/** A page whose faults fail the case: errors, refused scripts, anything that is loaded from elsewhere. */
export async function openPage(browser, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 860 }, reducedMotion: "reduce", ...options });
  const page = await context.newPage();
  page.faults = [];
  page.on("pageerror", (error) => page.faults.push(error.stack));
  page.on("console", (message) => {
    if (/Content Security Policy|Uncaught/.test(message.text())) page.faults.push(message.text());
  });
  page.on("request", (request) => {
    const { hostname, protocol } = new URL(request.url());
    if (protocol.startsWith("http") && hostname !== "127.0.0.1") page.faults.push(`asked elsewhere: ${request.url()}`);
  });
  return page;
}

/** Into docs/screenshots, where they are wanted. */
export async function picture(page, name, options = {}) {
  const folder = process.env.TOOLWAVE_SCREENSHOTS;
  if (folder && options.fullPage) await page.evaluate(() => scrollTo(0, 0));
  if (folder) await page.screenshot({ path: join(folder, `${name}.png`), ...options });
}
