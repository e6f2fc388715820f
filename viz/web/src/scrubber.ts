// The bar at the foot: a segment for each step, or for many steps together, and a slider over all.
import { Run } from "./data";
import { byId, make } from "./dom";

const MOST = 240;
const RANK = ["good", "running", "waiting", "cancelled", "lost", "failed"];

export class Scrubber {
  private readonly slider: HTMLInputElement;
  private readonly segments: HTMLElement[] = [];
  private current: HTMLElement | undefined;
  private readonly each: number;

  constructor(
    private readonly run: Run,
    go: (place: number) => void,
  ) {
    const root = byId("scrubber");
    const strip = make("div", { class: "strip", "aria-hidden": "true" });
    this.each = Math.max(1, Math.ceil(run.size / MOST));
    for (let first = 0; first < run.size; first += this.each) {
      const part = run.data.steps.slice(first, first + this.each);
      const status = part.map((s) => run.status(s)).sort((a, b) => RANK.indexOf(b) - RANK.indexOf(a))[0] ?? "good";
      const segment = make("div", { class: `segment ${status}` });
      if (run.size <= 40) segment.append(run.size <= 12 ? `${part[0]!.l} ${run.name(part[0]!)}` : part[0]!.l);
      const failed = part.findIndex((s) => run.wrong(s));
      segment.addEventListener("click", () => go(first + Math.max(0, failed)));
      this.segments.push(segment);
      strip.append(segment);
    }
    this.slider = make("input", { type: "range", min: "0", max: String(run.size), value: "0", "aria-label": "Step" });
    this.slider.addEventListener("input", () => go(Number(this.slider.value) - 1));
    root.append(strip, this.slider);
  }

  show(place: number): void {
    this.slider.value = String(place + 1);
    this.slider.setAttribute(
      "aria-valuetext",
      place < 0 ? "the whole run" : `step ${this.run.step(place).l}, ${this.run.name(this.run.step(place))}`,
    );
    this.current?.classList.remove("current");
    this.current = place < 0 ? undefined : this.segments[Math.floor(place / this.each)];
    this.current?.classList.add("current");
  }
}
