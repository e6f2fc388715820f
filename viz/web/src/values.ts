// Values of the state as people read them: short ones in a line, texts with their lines, the rest as a tree that opens.
import { button, make, opening } from "./dom";
import { count } from "./words";

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** A value that was written down, and how many of its items were left out before those that are there. */
export interface Read {
  value: Json;
  before: number;
}

const CUT = /^\[… (\d+) more, /;

/** Read a value; undefined if it was cut where it cannot be read any more. */
export function read(text: string): Read | undefined {
  const cut = CUT.exec(text);
  try {
    const value = JSON.parse(cut === null ? text : `[${text.slice(cut[0].length)}`) as Json;
    return { value, before: cut === null ? 0 : Number(cut[1]) };
  } catch {
    return undefined;
  }
}

/** Characters that cannot be seen or reorder what is written, but for line ends and what shapes living scripts. */
const UNSEEN = /(?![\n\t\u200c\u200d\u0600-\u0605\u06dd\u070f\u08e2])[\p{Cc}\p{Cf}\p{Cs}\p{Cn}\p{Zl}\p{Zp}]/gu;

/** A text with such characters written as escapes. */
export function visible(text: string): string {
  return text.replace(UNSEEN, (c) => {
    const code = c.codePointAt(0)!.toString(16);
    return code.length > 4 ? `\\u{${code}}` : `\\u${code.padStart(4, "0")}`;
  });
}

/** Characters of an object that stands in one line, and of a text that is a word rather than prose. */
const [SHORT, WORD] = [72, 40];
const [LONG, LINES] = [600, 14];
const FEW = 12;
const MOST = 100;

export function isObject(value: Json | undefined): value is { [key: string]: Json } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A value that was written down. */
export function written(text: string): HTMLElement {
  const known = read(text);
  if (known === undefined) return long(text, "raw");
  return known.before > 0 ? tree(known.value, known.before) : shown(known.value);
}

/** A value. */
export function shown(value: Json, depth = 0): HTMLElement {
  if (typeof value === "string") return value.length > WORD || value.includes("\n") ? long(value, "text") : literal(value);
  if (typeof value !== "object" || value === null || Object.keys(value).length === 0) return literal(value);
  const line = JSON.stringify(value);
  const flat = Object.values(value).every((part) => typeof part !== "object" || part === null);
  return flat && line.length <= SHORT ? literal(value) : tree(value, 0, depth);
}

function literal(value: Json): HTMLElement {
  const kind = typeof value === "string" ? "string" : typeof value === "object" && value !== null ? "object" : "atom";
  return make("code", { class: kind, dir: kind === "string" ? "auto" : "ltr" }, visible(JSON.stringify(value)));
}

/** Whether a text is code, a table or a trace rather than prose: its lines are set in, or drawn with signs. */
const CODE = /^([ \t]{2,}|[{}|+#>$]|\S+ = |def |class |import |Traceback )/m;

/** A text with its lines; of a long one the beginning, until the rest is asked for. */
export function long(text: string, kind: string): HTMLElement {
  const all = visible(text);
  const code = kind === "text" && text.includes("\n") && CODE.test(text);
  const box = make("div", { class: code ? "text code" : kind, dir: "auto" });
  const lines = all.split("\n");
  const start = lines.slice(0, LINES).join("\n").slice(0, LONG);
  if (start.length >= all.length - 40) {
    box.append(all);
    return box;
  }
  const more = button(`show all ${count(text.length)} characters`, () => {
    const whole = box.textContent === all;
    box.textContent = whole ? `${start}…` : all;
    more.textContent = whole ? `show all ${count(text.length)} characters` : "show less";
  });
  more.className = "small";
  box.append(`${start}…`);
  return make("div", {}, box, more);
}

function tree(value: Json, before: number, depth = 0): HTMLElement {
  const entries = Object.entries(value as object) as [string, Json][];
  const list = Array.isArray(value);
  const size = entries.length + before;
  const word = list ? (size === 1 ? "item" : "items") : size === 1 ? "field" : "fields";
  const hint = JSON.stringify(value).slice(0, 60);
  const rows = () => {
    const body = make("dl", { class: "tree" });
    if (before > 0) body.append(make("dt", {}, "…"), make("dd", { class: "muted" }, `${count(before)} before`));
    for (const [key, part] of entries.slice(0, MOST)) {
      const name = list ? String(Number(key) + before + 1) : visible(key);
      body.append(make("dt", { dir: "auto" }, name), make("dd", {}, shown(part, depth + 1)));
    }
    if (entries.length > MOST) body.append(make("dt", {}, "…"), make("dd", {}, `${count(entries.length - MOST)} more`));
    return [body];
  };
  const said = [make("span", { class: "muted" }, `${count(size)} ${word} `), make("code", { class: "hint" }, visible(hint))];
  return opening(said, rows, depth === 0 && before === 0 && entries.length <= FEW);
}
