// What the page is given: the run as graphrt wrote it down. Short keys, for there are many steps.
import { Json, read } from "./values";

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
  mk?: string; // what policies did
  tk?: number; // tokens, as far as they are known
  tu?: 1; // there are more, nobody knows how many
  c?: number; // US dollars
  md?: number; // model
  it?: string; // item
  br: number; // what the definition says of its node
  q?: string; // question
  an?: string[]; // what can be answered
  as?: Record<string, string>; // the fields that the question showed
  by?: string;
  via?: number[]; // edges crossed to it
  ex?: Exit[];
  cs?: number[]; // steps it follows from
  p?: number; // step whose state it began with
  en?: Record<string, string>;
  wr?: Record<string, string>;
  ad?: Record<string, string>;
  sn?: Sent[]; // what was sent to models
  df?: number; // digest of its definition, if the run had more than one
}

/** A request to a model; what the run has already stands in it by reference. */
export interface Sent {
  m: number; // model
  /** Messages, and `[field, first, count]` for messages of a field that the step began with. */
  ms?: Json[];
  r?: Record<string, Json>; // instructions, tools, settings
}

/** What the definition says of a node: the fields that it reads, and what its work is made from. */
export interface Brief {
  r?: string[]; // fields
  d?: string; // the documentation of its function
  i?: string; // instructions
  t?: string[]; // tools
}

export interface Data {
  version: number;
  flow: string;
  run: string;
  status: string;
  error?: string;
  facts: string;
  states: boolean;
  texts: string[];
  briefs: Brief[];
  /** Long parts of requests, by the names that stand for them. */
  kept?: Record<string, Json>;
  /** Key in the drawing (`n1`, `c1`) and name of each node and frame. */
  nodes: [key: string, name: string][];
  /** Key of each dot at which a graph begins, and the edge that leaves it. */
  starts: [key: string, edge: number][];
  steps: RawStep[];
  /** For each visit that is drawn unrolled: its key there, and its last step. */
  unrolled: [key: string, step: number][];
}

/** Seconds that a step took: of work, or, where the work was done inside it or it waited, from its start to its end. */
export function took(step: RawStep): number | undefined {
  return step.b ?? (step.e !== undefined && step.e > step.a ? step.e - step.a : undefined);
}

export function readData(): Data | null {
  const holder = document.getElementById("data");
  return holder?.textContent ? (JSON.parse(holder.textContent) as Data) : null;
}

type State = Map<string, string>;

/** Items of a list, and how many come before them. */
export interface Listed {
  items: Json[];
  before: number;
}

function joined(first: Listed, back: Json[][]): Listed {
  return { items: [...first.items, ...back.reverse().flat()], before: first.before };
}

/** States that are kept, so that going one step on, or anywhere, need not fold the whole run again. */
const [REMEMBERED, KEY_FRAME] = [64, 128];

function set(state: State, values: Record<string, string> | undefined): void {
  for (const [field, value] of Object.entries(values ?? {})) state.set(field, value);
}

export class Run {
  private readonly known = new Map<number, State>();
  private readonly frames = new Map<number, State>();
  /** For each node and each edge of the picture that was reached, the place of the first step that did. */
  readonly reached = new Map<number, number>();
  readonly crossed = new Map<number, number>();
  private readonly visits = new Map<string, number>();
  /** The highest number on the edges of the picture: how many steps its headline speaks of. */
  readonly numbered: number;

  constructor(readonly data: Data) {
    this.numbered = data.steps.reduce((most, step) => Math.max(most, parseInt(step.l) || 0), 0);
    data.steps.forEach((step, place) => {
      if (!this.visits.has(step.v)) this.visits.set(step.v, place);
      if (!this.reached.has(step.n)) this.reached.set(step.n, place);
      const crossed = [...(step.via ?? []), ...(step.lp === undefined ? [] : [step.lp])];
      for (const edge of crossed) if (!this.crossed.has(edge)) this.crossed.set(edge, place);
    });
  }

  get visited(): number {
    return this.visits.size;
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

  /** Whether something went wrong in a step: it failed, was cut off, or called a tool in vain. */
  wrong(step: RawStep): boolean {
    return ["failed", "lost"].includes(this.status(step)) || this.refused(step);
  }

  /** Whether a step completed, and the model was told what went wrong with the tool that it called. */
  refused(step: RawStep): boolean {
    return this.status(step) === "good" && step.x !== undefined;
  }

  /** Place of the step that people call `label`; -1 if there is none. */
  find(label: string): number {
    return this.data.steps.findIndex((s) => s.l === label);
  }

  /** The state that a step began with, and the one that it left. */
  state(place: number): { before: State; after: State } {
    const step = this.step(place);
    const before = new Map(step.p === undefined ? [] : this.after(step.p));
    set(before, step.en);
    const after = new Map(before);
    set(after, step.wr);
    return { before, after };
  }

  brief(step: RawStep): Brief {
    return this.data.briefs[step.br] ?? {};
  }

  /** The first step of the visit that a step is inside of; undefined for the outermost. */
  around(step: RawStep): RawStep | undefined {
    const place = this.visits.get(step.v.slice(0, Math.max(0, step.v.lastIndexOf("/"))));
    return place === undefined ? undefined : this.step(place);
  }

  /** A list in the state that a step left, and how many items before those are not known.
   *
   * A long list is written down by its last items; what was added to it stands at the steps that added it.
   */
  list(place: number, field: string): Listed {
    const back: Json[][] = [];
    for (let at: number | undefined = place; at !== undefined; at = this.step(at).p) {
      const step: RawStep = this.step(at);
      const added = this.items(step.ad?.[field]);
      const after = this.items(step.wr?.[field]);
      if (after !== undefined && (after.before === 0 || added === undefined)) return joined(after, back);
      if (added !== undefined) back.push(added.items);
      const entered = this.items(step.en?.[field]);
      if (entered !== undefined) return joined(entered, back);
    }
    return joined({ items: [], before: 0 }, back);
  }

  /** A list in the state that a step began with. */
  begun(place: number, field: string): Listed {
    const step = this.step(place);
    const entered = this.items(step.en?.[field]);
    if (entered !== undefined || step.p === undefined) return entered ?? { items: [], before: 0 };
    return this.list(step.p, field);
  }

  private items(text: string | undefined): Listed | undefined {
    const known = text === undefined ? undefined : read(text);
    if (known === undefined) return undefined;
    return { items: Array.isArray(known.value) ? known.value : [known.value], before: known.before };
  }

  /** The state that a step left. It is folded from the nearest step before that is still remembered. */
  private after(place: number): State {
    const way: number[] = [];
    let at: number | undefined = place;
    for (; at !== undefined && !this.known.has(at) && !this.frames.has(at); at = this.step(at).p) way.push(at);
    const state = new Map(at === undefined ? [] : (this.known.get(at) ?? this.frames.get(at)));
    for (const each of way.reverse()) {
      set(state, this.step(each).en);
      set(state, this.step(each).wr);
      if (each % KEY_FRAME === 0) this.frames.set(each, new Map(state));
    }
    this.known.delete(place);
    this.known.set(place, state);
    if (this.known.size > REMEMBERED) this.known.delete(this.known.keys().next().value!);
    return state;
  }

  /** The nearest step that went wrong, before (-1) or after (1) a place; the place itself if there is none. */
  failure(place: number, direction: 1 | -1): number {
    for (let i = place + direction; i >= 0 && i < this.size; i += direction) {
      if (this.wrong(this.step(i))) return i;
    }
    return place;
  }
}
