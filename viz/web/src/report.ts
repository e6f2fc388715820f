// The report of a run: one page that is opened from a file and asks nobody for anything.
import { readData, Run } from "./data";
import { byId, make } from "./dom";
import { List } from "./list";
import { Panel } from "./panel";
import { Scrubber } from "./scrubber";
import { markFlow, Stage } from "./stage";

const KEYS: [string, string][] = [
  ["← →", "one step back, one on"],
  ["Home End", "first step, last step"],
  ["Esc", "the whole run"],
  ["n N", "next failure, the one before"],
  ["/", "search; Enter goes to the next step found"],
  ["Space", "play and pause"],
  ["1 – 9", "the views, in their order"],
  ["d", "what differs, if the report compares"],
  ["+ − 0", "larger, smaller, all of it"],
  ["t", "light, dark, as the system"],
  ["?", "these keys"],
];

class Page {
  private place = -1;
  private view = "flow";
  private timer = 0;
  private writing = 0;
  private wrote = 0;
  private writes = 40;
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
    if (run !== null) {
      const go = (place: number) => this.go(place);
      this.list = new List(run, go);
      this.panel = new Panel(byId("panel"), run, go);
      this.scrubber = new Scrubber(run, go);
      this.connect(run);
    }
    byId("theme").addEventListener("click", () => this.recolour());
    byId("help").addEventListener("click", () => this.help());
    addEventListener("keydown", (event) => this.pressed(event));
    addEventListener("hashchange", () => this.read());
    addEventListener("resize", () => this.stages.get(this.view)?.fit());
    const search = document.getElementById("search") as HTMLInputElement | null;
    search?.addEventListener("input", () => this.list?.search(search.value));
    search?.addEventListener("keydown", (event) => {
      if (event.key === "Enter") this.go(this.list?.next(this.place) ?? this.place);
      if (event.key === "Escape") {
        search.value = "";
        this.list?.search("");
        search.blur();
      }
      event.stopPropagation();
    });
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

  go(place: number): void {
    if (this.run === null) return;
    this.place = Math.max(-1, Math.min(this.run.size - 1, place));
    this.draw();
    this.write();
  }

  private look(view: string): void {
    if (!this.stages.has(view)) return;
    this.view = view;
    for (const tab of this.tabs) tab.setAttribute("aria-selected", String(tab.dataset["view"] === view));
    for (const [name, stage] of this.stages) stage.root.hidden = name !== view;
    this.stages.get(view)!.fit();
    this.draw();
    this.write();
  }

  private draw(): void {
    if (this.run === null) return;
    const { run, place } = this;
    this.list?.show(place);
    this.panel?.show(place);
    this.scrubber?.show(place);
    const flow = this.stages.get("flow");
    if (flow !== undefined && this.view === "flow") markFlow(flow, run, place);
    document.body.classList.toggle("whole", place < 0);
    if (place < 0) this.stages.get(this.view)?.rest();
    for (const [view, key] of [
      ["timeline", `t${place + 1}`],
      ["unrolled", place < 0 ? "" : (this.keys.get(run.step(place).v) ?? "")],
    ] as const) {
      const stage = this.stages.get(view);
      if (stage === undefined || this.view !== view) continue;
      stage.clear();
      if (place >= 0) {
        const how = run.wrong(run.step(place)) ? "failing" : "well";
        if (view === "timeline") stage.ring(key, "now", how);
        else stage.mark(key, "now", how);
        stage.show(key);
      }
    }
  }

  // -- the address --------------------------------------------------------------------------------------------------

  private write(): void {
    const parts: string[] = [];
    if (this.run !== null && this.place >= 0) parts.push(`step=${encodeURIComponent(this.run.step(this.place).l)}`);
    if (this.view !== "flow") parts.push(`view=${this.view}`);
    const hash = parts.length ? `#${parts.join("&")}` : "";
    clearTimeout(this.writing);
    const put = () => {
      if (hash !== location.hash) history.replaceState(null, "", hash || location.pathname + location.search);
    };
    // Browsers refuse to write the address many times a second, as while a key is held down.
    const now = performance.now();
    this.writes = Math.min(40, this.writes + (now - this.wrote) / 400);
    this.wrote = now;
    if (this.writes >= 1) {
      this.writes--;
      put();
    } else this.writing = setTimeout(put, 400);
  }

  private read(): void {
    const asked = new URLSearchParams(location.hash.slice(1));
    const label = asked.get("step");
    if (this.run !== null) this.place = label === null ? -1 : this.run.find(label);
    this.look(asked.get("view") ?? "flow");
    if (!this.stages.has(asked.get("view") ?? "flow")) this.look(this.stages.keys().next().value ?? "flow");
  }

  // -- keys ---------------------------------------------------------------------------------------------------------

  private pressed(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const act = this.action(event.key);
    if (act === undefined) return;
    event.preventDefault();
    act();
  }

  private action(key: string): (() => void) | undefined {
    const stage = this.stages.get(this.view);
    const size = this.run?.size ?? 0;
    const tab = /^[1-9]$/.test(key) ? this.tabs[Number(key) - 1] : undefined;
    if (tab !== undefined) return () => this.look(tab.dataset["view"]!);
    const actions: Record<string, () => void> = {
      ArrowRight: () => this.go(this.list?.neighbour(this.place, 1) ?? 0),
      ArrowLeft: () => this.go(this.place <= 0 ? -1 : (this.list?.neighbour(this.place, -1) ?? 0)),
      Home: () => this.go(0),
      End: () => this.go(size - 1),
      Escape: () => (byId("keys").hidden ? this.go(-1) : this.help()),
      n: () => this.go(this.run?.failure(this.place, 1) ?? 0),
      N: () => this.go(this.run?.failure(this.place, -1) ?? 0),
      "/": () => document.getElementById("search")?.focus(),
      " ": () => this.play(),
      d: () => this.look("difference"),
      t: () => this.recolour(),
      "?": () => this.help(),
      "+": () => stage?.zoom(1.25),
      "-": () => stage?.zoom(0.8),
      "0": () => stage?.fit(),
    };
    return actions[key];
  }

  private play(): void {
    if (this.timer) {
      clearInterval(this.timer);
      this.timer = 0;
      return;
    }
    if (this.run === null || this.run.size === 0) return;
    if (this.place >= this.run.size - 1) this.go(-1);
    this.timer = setInterval(() => {
      this.go(this.place + 1);
      if (this.place >= (this.run?.size ?? 0) - 1) this.play();
    }, 700);
  }

  private recolour(): void {
    const order = ["auto", "light", "dark"];
    const now = document.documentElement.dataset["theme"] ?? "auto";
    const next = order[(order.indexOf(now) + 1) % order.length]!;
    document.documentElement.dataset["theme"] = next;
    byId("theme").textContent = next === "auto" ? "as system" : next;
  }

  private help(): void {
    const box = byId("keys");
    if (!box.childElementCount) {
      const list = make("dl");
      for (const [key, what] of KEYS) list.append(make("dt", {}, make("kbd", {}, key)), make("dd", {}, what));
      box.append(make("h2", {}, "Keys"), list);
    }
    box.hidden = !box.hidden;
  }
}

const data = readData();
new Page(data === null ? null : new Run(data));
