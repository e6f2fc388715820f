// The report of a run: one page that is opened from a file and asks nobody for anything.
import { Address } from "./address";
import { readData, Run } from "./data";
import { button, byId, make } from "./dom";
import { List, spoken } from "./list";
import { Panel } from "./panel";
import { Scrubber } from "./scrubber";
import { splits } from "./split";
import { markFlow, Stage } from "./stage";

const KEYS: [string[], string][] = [
  [["←", "→"], "one step back, one on"],
  [["Home", "End"], "first step, last step"],
  [["n", "N"], "next failure, the one before"],
  [["/"], "search; Enter goes to the next step found"],
  [["Space"], "play and pause"],
  [["Esc"], "the whole run"],
  [["1", "…", "9"], "the views, in their order"],
  [["d"], "what differs, if the report compares"],
  [["+", "−", "0"], "larger, smaller, all of it"],
  [["t"], "light, dark, as the system"],
  [["?"], "these keys"],
];
const PLAY_MS = 900;
/** Steps that are said aloud only once the reader stands still. */
const SAID_MS = 250;
const THEMES: [string, string][] = [["auto", "Auto"], ["light", "Light"], ["dark", "Dark"]];

class Page {
  private place = -1;
  private view = "flow";
  private timer = 0;
  private saying = 0;
  private readonly address = new Address();
  private readonly stages = new Map<string, Stage>();
  private readonly tabs: HTMLButtonElement[];
  private readonly list: List | null = null;
  private readonly panel: Panel | null = null;
  private readonly scrubber: Scrubber | null = null;
  /** What each visit is called in the drawing of all visits. */
  private readonly keys = new Map<string, string>();

  constructor(private readonly run: Run | null) {
    for (const section of document.querySelectorAll<HTMLElement>(".view")) {
      this.stages.set(section.dataset["view"]!, new Stage(section));
    }
    this.tabs = [...document.querySelectorAll<HTMLButtonElement>("[role=tab]")];
    for (const tab of this.tabs) tab.addEventListener("click", () => this.look(tab.dataset["view"]!));
    byId("theme").addEventListener("click", () => this.recolour());
    byId("help").addEventListener("click", () => this.help());
    if (run !== null) {
      const go = (place: number) => this.go(place);
      this.list = new List(run, go);
      this.panel = new Panel(byId("panel"), run, go);
      this.scrubber = new Scrubber(run, {
        go: (place) => this.go(place, false),
        first: () => this.go(0),
        back: () => this.by(-1),
        on: () => this.by(1),
        last: () => this.go(run.size - 1),
        failure: () => this.fail(1),
        play: () => this.play(),
      });
      this.connect(run);
      this.searching();
      this.panes();
    }
    splits(() => this.stages.get(this.view)?.rest());
    addEventListener("keydown", (event) => this.pressed(event));
    addEventListener("hashchange", () => this.read());
    addEventListener("resize", () => this.resized());
    document.body.classList.add("ready");
    this.read();
  }

  /** Let nodes and bars be pointed at. */
  private connect(run: Run): void {
    const flow = this.stages.get("flow");
    run.data.nodes.forEach(([key], n) => {
      flow?.clicked(key, () => {
        const later = run.data.steps.findIndex((s, i) => i > this.place && s.n === n);
        const found = later >= 0 ? later : run.data.steps.findIndex((s) => s.n === n);
        if (found >= 0) this.go(found);
      });
    });
    const timeline = this.stages.get("timeline");
    run.data.steps.forEach((_, i) => timeline?.clicked(`t${i + 1}`, () => this.go(i)));
    const unrolled = this.stages.get("unrolled");
    for (const [key, place] of run.data.unrolled) {
      unrolled?.clicked(key, () => this.go(place));
      this.keys.set(run.step(place).v, key);
    }
  }

  private searching(): void {
    const search = byId("search") as HTMLInputElement;
    search.addEventListener("input", () => this.list?.search(search.value));
    search.addEventListener("keydown", (event) => {
      event.stopPropagation();
      if (event.key === "Enter") this.go(this.list?.next(this.place) ?? this.place);
      if (event.key !== "Escape") return;
      search.value = "";
      this.list?.search("");
      search.blur();
    });
  }

  /** On a small screen one pane is shown at a time. */
  private panes(): void {
    for (const one of document.querySelectorAll<HTMLButtonElement>("#panes button")) {
      one.addEventListener("click", () => this.pane(one.dataset["pane"]!));
    }
    byId("steps").addEventListener("click", () => this.pane("step"));
    this.pane("picture");
  }

  private pane(name: string): void {
    document.body.dataset["pane"] = name;
    for (const one of document.querySelectorAll<HTMLElement>("#panes button")) {
      one.setAttribute("aria-pressed", String(one.dataset["pane"] === name));
    }
    this.resized();
    this.list?.show(this.place);
  }

  private resized(): void {
    this.stages.get(this.view)?.rest();
    this.draw();
  }

  // -- steps --------------------------------------------------------------------------------------------------------

  /** Go to a step; with `remember`, the browser's back button comes back from there. */
  go(place: number, remember = true): void {
    if (this.run === null) return;
    const inList = this.list?.focused ?? false;
    this.place = Math.max(-1, Math.min(this.run.size - 1, place));
    this.draw();
    this.write(remember);
    if (inList) this.list?.focus();
    clearTimeout(this.saying);
    this.saying = setTimeout(() => (byId("said").textContent = spoken(this.run!, this.place)), SAID_MS);
  }

  private by(direction: 1 | -1): void {
    if (direction < 0 && this.place <= 0) this.go(-1, false);
    else this.go(this.list?.neighbour(this.place, direction) ?? 0, false);
  }

  private fail(direction: 1 | -1): void {
    this.go(this.run?.failure(this.place, direction) ?? 0);
  }

  private play(): void {
    if (this.timer) {
      clearInterval(this.timer);
      this.timer = 0;
      this.scrubber?.playing(false);
      return;
    }
    if (this.run === null || this.run.size === 0) return;
    if (this.place >= this.run.size - 1) this.go(-1, false);
    this.scrubber?.playing(true);
    this.timer = setInterval(() => {
      this.go(this.place + 1, false);
      if (this.place >= (this.run?.size ?? 0) - 1) this.play();
    }, PLAY_MS);
  }

  // -- views --------------------------------------------------------------------------------------------------------

  private look(view: string, remember = true): void {
    if (!this.stages.has(view)) return;
    this.view = view;
    for (const tab of this.tabs) {
      const chosen = tab.dataset["view"] === view;
      tab.setAttribute("aria-selected", String(chosen));
      tab.tabIndex = chosen ? 0 : -1;
    }
    for (const [name, stage] of this.stages) stage.root.hidden = name !== view;
    this.stages.get(view)!.fit();
    this.draw();
    this.write(remember);
  }

  private draw(): void {
    if (this.run === null) return;
    const { run, place } = this;
    document.body.classList.toggle("whole", place < 0);
    const stage = this.stages.get(this.view);
    if (stage !== undefined) {
      if (place < 0) stage.rest();
      if (this.view === "flow") markFlow(stage, run, place);
      else this.pointTo(stage, place);
    }
    this.list?.show(place);
    // What follows asks the browser for no sizes, so it is laid out once, when it is painted.
    this.panel?.show(place);
    this.scrubber?.show(place);
  }

  /** Show where a step is on the timeline, or among all visits. */
  private pointTo(stage: Stage, place: number): void {
    const run = this.run!;
    const timeline = this.view === "timeline";
    if (!timeline && this.view !== "unrolled") return;
    const key = place < 0 ? "" : timeline ? `t${place + 1}` : (this.keys.get(run.step(place).v) ?? "");
    const how = place >= 0 && run.wrong(run.step(place)) ? "failing" : "well";
    if (timeline) stage.ring(key, "now", how);
    else stage.highlight(new Map(key ? [[key, ["now", how]]] : []));
    if (key) stage.show(key);
  }

  // -- the address --------------------------------------------------------------------------------------------------

  private write(remember: boolean): void {
    const parts: string[] = [];
    if (this.run !== null && this.place >= 0) parts.push(`step=${encodeURIComponent(this.run.step(this.place).l)}`);
    if (this.view !== "flow") parts.push(`view=${this.view}`);
    this.address.write(parts.length ? `#${parts.join("&")}` : "", remember);
  }

  private read(): void {
    const { step, view } = this.address.read();
    if (this.run !== null) this.place = step === null ? -1 : this.run.find(step);
    if (this.run !== null && step !== null && this.place < 0) byId("found").textContent = `There is no step ${step}.`;
    const first = this.stages.keys().next().value ?? "flow";
    this.look(this.stages.has(view) ? view : first, false);
  }

  // -- keys ---------------------------------------------------------------------------------------------------------

  private pressed(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey || (byId("keys") as HTMLDialogElement).open) return;
    const at = event.target instanceof Element ? event.target : document.body;
    // Whoever stands on a button presses it with the space bar, and walks along tabs with the arrows.
    if (event.key === " " && at.closest("button, summary, a") !== null) return;
    const along = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (along !== undefined && at.closest("[role=tablist]") !== null) {
      const next = this.tabs[this.tabs.findIndex((tab) => tab.dataset["view"] === this.view) + along];
      if (next !== undefined) {
        this.look(next.dataset["view"]!);
        next.focus();
      }
      event.preventDefault();
      return;
    }
    const act = this.action(event.key);
    if (act === undefined) return;
    event.preventDefault();
    act();
  }

  private action(key: string): (() => void) | undefined {
    const stage = this.stages.get(this.view);
    const tab = /^[1-9]$/.test(key) ? this.tabs[Number(key) - 1] : undefined;
    if (tab !== undefined) return () => this.look(tab.dataset["view"]!);
    const inList: Record<string, () => void> = { ArrowDown: () => this.by(1), ArrowUp: () => this.by(-1) };
    const actions: Record<string, () => void> = {
      ...(this.list?.focused ? inList : {}),
      ArrowRight: () => this.by(1),
      ArrowLeft: () => this.by(-1),
      Home: () => this.go(0),
      End: () => this.go((this.run?.size ?? 0) - 1),
      Escape: () => this.go(-1),
      n: () => this.fail(1),
      N: () => this.fail(-1),
      "/": () => this.find(),
      " ": () => this.play(),
      d: () => this.look("difference"),
      t: () => this.recolour(),
      "?": () => this.help(),
      "+": () => stage?.zoom(1.25),
      "-": () => stage?.zoom(0.8),
      "0": () => stage?.whole(),
    };
    return actions[key];
  }

  private find(): void {
    if (this.run === null) return;
    this.pane("list");
    byId("search").focus();
  }

  private recolour(): void {
    const now = document.documentElement.dataset["theme"] ?? "auto";
    const next = THEMES[(THEMES.findIndex(([name]) => name === now) + 1) % THEMES.length]!;
    document.documentElement.dataset["theme"] = next[0];
    byId("theme").textContent = next[1];
  }

  private help(): void {
    const box = byId("keys") as HTMLDialogElement;
    if (!box.childElementCount) {
      const list = make("dl");
      for (const [keys, what] of KEYS) {
        const signs = keys.map((key) => (key === "…" ? " … " : make("kbd", {}, key)));
        list.append(make("dt", {}, ...signs), make("dd", {}, what));
      }
      box.append(make("h2", { id: "keys-title" }, "Keys"), list, button("Close", () => box.close()));
      box.addEventListener("keydown", (event) => {
        if (event.key === "?") box.close();
        event.stopPropagation();
      });
    }
    box.showModal();
  }
}

const data = readData();
new Page(data === null ? null : new Run(data));
