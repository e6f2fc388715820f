// The list of steps: the primary control for readers of screens, and where searching happens.
import { RawStep, Run, took } from "./data";
import { byId, make } from "./dom";
import { visible } from "./values";
import { count, duration, said } from "./words";

/** Steps in one block: the browser lays blocks out only where they are looked at, and watches each of them. */
const BLOCK = 50;
/** Levels of graphs inside graphs up to which a row is set further in. */
const DEEPEST = 4;

export class List {
  private readonly items: HTMLElement[] = [];
  private readonly root = byId("steps");
  private readonly found = byId("found");
  private current = -1;
  private hits: number[] = [];

  constructor(
    private readonly run: Run,
    private readonly go: (place: number) => void,
  ) {
    const blocks = document.createDocumentFragment();
    let rows = make("ol");
    run.data.steps.forEach((step, place) => {
      const item = this.row(step, place);
      this.items.push(item);
      if (place % BLOCK === 0) blocks.append((rows = make("ol")));
      rows.append(item);
    });
    this.root.append(blocks);
    this.root.addEventListener("click", (event) => {
      const button = (event.target as Element).closest("button");
      if (button !== null) this.go(Number(button.dataset["place"]));
    });
  }

  private row(step: RawStep, place: number): HTMLElement {
    const status = this.run.refused(step) ? "failed" : this.run.status(step);
    const depth = Math.min(DEEPEST, step.v.split("/").length - 1);
    const name = step.w === "arrival" ? `→ ${this.run.name(step)}` : this.run.name(step);
    return make(
      "li",
      { class: `${status}${depth ? ` inner d${depth}` : ""}` },
      make(
        "button",
        { type: "button", "data-place": String(place) },
        make("span", { class: "label" }, step.l),
        make("span", { class: "name" }, name),
        make("span", { class: "took" }, this.beside(step)),
      ),
    );
  }

  /** What stands at the end of a row: how long a step took, or what is to be noticed about it. */
  private beside(step: RawStep): string {
    if (this.run.refused(step)) return "told the model";
    const status = this.run.status(step);
    if (status !== "good") return said(status);
    const seconds = took(step);
    return seconds ? duration(seconds) : "";
  }

  show(place: number): void {
    this.items[this.current]?.removeAttribute("aria-current");
    this.current = place;
    const item = this.items[place];
    if (item === undefined) return;
    item.setAttribute("aria-current", "step");
    // Only the list is scrolled; the browser's own way would scroll the page too, and the picture out of sight.
    const [box, frame] = [item.getBoundingClientRect(), this.root.getBoundingClientRect()];
    if (box.top < frame.top) this.root.scrollTop += box.top - frame.top - 4;
    else if (box.bottom > frame.bottom) this.root.scrollTop += box.bottom - frame.bottom + 4;
  }

  /** Whether the keyboard is in the list; then it goes along with the step. */
  get focused(): boolean {
    return this.root.contains(document.activeElement);
  }

  focus(): void {
    this.items[this.current]?.querySelector("button")?.focus({ preventScroll: true });
  }

  /** Leave only the steps in which a text occurs: name, number, status, error, answer, item, state. */
  search(text: string): void {
    const wanted = text.trim().toLowerCase();
    this.hits = [];
    this.run.data.steps.forEach((step, place) => {
      const hit = wanted === "" || this.texts(step).some((part) => part?.toLowerCase().includes(wanted));
      this.items[place]!.hidden = !hit;
      if (hit) this.hits.push(place);
    });
    this.found.textContent = wanted === "" ? "" : `${count(this.hits.length)} of ${count(this.run.size)} steps`;
  }

  private texts(step: RawStep): (string | undefined)[] {
    const values = [step.en, step.wr, step.ad, step.as].flatMap((part) => Object.entries(part ?? {}).flat());
    const { run } = this;
    return [step.l, step.v, run.name(step), said(run.status(step)), step.x, step.o, step.it, step.q, run.text(step.md), ...values];
  }

  /** The next step that was found, behind a place; the first again after the last. */
  next(place: number): number {
    return this.hits.find((hit) => hit > place) ?? this.hits[0] ?? place;
  }

  /** The step before (-1) or after (1) a place among those that are shown. */
  neighbour(place: number, direction: 1 | -1): number {
    for (let i = place + direction; i >= 0 && i < this.items.length; i += direction) {
      if (!this.items[i]!.hidden) return i;
    }
    return place;
  }
}

/** A step in a few words, for those who hear it. */
export function spoken(run: Run, place: number): string {
  if (place < 0) return "the whole run";
  const step = run.step(place);
  const what = run.refused(step) ? "told the model of a failure" : said(run.status(step));
  return `step ${step.l}, ${visible(run.name(step))}, ${what}${step.x ? `: ${visible(step.x).slice(0, 200)}` : ""}`;
}
