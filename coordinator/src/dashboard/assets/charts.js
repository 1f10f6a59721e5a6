// Curves of the last minutes, drawn by uPlot (vendor/uplot.LICENSE.txt). Lines differ in dashes too, not in colour alone.

/** Seconds shown. */
const LENGTH = 300;

/** Samples of what the pictures said, the oldest first; kept while the page is open. */
export class Samples {
  constructor() {
    this.clear();
  }

  clear() {
    this.times = [];
    this.series = { rate: [], queued: [], inFlight: [], slots: [] };
    this.last = undefined;
  }

  add(cluster) {
    const now = Date.now() / 1000;
    if (this.coordinator !== cluster.coordinatorId) this.clear();
    this.coordinator = cluster.coordinatorId;
    const ended = Number(cluster.callsEnded ?? 0);
    const since = this.last && now - this.last.now;
    const rate = since > 0.2 ? Math.max(0, (ended - this.last.ended) / since) : null;
    this.last = { now, ended };
    // A gap is shown as one.
    if (since > 4) this.#push(now - since / 2, null, null, null, null);
    this.#push(now, rate, cluster.queuedCalls ?? 0, cluster.inFlight ?? 0, cluster.slots ?? 0);
  }

  #push(now, rate, queued, inFlight, slots) {
    this.times.push(now);
    const values = { rate, queued, inFlight, slots };
    for (const [name, series] of Object.entries(this.series)) series.push(values[name]);
    while (this.times[0] < now - LENGTH) {
      this.times.shift();
      for (const series of Object.values(this.series)) series.shift();
    }
  }

  get rate() {
    return this.series.rate.at(-1) ?? 0;
  }
}

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** A chart of some series: `[{name, label, colour, dash}]`. */
export class Chart {
  constructor(label, series, unit) {
    this.series = series;
    this.element = document.createElement("div");
    this.element.className = "chart";
    this.element.setAttribute("role", "img");
    this.label = label;
    this.unit = unit;
    this.observer = new ResizeObserver(() => this.#size());
    this.observer.observe(this.element);
    this.theme = matchMedia("(prefers-color-scheme: dark)");
    this.renew = () => this.#build();
    this.theme.addEventListener("change", this.renew);
  }

  #build() {
    this.plot?.destroy();
    const axis = { stroke: colour("--muted"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false }, font: "11px system-ui" };
    this.plot = new uPlot({
      width: Math.max(100, this.element.clientWidth),
      height: 150,
      cursor: { y: false, drag: { x: false, y: false } },
      legend: { live: false, markers: { width: 2, dash: (plot, at) => (plot.series[at].dash ? "dashed" : "solid") } },
      scales: { x: { range: (_, least, most) => [Math.min(least, most - 60), most] }, y: { range: (_, __, most) => [0, Math.max(1, most * 1.1)] } },
      axes: [{ ...axis, values: [[60, "{HH}:{mm}", null, null, null, null, null, null, 1], [1, "{HH}:{mm}:{ss}", null, null, null, null, null, null, 1]], space: 70, size: 30, incrs: [5, 10, 15, 30, 60] }, { ...axis, size: 44, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000, 1_000_000] }],
      series: [{ label: "at", value: "{HH}:{mm}:{ss}" }, ...this.series.map((line) => ({
        label: line.label,
        stroke: colour(line.colour),
        width: 2,
        dash: line.dash,
        points: { show: false },
        value: (_, value) => (value === null || value === undefined ? "–" : `${value.toFixed(value < 10 && !Number.isInteger(value) ? 1 : 0)}${this.unit}`),
      }))],
    }, this.data ?? [[], ...this.series.map(() => [])], this.element);
  }

  #size() {
    if (this.element.clientWidth && this.plot) this.plot.setSize({ width: this.element.clientWidth, height: 150 });
  }

  draw(samples) {
    this.data = [samples.times, ...this.series.map((line) => samples.series[line.name])];
    if (!this.plot) this.#build();
    else this.plot.setData(this.data);
    const now = this.series.map((line) => `${line.label} ${Math.round(samples.series[line.name].at(-1) ?? 0)}${this.unit}`);
    this.element.setAttribute("aria-label", `${this.label}, now: ${now.join(", ")}`);
  }

  leave() {
    this.observer.disconnect();
    this.theme.removeEventListener("change", this.renew);
    this.plot?.destroy();
  }
}
