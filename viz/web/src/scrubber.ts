// The bar at the foot: buttons as on a player, and a strip with a segment for each step, or for many steps together.
import { Run } from "./data";
import { button, byId, make } from "./dom";
import { spoken } from "./list";
import { count } from "./words";

const MOST = 240;
const [NAMED, NUMBERED, MANY] = [12, 40, 60];
const RANK = ["good", "running", "waiting", "cancelled", "lost", "failed"];

export interface Moves {
  go(place: number): void;
  first(): void;
  back(): void;
  on(): void;
  last(): void;
  failure(): void;
  play(): void;
}

export class Scrubber {
  private readonly slider: HTMLInputElement;
  private readonly segments: HTMLElement[] = [];
  private readonly where = make("span", { class: "where" });
  private readonly player: HTMLButtonElement;
  private readonly each: number;
  /** Lies over the segments behind the step. */
  private readonly past = make("div", { class: "past" });
  private current: HTMLElement | undefined;

  constructor(
    private readonly run: Run,
    moves: Moves,
  ) {
    this.each = Math.max(1, Math.ceil(run.size / MOST));
    this.player = button("►", () => moves.play(), { class: "sign", title: "Play (space)", "aria-label": "Play" });
    const signs: [string, string, () => void][] = [
      ["«", "First step (Home)", () => moves.first()],
      ["‹", "One step back (←)", () => moves.back()],
      ["›", "One step on (→)", () => moves.on()],
      ["»", "Last step (End)", () => moves.last()],
    ];
    const ways = signs.map(([sign, title, act]) => button(sign, act, { class: "sign", title, "aria-label": title }));
    const failures = run.data.steps.filter((s) => run.wrong(s)).length;
    const ill = button(`✕ ${count(failures)}`, () => moves.failure(), { class: "sign ill", title: "Next failure (n)", "aria-label": `Next failure of ${failures}` });
    ill.hidden = failures === 0;
    this.slider = make("input", { type: "range", class: "hidden", min: "0", max: String(run.size), value: "0", "aria-label": "Step" });
    this.slider.addEventListener("input", () => moves.go(Number(this.slider.value) - 1));
    const strip = make("div", { class: run.size > MANY ? "strip many" : run.size <= NAMED ? "strip few" : "strip" }, ...this.laid(), this.past);
    this.dragged(strip, (place) => moves.go(place));
    const buttons = make("div", { class: "player" }, ...ways.slice(0, 2), this.player, ...ways.slice(2), ill);
    byId("scrubber").append(buttons, this.slider, strip, this.where);
  }

  private laid(): HTMLElement[] {
    const { run, each } = this;
    for (let first = 0; first < run.size; first += each) {
      const part = run.data.steps.slice(first, first + each);
      const status = part.map((s) => (run.wrong(s) ? "failed" : run.status(s))).sort((a, b) => RANK.indexOf(b) - RANK.indexOf(a))[0] ?? "good";
      const segment = make("div", { class: `segment ${status}`, "aria-hidden": "true" });
      if (run.size <= NUMBERED) segment.append(run.size <= NAMED ? `${part[0]!.l} ${run.name(part[0]!)}` : part[0]!.l);
      this.segments.push(segment);
    }
    return this.segments;
  }

  /** Let the strip be clicked and drawn along: a click on many steps together goes to what failed among them. */
  private dragged(strip: HTMLElement, go: (place: number) => void): void {
    const under = (event: PointerEvent) => {
      const box = strip.getBoundingClientRect();
      const share = Math.max(0, Math.min(0.9999, (event.clientX - box.left) / box.width));
      return Math.floor(share * this.segments.length) * this.each + Math.floor(((share * this.segments.length) % 1) * this.each);
    };
    strip.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      const first = Math.floor(under(event) / this.each) * this.each;
      const part = this.run.data.steps.slice(first, first + this.each);
      const failed = part.findIndex((s) => this.run.wrong(s));
      go(failed >= 0 ? first + failed : Math.min(under(event), this.run.size - 1));
      strip.setPointerCapture(event.pointerId);
    });
    strip.addEventListener("pointermove", (event) => {
      if (strip.hasPointerCapture(event.pointerId)) go(Math.min(under(event), this.run.size - 1));
    });
  }

  show(place: number): void {
    this.slider.value = String(place + 1);
    this.slider.setAttribute("aria-valuetext", spoken(this.run, place));
    const now = place < 0 ? 0 : Math.floor(place / this.each);
    this.past.style.transform = `scaleX(${now / Math.max(1, this.segments.length)})`;
    this.current?.classList.remove("current");
    this.current = place < 0 ? undefined : this.segments[now];
    this.current?.classList.add("current");
    const { run } = this;
    this.where.textContent = place < 0 ? "whole run" : `${run.step(place).l} · ${run.name(run.step(place))}`;
  }

  playing(on: boolean): void {
    this.player.textContent = on ? "❚❚" : "►";
    this.player.setAttribute("aria-label", on ? "Pause" : "Play");
  }
}
