// The drawings. Scrubbing adds classes and moves nothing; panning and zooming are one CSS transform.
import { Run } from "./data";
import { button, make } from "./dom";

/** Below the first scale nobody can read the texts of a drawing; at the second one can. */
const [TOO_SMALL, READABLE] = [0.6, 0.8];
/** All of a drawing is shown at first if its names are then about 8 px high or higher: 13 pt on nodes, 10 pt on lanes. */
const SMALLEST = { nodes: 0.45, lanes: 0.6 };
/** If not even its width can be shown so, it has this scale, its beginning in sight. */
const PARTLY = 0.65;
const MARGIN = 16;
/** Room at the foot for the buttons, so that they cover nothing. */
const FOOT = 46;

export class Stage {
  private marked = new Map<Element, string[]>();
  private scale = 1;
  private x = 0;
  private y = 0;
  private moved = false;
  private painted = 0;
  private resting = 0;
  private telling = 0;
  /** Whether the reader has chosen how near the drawing is. */
  private chosen = false;
  private readonly parts = new Map<string, Element[]>();
  private readonly sheet: HTMLElement;
  private circle: HTMLElement | null = null;
  /** Says on which sides there is more of the drawing than is in sight. */
  private readonly more: HTMLElement;

  constructor(readonly root: HTMLElement) {
    this.sheet = root.querySelector<HTMLElement>(".sheet")!;
    for (const part of root.querySelectorAll("[data-k], [data-of]")) {
      const key = (part.getAttribute("data-k") ?? part.getAttribute("data-of"))!;
      this.parts.set(key, [...(this.parts.get(key) ?? []), part]);
    }
    // The page itself says what the headline of a flow says, so the room for it is taken away.
    for (const words of root.querySelectorAll<SVGTextElement>('[data-view="flow"] .headline text:last-child')) {
      const drawing = words.ownerSVGElement!;
      const { width, height } = drawing.viewBox.baseVal;
      const cut = Number(words.getAttribute("y"));
      drawing.setAttribute("viewBox", `0 ${cut} ${width} ${height - cut}`);
      drawing.setAttribute("height", `${height - cut}pt`);
    }
    const signs: [string, string, () => void][] = [
      ["+", "Larger (+)", () => this.zoom(1.25)],
      ["−", "Smaller (−)", () => this.zoom(0.8)],
      ["⤢", "All of it (0)", () => this.whole()],
    ];
    const buttons = signs.map(([sign, title, act]) => button(sign, act, { class: "sign", title, "aria-label": title }));
    this.more = make("span", { class: "more" });
    root.append(make("div", { class: "zoom" }, this.more, ...buttons));
    this.listen();
  }

  /** Do something when a part is clicked, but not when the drawing was moved by it. */
  clicked(key: string, act: () => void): void {
    for (const part of this.parts.get(key) ?? []) {
      part.addEventListener("click", () => {
        if (!this.moved) act();
      });
    }
  }

  /** Lay a ring around a part, or around none. The drawing itself stays as it is, so that a very large one is not painted again. */
  ring(key: string, ...names: string[]): void {
    const element = this.parts.get(key)?.[0];
    if (this.circle !== null) this.circle.className = "ring";
    if (element === undefined) return;
    if (this.circle === null) this.sheet.append((this.circle = make("div")));
    const [box, sheet] = [element.getBoundingClientRect(), this.sheet.getBoundingClientRect()];
    const [x, y] = [(box.left - sheet.left) / this.scale, (box.top - sheet.top) / this.scale];
    this.circle.className = ["ring", ...names].join(" ");
    this.circle.style.cssText = `width:${box.width / this.scale + 6}px;height:${box.height / this.scale + 6}px`;
    this.circle.style.transform = `translate(${x - 3}px,${y - 3}px)`;
  }

  /** Mark parts, each with its names, and nothing else; only what differs from before is touched. */
  highlight(marks: Map<string, string[]>): void {
    const wanted = new Map<Element, string[]>();
    for (const [key, names] of marks) for (const element of this.parts.get(key) ?? []) wanted.set(element, names);
    for (const [element, names] of this.marked) {
      const now = wanted.get(element) ?? [];
      for (const name of names) if (!now.includes(name)) element.classList.remove(name);
    }
    for (const [element, names] of wanted) {
      const was = this.marked.get(element) ?? [];
      for (const name of names) if (!was.includes(name)) element.classList.add(name);
    }
    this.marked = wanted;
    this.root.classList.toggle("scrubbing", wanted.size > 0);
  }

  /** Bring a part into sight, if it is not, and near enough to be read, unless the reader has chosen how near. */
  show(key: string): void {
    const element = this.parts.get(key)?.find((part) => part.getClientRects().length > 0);
    if (element === undefined || this.root.hidden) return;
    if (!this.chosen && this.scale < TOO_SMALL) this.zoom(READABLE / this.scale, false);
    this.reveal(element);
  }

  private reveal(element: Element, down = true): void {
    const box = element.getBoundingClientRect();
    const frame = this.root.getBoundingClientRect();
    const near = Math.min(60, frame.height / 8);
    const dx = box.left < frame.left + 20 || box.right > frame.right - 20;
    const dy = box.top < frame.top + near || box.bottom > frame.bottom - near;
    if (dx) this.x += frame.left + frame.width / 2 - (box.left + box.right) / 2;
    if (!down) return this.place();
    // A low drawing, such as a timeline of few lanes, stays at the top.
    if (this.sheet.offsetHeight * this.scale < frame.height - 2 * MARGIN) this.y = MARGIN;
    else if (dy) this.y += frame.top + frame.height / 2 - (box.top + box.bottom) / 2;
    this.place();
  }

  /** Show all of the drawing if its names can then be read, or else what was taken of it, its width, or its beginning. */
  fit(): void {
    const least = this.root.dataset["view"] === "timeline" ? SMALLEST.lanes : SMALLEST.nodes;
    this.laid((across, down) => {
      const all = Math.min(1, across, down);
      if (all >= least) return all;
      return across >= least ? Math.min(1, across, READABLE) : PARTLY;
    });
    this.turnToTaken(least);
    this.chosen = false;
  }

  /** If not all of the drawing is in sight, show all that a run has taken of it, unless that is too large as well. */
  private turnToTaken(least: number): void {
    const frame = this.root.getBoundingClientRect();
    const seen = [...this.root.querySelectorAll(".node.visited, .transition.taken")].map((part) => part.getBoundingClientRect());
    const boxes = seen.filter((box) => box.width > 0);
    if (boxes.length === 0 || frame.width === 0 || !this.cut()) return;
    const [left, right] = [Math.min(...boxes.map((b) => b.left)), Math.max(...boxes.map((b) => b.right))];
    const [high, low] = [Math.min(...boxes.map((b) => b.top)), Math.max(...boxes.map((b) => b.bottom))];
    const across = (frame.width - 2 * MARGIN) / (right - left);
    const down = (frame.height - MARGIN - FOOT) / (low - high);
    const scale = Math.min(1, this.scale * Math.min(across, down));
    if (scale < least) return;
    const was = this.scale;
    this.zoom(scale / this.scale, false, left, high);
    this.x += frame.left + (frame.width - ((right - left) * scale) / was) / 2 - left;
    this.y += frame.top + MARGIN - high;
    this.place();
  }

  /** Show all of the drawing, however small. */
  whole(): void {
    this.laid((across, down) => Math.min(1, across, down));
    this.chosen = true;
  }

  /** Lay the drawing out by the scales at which it would be as wide and as high as the room for it. */
  private laid(scaled: (across: number, down: number) => number): void {
    const frame = this.root.getBoundingClientRect();
    const width = this.sheet.offsetWidth;
    const height = this.sheet.offsetHeight;
    if (frame.width === 0 || width === 0) return;
    const top = this.root.querySelector<HTMLElement>(".said")?.offsetHeight ?? 0;
    this.scale = scaled((frame.width - 2 * MARGIN) / width, (frame.height - top - MARGIN - FOOT) / height);
    this.x = Math.max(MARGIN, (frame.width - width * this.scale) / 2);
    this.y = top + MARGIN;
    this.place();
    const start = [...this.root.querySelectorAll(".node.start")].find((node) => node.getClientRects().length > 0);
    if (start !== undefined && width * this.scale > frame.width - 2 * MARGIN + 1) this.reveal(start, false);
  }

  /** Show all of the drawing again, unless the reader has chosen how near it is. */
  rest(): void {
    if (!this.chosen) this.fit();
  }

  zoom(factor: number, chosen = true, cx?: number, cy?: number): void {
    this.chosen ||= chosen;
    const frame = this.root.getBoundingClientRect();
    const px = (cx ?? frame.left + frame.width / 2) - frame.left;
    const py = (cy ?? frame.top + frame.height / 2) - frame.top;
    const scale = Math.max(0.05, Math.min(30, this.scale * factor));
    this.x = px - ((px - this.x) * scale) / this.scale;
    this.y = py - ((py - this.y) * scale) / this.scale;
    this.scale = scale;
    this.place();
  }

  private place(): void {
    // While it is only moved, the browser moves the painted drawing; enlarged, it is painted again, or it would blur.
    const only = this.scale === this.painted;
    this.painted = this.scale;
    this.sheet.classList.toggle("moving", only);
    clearTimeout(this.resting);
    if (only) this.resting = setTimeout(() => this.sheet.classList.remove("moving"), 300);
    this.sheet.style.transform = `translate(${this.x}px,${this.y}px) scale(${this.scale})`;
    clearTimeout(this.telling);
    this.telling = setTimeout(() => this.beyond(), 100);
  }

  /** On which sides more of the drawing lies than is in sight. */
  private cut(): string {
    const [right, low] = [this.x + this.sheet.offsetWidth * this.scale, this.y + this.sheet.offsetHeight * this.scale];
    const top = this.root.querySelector<HTMLElement>(".said")?.offsetHeight ?? 0;
    const sides: [string, boolean][] = [
      ["←", this.x < -1],
      ["↑", this.y < top - 1],
      ["↓", low > this.root.clientHeight + 1],
      ["→", right > this.root.clientWidth + 1],
    ];
    return sides.flatMap(([sign, more]) => (more ? [sign] : [])).join(" ");
  }

  private beyond(): void {
    if (this.root.hidden) return;
    const sides = this.cut();
    this.more.textContent = sides ? `more ${sides}` : "";
  }

  private listen(): void {
    const fingers = new Map<number, { x: number; y: number }>();
    this.root.addEventListener("pointerdown", (event) => {
      if (event.button !== 0 || (event.target as Element).closest(".zoom, .said") !== null) return;
      if (fingers.size === 0) this.moved = false;
      fingers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    });
    addEventListener("pointermove", (event) => {
      const was = fingers.get(event.pointerId);
      if (was === undefined) return;
      const now = { x: event.clientX, y: event.clientY };
      if (!this.moved && Math.abs(now.x - was.x) + Math.abs(now.y - was.y) <= 3) return;
      this.moved = true;
      fingers.set(event.pointerId, now);
      const other = [...fingers].find(([id]) => id !== event.pointerId)?.[1];
      if (other === undefined) {
        this.x += now.x - was.x;
        this.y += now.y - was.y;
        this.place();
      } else {
        const apart = (p: { x: number; y: number }) => Math.hypot(p.x - other.x, p.y - other.y);
        this.zoom(apart(now) / Math.max(1, apart(was)), true, (now.x + other.x) / 2, (now.y + other.y) / 2);
      }
    });
    for (const over of ["pointerup", "pointercancel"] as const) addEventListener(over, (event) => fingers.delete(event.pointerId));
    this.root.addEventListener(
      "wheel",
      (event) => {
        if ((event.target as Element).closest(".said") !== null) return;
        event.preventDefault();
        if (event.ctrlKey || event.metaKey) this.zoom(Math.exp(-event.deltaY / 300), true, event.clientX, event.clientY);
        else {
          this.x -= event.deltaX;
          this.y -= event.deltaY;
          this.place();
        }
      },
      { passive: false },
    );
  }
}

/** Mark on the flow where the run stands at a step: what was reached so far, the step itself, its ways in and out. */
export function markFlow(stage: Stage, run: Run, place: number): void {
  const marks = new Map<string, string[]>();
  const mark = (key: string, ...names: string[]) => marks.set(key, [...(marks.get(key) ?? []), ...names]);
  if (place < 0) return stage.highlight(marks);
  const key = (n: number) => run.data.nodes[n]?.[0] ?? "";
  for (const [n, first] of run.reached) if (first <= place) mark(key(n), "past");
  for (const [edge, first] of run.crossed) if (first <= place) mark(`e${edge + 1}`, "past");
  for (const [dot, edge] of run.data.starts) if ((run.crossed.get(edge) ?? Infinity) <= place) mark(dot, "past");
  const step = run.step(place);
  for (const edge of step.via ?? []) mark(`e${edge + 1}`, "in");
  for (const [edge, , , result] of step.ex ?? []) {
    if (edge >= 0) mark(`e${edge + 1}`, run.text(result) === "taken" ? "out" : "refused");
  }
  for (const loop of [step.lp, ...(step.cs ?? []).map((cause) => run.step(cause)).filter((s) => s.v === step.v).map((s) => s.lp)]) {
    if (loop !== undefined) mark(`e${loop + 1}`, "loop");
  }
  mark(key(step.n), "now", run.wrong(step) ? "failing" : "well");
  stage.highlight(marks);
  stage.show(key(step.n));
}
