// Runs every case, or those whose names hold the words given; ends with 1 when one fails.

import assert from "node:assert/strict";
import { launch, openPage } from "./browser.mjs";
import { Cluster } from "./cluster.mjs";
import * as cluster from "./cases_cluster.mjs";
import * as executions from "./cases_executions.mjs";
import * as page from "./cases_page.mjs";
import * as size from "./cases_size.mjs";

const words = process.argv.slice(2);
const cases = Object.entries({ ...cluster, ...executions, ...page, ...size }).filter(([name]) => words.every((word) => name.includes(word)));
const browser = await launch();
let failed = 0;
for (const [name, run] of cases) {
  const began = performance.now();
  const open = [];
  const bench = {
    cluster: async (options) => {
      const started = await Cluster.start(options);
      open.push(() => started.stop());
      return started;
    },
    page: async (options) => {
      const opened = await openPage(browser, options);
      open.push(async () => {
        await opened.context().close();
        assert.deepEqual(opened.faults, []);
      });
      return opened;
    },
    say: (text) => console.log(`       ${text}`),
  };
  let error;
  try {
    await run(bench);
  } catch (caught) {
    error = caught;
  }
  for (const close of open.reverse()) await close().catch((caught) => (error ??= caught));
  console.log(`${error ? "FAILED" : "ok    "} ${name.replaceAll("_", " ")} (${Math.round(performance.now() - began)} ms)`);
  if (error) {
    failed += 1;
    console.log(error.stack);
  }
}
await browser.close();
assert.ok(cases.length, "no case has such a name");
console.log(`${cases.length - failed} of ${cases.length} hold`);
process.exit(failed ? 1 : 0);
