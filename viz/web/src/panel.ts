// What is known of one step: what it did, why it went on where it did, and the state.
import { RawStep, Run, took } from "./data";
import { make } from "./dom";
import { count, duration, money, said } from "./words";

export class Panel {
  private all = false;

  constructor(
    private readonly root: HTMLElement,
    private readonly run: Run,
    private readonly go: (place: number) => void,
  ) {}

  show(place: number): void {
    this.root.replaceChildren(...(place < 0 ? this.whole() : this.step(place)));
  }

  private whole(): Node[] {
    const wrong = (status: string) => this.run.data.steps.filter((s) => this.run.status(s) === status).length;
    const words = ["failed", "lost"].flatMap((s) => (wrong(s) ? [`${count(wrong(s))} ${said(s)}`] : []));
    const listed = `${count(this.run.size)} in the list, one for each visit, attempt and arrival`;
    const hint = make("p", { class: "muted" }, "The whole run. Step through it with the arrow keys; press ? for all keys.");
    return [make("h2", {}, this.run.data.flow), make("p", { class: "muted" }, [this.run.data.facts, listed, ...words].join(" · ")), hint];
  }

  private step(place: number): Node[] {
    const step = this.run.step(place);
    const status = this.run.status(step);
    const line = this.run.size === this.run.numbered ? "" : ` · line ${count(place + 1)} of the list`;
    const number = `step ${step.l} of ${count(this.run.numbered)}${line}`;
    const seconds = took(step);
    const time = seconds !== undefined ? ` · ${duration(seconds)}` : "";
    const kind = this.run.text(step.k).replace("_", " ").replace("tool agent", "agent with tools");
    const parts: Node[] = [
      make("h2", {}, step.w === "arrival" ? `${this.run.name(step)} ←` : this.run.name(step)),
      make("p", { class: "muted" }, `${step.w === "arrival" ? "arrival at a join" : kind} · ${number}${time}`),
      make("p", {}, make("span", { class: `status ${status}` }, said(status) + (step.r ? ", tried again" : ""))),
    ];
    if (step.x) parts.push(make("pre", { class: "error" }, step.x));
    parts.push(this.facts(step));
    if (step.ex?.length) parts.push(make("h3", {}, "Why this exit"), this.exits(step));
    parts.push(...this.state(place));
    return parts;
  }

  private facts(step: RawStep): Node {
    const rows: [string, Node | string | undefined][] = [
      ["visit", step.v],
      ["definition", this.run.text(step.df).slice(0, 7)],
      ["attempt", step.T !== undefined ? `${step.t ?? 1} of ${step.T}` : undefined],
      ["began", `after ${duration(step.a)}`],
      ["waited", step.w === "visit" && step.q && step.e !== undefined ? duration(step.e - step.a) : undefined],
      ["item", step.it],
      ["question", step.q],
      ["answer", step.o],
      ["answered by", step.by],
      ["model", this.run.text(step.md)],
      ["happened", step.mk],
      ["tokens", step.tk !== undefined ? count(step.tk) : undefined],
      ["cost", step.c !== undefined ? money(step.c) : undefined],
      ["follows", step.cs?.length ? this.links(step.cs) : undefined],
    ];
    const list = make("dl");
    for (const [name, value] of rows) {
      if (value) list.append(make("dt", {}, name), make("dd", {}, value));
    }
    return list;
  }

  private links(places: number[]): Node {
    const parts = places.slice(0, 12).map((place) => {
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

  private exits(step: RawStep): Node {
    const body = make("tbody");
    for (const [, target, condition, result, reason] of step.ex ?? []) {
      const word = this.run.text(result);
      const row = make(
        "tr",
        {},
        make("td", {}, this.run.text(target)),
        make("td", {}, make("code", {}, this.run.text(condition) || "always")),
        make("td", { class: word === "taken" ? "taken" : "refused" }, word),
        make("td", {}, this.run.text(reason)),
      );
      body.append(row);
    }
    const head = make("tr", {}, ...["To", "When", "Result", "Because"].map((t) => make("th", { scope: "col" }, t)));
    return make("table", {}, make("thead", {}, head), body);
  }

  private state(place: number): Node[] {
    if (!this.run.data.states) return [make("p", { class: "muted" }, "The states of this trace are not known.")];
    const step = this.run.step(place);
    const { before, after } = this.run.state(place);
    const base = step.p !== undefined ? this.run.state(step.p).after : new Map<string, string>();
    const body = make("tbody");
    const fields = [...new Set([...after.keys(), ...Object.keys(step.ad ?? {})])];
    let hidden = 0;
    for (const field of fields) {
      const was = before.get(field);
      const is = after.get(field);
      const added = step.ad?.[field];
      const wrote = step.wr !== undefined && field in step.wr;
      const set = step.en !== undefined && field in step.en && step.p !== undefined;
      const changed = wrote || set || added !== undefined;
      if (!changed && !this.all) {
        hidden++;
        continue;
      }
      const cell = make("td");
      const old = wrote ? was : set ? base.get(field) : undefined;
      if (changed && old !== undefined && old !== is && added === undefined) cell.append(make("del", {}, old), " → ");
      if (added !== undefined) cell.append(make("ins", {}, `+ ${added}`), " ");
      if (is !== undefined && (added === undefined || wrote)) cell.append(changed && added === undefined ? make("ins", {}, is) : make("span", {}, is));
      const merged = this.run.text(step.k) === "join" ? "merged" : "set on the way";
      const how = wrote || added !== undefined ? "wrote" : set ? merged : "";
      body.append(make("tr", {}, make("th", { scope: "row" }, field), cell, make("td", { class: "muted" }, how)));
    }
    const toggle = make("button", { type: "button", class: "small" }, this.all ? "only changes" : `all fields (${hidden} more)`);
    toggle.addEventListener("click", () => {
      this.all = !this.all;
      this.show(place);
    });
    const title = make("h3", {}, this.all ? "State" : "What changed ", toggle);
    const table = make("table", { class: "state" }, body);
    return [title, body.childElementCount ? table : make("p", { class: "muted" }, "Nothing.")];
  }
}
