// What is known of one step: what it did, why it went on where it did, and the state.
import { RawStep, Run, Sent, took } from "./data";
import { button, make, opening } from "./dom";
import { asCalls, asMessages, bubble, callCard, conversation, Message, rule } from "./messages";
import { requestOf } from "./requests";
import { long, read, shown, visible, written } from "./values";
import { count, duration, money, said } from "./words";

const MANY_LINKS = 12;
const EMPTY = new Set(["[]", "{}", '""', "null"]);

/** Messages of a field: those before a step, how many of them are not known, and those that are new in it. */
interface Talk {
  was: Message[];
  before: number;
  is: Message[];
}

export class Panel {
  private all = false;
  private place = -1;
  private scrolled = false;

  constructor(
    private readonly root: HTMLElement,
    private readonly run: Run,
    private readonly go: (place: number) => void,
  ) {
    root.addEventListener("scroll", () => (this.scrolled = root.scrollTop > 0), { passive: true });
  }

  show(place: number): void {
    if (place !== this.place && this.scrolled) this.root.scrollTop = 0;
    this.place = place;
    this.root.replaceChildren(...(place < 0 ? this.whole() : this.step(place)));
  }

  // -- the whole run ------------------------------------------------------------------------------------------------

  private whole(): Node[] {
    const { run } = this;
    const ill = (status: string) => run.data.steps.filter((s) => run.status(s) === status).length;
    const words = ["failed", "lost", "waiting"].flatMap((s) => (ill(s) ? [`${count(ill(s))} ${said(s)}`] : []));
    const rows: [string, string][] = [
      ["run", run.data.run],
      ["steps", this.counts()],
      ["of these", words.join(", ")],
    ];
    const parts: Node[] = [
      make("p", { class: "kind" }, "the whole run"),
      make("h2", {}, make("bdi", {}, visible(run.data.flow)), " ", make("span", { class: `status ${run.data.status.replace(" ", "-")}` }, run.data.status)),
    ];
    if (run.data.error) parts.push(make("div", { class: "error" }, long(run.data.error, "text")));
    parts.push(facts(rows.filter(([, value]) => value)));
    parts.push(this.ways(), ...this.ends());
    return parts;
  }

  /** How many numbers, visits and lines there are, where these are not the same. */
  private counts(): string {
    const { numbered, visited, size } = this.run;
    const parts = [count(numbered)];
    if (visited !== numbered) parts.push(`${count(visited)} visits with those inside nodes`);
    if (size !== visited) parts.push(`${count(size)} lines in the list with further attempts and arrivals`);
    return parts.join("; ");
  }

  private ways(): HTMLElement {
    const { run } = this;
    const first = run.data.steps.findIndex((s) => run.wrong(s));
    const ways = [button("First step", () => this.go(0))];
    if (first >= 0) ways.push(button("First failure", () => this.go(first)));
    const waiting = run.data.steps.findIndex((s) => run.status(s) === "waiting");
    if (waiting >= 0) ways.push(button("Open question", () => this.go(waiting)));
    return make("p", { class: "ways" }, ...ways);
  }

  /** What the run began with, and what has become of it. */
  private ends(): Node[] {
    const { run } = this;
    const outer = run.data.steps.map((s, i) => (s.v.includes("/") ? -1 : i)).filter((i) => i >= 0);
    const [first, last] = [outer[0], outer[outer.length - 1]];
    if (!run.data.states || first === undefined || last === undefined) return [];
    const [began, ended] = [run.state(first).before, run.state(last).after];
    const became = [...ended].filter(([name, text]) => began.get(name) !== text);
    const over = ["completed", "failed", "cancelled"].includes(run.data.status);
    const state = (title: string, fields: [string, string][], place: number) =>
      fields.length ? [make("h3", {}, title), ...this.fields(fields, place)] : [];
    return [...state("Began with", [...began], -1), ...state(over ? "Ended with" : "Now", became, last)];
  }

  /** Fields with their values; of those without one only the names. */
  private fields(fields: [string, string][], place: number): Node[] {
    const full = fields.filter(([, text]) => !EMPTY.has(text));
    const empty = fields.filter(([, text]) => EMPTY.has(text)).map(([name]) => visible(name));
    const parts: Node[] = full.map(([name, text]) => this.field(name, text, place));
    if (empty.length) parts.push(make("p", { class: "muted" }, `empty: ${empty.join(", ")}`));
    return parts;
  }

  // -- one step -----------------------------------------------------------------------------------------------------

  private step(place: number): Node[] {
    const step = this.run.step(place);
    return [
      ...this.head(place, step),
      ...(step.x ? [make("div", { class: "error" }, long(step.x, "text"))] : []),
      ...this.question(step),
      ...this.talk(place, step),
      ...this.given(place, step),
      ...(step.ex?.length ? [make("h3", {}, "Why this exit"), this.exits(step)] : []),
      ...this.state(place, step),
      ...this.details(step),
    ];
  }

  private head(place: number, step: RawStep): Node[] {
    const { run } = this;
    const status = run.status(step);
    const kind = run.text(step.k);
    const word = step.w === "arrival" ? "arrival at a join" : kind.replace("tool_agent", "agent with tools").replace("_", " ");
    const line = run.size === run.numbered ? "" : ` · line ${count(place + 1)} of ${count(run.size)}`;
    const seconds = took(step);
    const facts = [`step ${step.l} of ${count(run.numbered)}${line}`];
    if (step.T !== undefined) facts.push(`attempt ${step.t ?? 1} of ${step.T}`);
    if (seconds !== undefined) facts.push(duration(seconds));
    if (step.tk !== undefined) facts.push(`${step.tu ? "≥ " : ""}${count(step.tk)} tokens`);
    if (step.c !== undefined) facts.push(money(step.c));
    const pill = make("span", { class: `status ${run.refused(step) ? "failed" : status}` }, run.refused(step) ? "told the model" : said(status) + (step.r ? ", tried again" : ""));
    const outer = run.around(step);
    const inside = outer === undefined ? [] : [" in ", make("bdi", {}, run.name(outer))];
    return [
      make("p", { class: `kind ${kind}` }, word, ...inside),
      make("h2", {}, make("bdi", {}, run.name(step)), " ", pill),
      make("p", { class: "muted" }, facts.join(" · ")),
    ];
  }

  /** A question with what it showed: whoever answers decides by that. */
  private question(step: RawStep): Node[] {
    if (!step.q) return [];
    const card = make("div", { class: "question" }, make("p", { dir: "auto" }, visible(step.q)));
    for (const [field, text] of Object.entries(step.as ?? {})) card.append(this.field(field, text));
    if (step.o !== undefined) {
      card.append(make("p", {}, make("b", {}, visible(step.o)), step.by ? make("span", { class: "muted" }, ` said ${visible(step.by)}`) : ""));
    } else if (step.an?.length) {
      card.append(make("p", { class: "muted" }, "answers: ", ...step.an.map((answer) => make("code", { class: "choice" }, visible(answer)))));
    }
    return [make("h3", {}, "Question"), card];
  }

  /** A value with its name: messages and calls as such. `place` is a step that left it, if one did. */
  private field(name: string, text: string, place = -1): HTMLElement {
    const listed = place >= 0 && holdsMessages(text) ? this.run.list(place, name) : undefined;
    const known = listed === undefined ? read(text) : { value: listed.items, before: listed.before };
    const messages = known && asMessages(known.value);
    const calls = known && asCalls(known.value);
    let value: HTMLElement;
    if (messages) value = conversation(messages, known.before, []);
    else if (calls) value = make("div", {}, ...calls.map(callCard));
    else value = written(text);
    const label = make("div", { class: "name", dir: "auto" }, visible(name));
    return make("div", { class: value.tagName === "CODE" ? "field short" : "field" }, label, value);
  }

  /** What was said to a model and what it said, or what a tool was asked for and gave back. */
  private talk(place: number, step: RawStep): Node[] {
    const brief = this.run.brief(step);
    const asks = this.asks(step);
    const talks = this.talks(place, step);
    const parts: Node[] = [];
    if (step.sn !== undefined) parts.push(...this.requests(place, step.sn), ...this.answer(step, talks));
    else {
      if (brief.i && (asks || this.run.text(step.k).includes("agent"))) {
        parts.push(bubble("system", "instructions", long(brief.i, "text")));
      }
      parts.push(...talks.map((talk) => conversation(talk.was, talk.before, talk.is)));
      if (asks && talks.length === 0) parts.push(...this.exchange(place, step));
    }
    if (parts.length === 0) return [];
    const title = asks ? "Conversation with the model" : talks.length ? "Messages" : "Instructions";
    return [make("h3", {}, title), ...parts];
  }

  private asks(step: RawStep): boolean {
    return step.md !== undefined || step.sn !== undefined;
  }

  /** The fields of messages that a step read or wrote, with what was new in it. */
  private talks(place: number, step: RawStep): Talk[] {
    const { after } = this.run.state(place);
    const reads = this.run.brief(step).r ?? [];
    const names = [...new Set([...after.keys(), ...Object.keys(step.ad ?? {})])];
    return names
      .filter((name) => reads.includes(name) || step.wr?.[name] !== undefined || step.ad?.[name] !== undefined)
      .filter((name) => holdsMessages(after.get(name)) || holdsMessages(step.ad?.[name]))
      .map((name) => {
        const [old, now] = [this.run.begun(place, name), this.run.list(place, name)];
        const added = now.items.length + now.before - old.items.length - old.before;
        const kept = Math.max(0, now.items.length - Math.max(0, added));
        const [was, is] = [now.items.slice(0, kept), now.items.slice(kept)].map((items) => asMessages(items) ?? []);
        return { was: was!, before: now.before, is: is! };
      });
  }

  /** The requests as they were sent. */
  private requests(place: number, sent: Sent[]): Node[] {
    return sent.flatMap((one, number) => {
      const request = requestOf(this.run, place, one);
      const parts: Node[] = [];
      if (sent.length > 1) parts.push(make("p", { class: "muted" }, `request ${number + 1} of ${sent.length}, to ${request.model}`));
      if (request.instructions) parts.push(bubble("system", "instructions", long(request.instructions, "text")));
      parts.push(conversation(request.messages, request.before, []));
      const names = request.rest.map(([name]) => name.replace("_", " ")).join(", ");
      if (names) parts.push(opening([`sent with it: ${names}`], () => [shown(Object.fromEntries(request.rest))]));
      return parts;
    });
  }

  /** What an agent that keeps no messages was given, and what its model made of that. */
  private exchange(place: number, step: RawStep): Node[] {
    const { before } = this.run.state(place);
    const read = (this.run.brief(step).r ?? []).flatMap((name): [string, string][] => (before.has(name) ? [[name, before.get(name)!]] : []));
    return [...(read.length ? [bubble("user", "read", ...this.fields(read, -1))] : []), ...this.answer(step, [])];
  }

  private answer(step: RawStep, talks: Talk[]): Node[] {
    const said = talks.flatMap((talk) => talk.is).filter((message) => message.role === "assistant");
    if (said.length) return [rule("answer"), conversation([], 0, said)];
    const wrote = Object.entries({ ...step.wr, ...step.ad }).filter(([, text]) => !EMPTY.has(text));
    return wrote.length ? [bubble("assistant", "answer", ...this.fields(wrote, -1))] : [];
  }

  /** The fields that it read, with the values it saw. */
  private given(place: number, step: RawStep): Node[] {
    if (!this.run.data.states || step.w === "arrival" || step.q || this.asks(step)) return [];
    const { before } = this.run.state(place);
    const told = (name: string) => holdsMessages(before.get(name)) || holdsMessages(step.ad?.[name]) || holdsMessages(step.wr?.[name]);
    const names = (this.run.brief(step).r ?? []).filter((name) => before.has(name) && !told(name));
    if (names.length === 0) return [];
    return [make("h3", {}, "Read"), ...this.fields(names.map((name) => [name, before.get(name)!]), -1)];
  }

  private exits(step: RawStep): Node {
    const body = make("tbody");
    for (const [, target, condition, result, reason] of step.ex ?? []) {
      const word = this.run.text(result);
      const row = make(
        "tr",
        { class: word === "taken" ? "taken" : `refused ${word.replace(" ", "-")}` },
        make("td", { class: "result" }, word),
        make(
          "td",
          {},
          make("div", { class: "to" }, "→ ", make("bdi", {}, visible(this.run.text(target)))),
          make("code", {}, visible(this.run.text(condition)) || "always"),
          make("div", { class: "because" }, visible(this.run.text(reason))),
        ),
      );
      body.append(row);
    }
    const head = make("tr", {}, ...["Result", "Edge, when, because"].map((t) => make("th", { scope: "col" }, t)));
    return make("table", { class: "exits" }, make("thead", {}, head), body);
  }

  // -- the state ----------------------------------------------------------------------------------------------------

  private state(place: number, step: RawStep): Node[] {
    if (!this.run.data.states) return [make("p", { class: "muted" }, "The states of this trace are not known.")];
    const { before, after } = this.run.state(place);
    const base = step.p !== undefined ? this.run.state(step.p).after : new Map<string, string>();
    const body = make("tbody");
    let hidden = 0;
    for (const field of new Set([...after.keys(), ...Object.keys(step.ad ?? {})])) {
      const row = this.change(step, field, before, after, base);
      if (row !== undefined) body.append(row);
      else hidden++;
    }
    const toggle = button(this.all ? "only changes" : `all fields (${hidden} more)`, () => {
      this.all = !this.all;
      this.show(place);
    });
    toggle.className = "small";
    const title = make("h3", {}, this.all ? "State " : "What changed ", hidden || this.all ? toggle : "");
    const table = make("table", { class: "state" }, body);
    return [title, body.childElementCount ? table : make("p", { class: "muted" }, "Nothing.")];
  }

  private change(step: RawStep, field: string, before: Map<string, string>, after: Map<string, string>, base: Map<string, string>): Node | undefined {
    const is = after.get(field);
    const added = step.ad?.[field];
    const wrote = step.wr?.[field] !== undefined;
    const set = step.p !== undefined && step.en?.[field] !== undefined;
    const changed = wrote || set || added !== undefined;
    if (!changed && !this.all) return undefined;
    const old = added !== undefined ? undefined : wrote ? before.get(field) : set ? base.get(field) : undefined;
    const cell = make("div", { class: "change" });
    if (changed && old !== undefined && old !== is) cell.append(make("del", {}, summary(old)), "→");
    if (added !== undefined) cell.append(make("ins", { class: "added" }, summary(added)));
    else if (is !== undefined) cell.append(changed ? make("ins", {}, summary(is)) : summary(is));
    if (added !== undefined && wrote && is !== undefined) cell.append(make("div", { class: "whole-value" }, summary(is)));
    const merged = this.run.text(step.k) === "join" ? "merged" : "set on the way";
    const how = added !== undefined ? "added" : wrote ? "wrote" : set ? merged : "";
    return make("tr", {}, make("th", { scope: "row", dir: "auto" }, visible(field), how ? make("span", { class: "how" }, how) : ""), make("td", {}, cell));
  }

  // -- the rest -----------------------------------------------------------------------------------------------------

  private details(step: RawStep): Node[] {
    const { run } = this;
    const brief = run.brief(step);
    const rows: [string, Node | string | undefined][] = [
      ["began", `after ${duration(step.a)}`],
      ["waited", step.w === "visit" && step.q && step.e !== undefined ? duration(step.e - step.a) : undefined],
      ["answer", step.q ? undefined : step.o],
      ["item", step.it ? written(step.it) : undefined],
      ["model", run.text(step.md)],
      ["happened", step.mk],
      ["follows", step.cs?.length ? this.links(step.cs) : undefined],
      ["visit", step.v],
      ["definition", run.text(step.df).slice(0, 7)],
      ["tools", brief.t?.join(", ")],
      ["about", brief.d],
    ];
    return [make("h3", {}, "Details"), facts(rows.filter((row): row is [string, Node | string] => Boolean(row[1])))];
  }

  private links(places: number[]): Node {
    const parts = places.slice(0, MANY_LINKS).map((place) => {
      const step = this.run.step(place);
      const link = make("a", { href: `#step=${encodeURIComponent(step.l)}` }, `${step.l} ${this.run.name(step)}`);
      link.addEventListener("click", (event) => {
        event.preventDefault();
        this.go(place);
      });
      return link;
    });
    const line = make("span", { class: "links" }, ...parts);
    if (places.length > parts.length) line.append(` and ${places.length - parts.length} more`);
    return line;
  }
}

function facts(rows: [string, Node | string][]): HTMLElement {
  const list = make("dl", { class: "facts" });
  for (const [name, value] of rows) {
    list.append(make("dt", {}, name), make("dd", { dir: "auto" }, typeof value === "string" ? visible(value) : value));
  }
  return list;
}

/** Whether a field holds messages, by the last of them; without reading the others. */
function holdsMessages(text: string | undefined): boolean {
  if (text === undefined || !/^\[?(… \d+ more, )?\{/.test(text) || !text.includes('"role"')) return false;
  const known = read(text);
  return known !== undefined && asMessages(known.value) !== undefined;
}

/** A value in a table of the state: messages, which are shown as such elsewhere, only by their number. */
function summary(text: string): HTMLElement {
  if (!holdsMessages(text)) return written(text);
  const known = read(text)!;
  const messages = asMessages(known.value)! as Message[];
  const size = messages.length + known.before;
  return opening([make("span", { class: "muted" }, `${count(size)} ${size === 1 ? "message" : "messages"}`)], () => [conversation(messages, known.before, [])]);
}
