// What the page is given: the run as graphrt wrote it down. Short keys, for there are many steps.

/** An edge that was considered when a visit was left: its place in the picture (-1 if not drawn), then texts. */
export type Exit = [edge: number, target: number, condition: number, result: number, reason: number];

export interface RawStep {
  l: string; // what people call it
  w: "attempt" | "visit" | "arrival";
  v: string; // visit
  n: number; // place of its node or frame in the picture; -1 if none stands for it
  m: number; // name, in the table of texts
  k: number; // kind
  s: number; // status
  a: number; // began, in seconds since the run began
  e?: number; // ended
  t?: number; // attempt, if not the first
  T?: number; // attempts in all, if more than one
  r?: 1; // another attempt followed
  lp?: number; // the loop on which it followed, by its place among the edges
  b?: number; // seconds of work
  o?: string; // answer
  x?: string; // error
  tk?: number;
  c?: number; // US dollars
  md?: number; // model
  it?: string; // item
  q?: string; // question
  by?: string;
  via?: number[]; // edges crossed to it
  ex?: Exit[];
  cs?: number[]; // steps it follows from
  p?: number; // step whose state it began with
  en?: Record<string, string>;
  wr?: Record<string, string>;
  ad?: Record<string, string>;
  df?: number; // digest of its definition, if the run had more than one
}

export interface Data {
  version: number;
  flow: string;
  run: string;
  status: string;
  facts: string;
  states: boolean;
  texts: string[];
  /** Key in the drawing (`n1`, `c1`) and name of each node and frame. */
  nodes: [key: string, name: string][];
  steps: RawStep[];
  /** For each visit that is drawn unrolled: its key there, and its last step. */
  unrolled: [key: string, step: number][];
}

export function readData(): Data | null {
  const holder = document.getElementById("data");
  return holder?.textContent ? (JSON.parse(holder.textContent) as Data) : null;
}

export class Run {
  /** For each node and each edge of the picture that was reached, the place of the first step that did. */
  readonly reached = new Map<number, number>();
  readonly crossed = new Map<number, number>();
  /** The highest number on the edges of the picture: how many steps its headline speaks of. */
  readonly numbered: number;

  constructor(readonly data: Data) {
    this.numbered = data.steps.reduce((most, step) => Math.max(most, parseInt(step.l) || 0), 0);
    data.steps.forEach((step, place) => {
      if (!this.reached.has(step.n)) this.reached.set(step.n, place);
      for (const edge of step.via ?? []) if (!this.crossed.has(edge)) this.crossed.set(edge, place);
    });
  }

  get size(): number {
    return this.data.steps.length;
  }

  step(place: number): RawStep {
    const step = this.data.steps[place];
    if (step === undefined) throw new RangeError(`no step ${place}`);
    return step;
  }

  text(index: number | undefined): string {
    return index === undefined ? "" : (this.data.texts[index] ?? "");
  }

  name(step: RawStep): string {
    return this.text(step.m);
  }

  status(step: RawStep): string {
    return this.text(step.s);
  }

  /** Whether something went wrong in a step: it failed, or was cut off. */
  wrong(step: RawStep): boolean {
    return ["failed", "lost"].includes(this.status(step));
  }

  /** Place of the step that people call `label`; -1 if there is none. */
  find(label: string): number {
    return this.data.steps.findIndex((s) => s.l === label);
  }

  /** The state a step began with, and what each field of it was before and is after. */
  state(place: number): { before: Map<string, string>; after: Map<string, string> } {
    const way: number[] = [];
    for (let at: number | undefined = place; at !== undefined; at = this.step(at).p) way.push(at);
    const before = new Map<string, string>();
    for (let i = way.length - 1; i >= 0; i--) {
      const step = this.step(way[i]!);
      for (const [field, value] of Object.entries(step.en ?? {})) before.set(field, value);
      if (i > 0) for (const [field, value] of Object.entries(step.wr ?? {})) before.set(field, value);
    }
    const after = new Map(before);
    for (const [field, value] of Object.entries(this.step(place).wr ?? {})) after.set(field, value);
    return { before, after };
  }

  /** The nearest step that went wrong, before (-1) or after (1) a place; the place itself if there is none. */
  failure(place: number, direction: 1 | -1): number {
    for (let i = place + direction; i >= 0 && i < this.size; i += direction) {
      if (this.wrong(this.step(i))) return i;
    }
    return place;
  }
}
