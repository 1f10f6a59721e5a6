// A coordinator and workers of its own, from the programs that were built, on free ports.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

const BINARIES = process.env.TOOLWAVE_BINARIES;

export class Cluster {
  /** `config` is TOML; `admin` a port to take again. */
  static async start({ config = "", admin = 0, listen = 0 } = {}) {
    const cluster = new Cluster();
    cluster.folder = await mkdtemp(join(tmpdir(), "toolwave-dashboard-"));
    cluster.config = config;
    cluster.workers = new Map();
    await cluster.coordinate(listen, admin);
    return cluster;
  }

  async coordinate(listen = this.port, admin = this.adminPort) {
    const file = join(this.folder, "coordinator.toml");
    await writeFile(file, `startup_grace = "0s"\n${this.config}\n`);
    this.coordinator = this.#run("toolwave-coordinator", ["--config", file, "--listen", `127.0.0.1:${listen}`, "--admin-listen", `127.0.0.1:${admin}`]);
    const ports = await this.#said(this.coordinator, (log) => {
      const at = (words) => log.split("\n").find((line) => line.includes(words))?.match(/127\.0\.0\.1:([1-9]\d*)/)?.[1];
      const [own, other] = [at("coordinator listens"), at("admin port open")];
      return own && other && [Number(own), Number(other)];
    });
    [this.port, this.adminPort] = ports;
    this.url = `http://127.0.0.1:${this.adminPort}`;
  }

  /** Connected once this is through. */
  async worker(name, slots = 8, ...more) {
    const worker = this.#run("toolwave-worker", ["--coordinator", `http://127.0.0.1:${this.port}`, "--name", name, "--slots", String(slots), ...more]);
    this.workers.set(name, worker);
    await this.until(async () => (await this.get("workers")).workers?.some((one) => one.worker === name && one.state === "WORKER_STATE_READY"));
    return worker;
  }

  /** Runs a plan with the command line; `ended` is its exit code. */
  async run(plan) {
    const file = join(this.folder, `plan-${(this.plans = (this.plans ?? 0) + 1)}.json`);
    await writeFile(file, JSON.stringify(plan));
    const process = this.#run("toolwave", ["run", file, "--coordinator", `http://127.0.0.1:${this.port}`]);
    return { process, ended: once(process, "exit").then(([code]) => code) };
  }

  async get(path) {
    const response = await fetch(`${this.url}/api/${path}`);
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    return response.json();
  }

  async call(toolName, parameters) {
    const parametersJson = Buffer.from(JSON.stringify(parameters)).toString("base64");
    const response = await fetch(`${this.url}/api/call`, {
      method: "POST",
      headers: { "content-type": "application/json", origin: this.url },
      body: JSON.stringify({ id: "call", toolName, parametersJson }),
    });
    if (!response.ok) throw new Error(`call: ${response.status} ${await response.text()}`);
    return response.json();
  }

  /** The newest execution, once `wanted` holds of it. */
  newest(wanted = () => true) {
    return this.until(async () => {
      const status = (await this.get("executions?limit=1")).executions?.[0];
      return status && wanted(status) && status;
    });
  }

  /** Polls for at most 20 s. */
  async until(what) {
    for (let round = 0; round < 400; round += 1) {
      const found = await what();
      if (found) return found;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error(`not so after 20 s: ${what}`);
  }

  /** Without goodbye. */
  async kill(process) {
    if (process.exitCode !== null || process.signalCode !== null) return;
    const gone = once(process, "exit");
    process.kill("SIGKILL");
    await gone;
  }

  async stop() {
    for (const process of [...this.workers.values(), this.coordinator]) await this.kill(process);
    await rm(this.folder, { recursive: true, force: true });
  }

  #run(program, args) {
    const child = spawn(join(BINARIES, program), args, { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, NO_COLOR: "1" } });
    child.log = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (text) => (child.log = (child.log + text).slice(-100_000)));
    return child;
  }

  #said(child, what) {
    return this.until(() => {
      if (child.exitCode !== null) throw new Error(`it ended: ${child.log}`);
      return what(child.log);
    });
  }
}
