// What is run and looked at.

/** Some of everything: waves, a queue, a call that succeeds at its third attempt, and others that do not. */
export function mixed() {
  const calls = [];
  const sleep = (id, milliseconds, depends_on = []) => calls.push({ id, tool: "sleep", parameters: { milliseconds }, depends_on });
  for (let at = 0; at < 12; at += 1) sleep(`fetch-${at}`, 300 + 150 * (at % 5));
  for (let at = 0; at < 6; at += 1) sleep(`parse-${at}`, 400 + 100 * at, [`fetch-${at}`, `fetch-${at + 6}`]);
  calls.push({ id: "third-time", tool: "fail", parameters: { fail_times: 2, retryable: true, message: "<b>not</b> yet" }, retry: { max_attempts: 3, initial_backoff: "400ms" }, depends_on: ["fetch-0"] });
  calls.push({ id: "broken", tool: "fail", parameters: { code: "OUT_OF_PAPER", message: "the printer has no paper" }, depends_on: ["fetch-1"] });
  calls.push({ id: "after-broken", tool: "hash", parameters: { text: "${broken.result}" } });
  calls.push({ id: "slow", tool: "sleep", parameters: { milliseconds: 600_000 }, timeout: "900ms", retry: { max_attempts: 1 } });
  sleep("report", 700, ["parse-0", "parse-5", "third-time"]);
  return { max_concurrency: 6, calls };
}

/** So many calls in waves of a hundred, each behind one of the wave before. */
export function wide(calls, milliseconds) {
  const plan = [];
  for (let at = 0; at < calls; at += 1) {
    plan.push({ id: `call-${at}`, tool: "sleep", parameters: { milliseconds: milliseconds + (at % 7) }, depends_on: at < 100 ? [] : [`call-${at - 100}`] });
  }
  return { max_concurrency: "auto", timeout: "10m", calls: plan };
}

/** Nothing but waiting. */
export const long = (calls) => ({ max_concurrency: "auto", calls: Array.from({ length: calls }, (_, at) => ({ id: `long-${at}`, tool: "sleep", parameters: { milliseconds: 60_000 } , timeout: "2m" })) });
