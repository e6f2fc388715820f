// What was sent to a model, put together again from what the run has: fields, and long parts that are kept once.
import { Run, Sent } from "./data";
import { asMessages, Message } from "./messages";
import { isObject, Json, read } from "./values";

export interface Request {
  model: string;
  instructions: string;
  messages: Message[];
  /** How many messages before them are not in the report. */
  before: number;
  /** All else that was sent: tools, examples, settings. */
  rest: [string, Json][];
}

/** The request as it was sent in a step. */
export function requestOf(run: Run, place: number, sent: Sent): Request {
  const reader = new Reader(run, place);
  const { instructions, ...rest } = sent.r ?? {};
  const messages: Message[] = [];
  let before = 0;
  for (const one of sent.ms ?? []) {
    if (!Array.isArray(one)) messages.push(...(asMessages(reader.whole(one)) ?? []));
    else {
      const [field, first, count] = one as [string, number, number];
      const known = run.begun(place, field);
      const from = Math.max(0, first - known.before);
      before += Math.max(0, Math.min(count, known.before - first));
      messages.push(...(asMessages(known.items.slice(from, first + count - known.before)) ?? []));
    }
  }
  const said = instructions === undefined ? "" : reader.whole(instructions);
  const others = Object.entries(rest).map(([name, value]): [string, Json] => [name, reader.whole(value)]);
  return { model: run.text(sent.m), instructions: typeof said === "string" ? said : JSON.stringify(said), messages, before, rest: others };
}

/** Puts in what is only named. */
class Reader {
  private readonly state: Map<string, string>;

  constructor(
    private readonly run: Run,
    place: number,
  ) {
    this.state = run.state(place).before;
  }

  whole(value: Json): Json {
    if (Array.isArray(value)) return value.map((part) => this.whole(part));
    if (!isObject(value)) return value;
    const names = Object.keys(value);
    if (names.length === 1 && names[0] === "kept") return this.whole(this.run.data.kept?.[String(value["kept"])] ?? value);
    if (names.length === 1 && names[0] === "pieces" && Array.isArray(value["pieces"])) {
      return value["pieces"].map((part) => (isObject(part) ? asText(this.field(part)) : part)).join("");
    }
    if (names[0] === "field" && (names.length === 1 || (names.length === 2 && names[1] === "at"))) return this.field(value);
    return Object.fromEntries(names.map((name) => [name, this.whole(value[name]!)]));
  }

  private field(named: { [key: string]: Json }): Json {
    const known = read(this.state.get(String(named["field"])) ?? "null");
    const value = known?.value ?? null;
    const at = named["at"];
    return typeof at === "number" && Array.isArray(value) ? (value[at - known!.before] ?? null) : value;
  }
}

/** A value as text for a model: text as it is, lists as lines, the rest as JSON. */
function asText(value: Json): string {
  if (typeof value === "string") return value;
  return Array.isArray(value) ? value.map((item) => `- ${asText(item)}`).join("\n") : json(value);
}

/** JSON with the spaces that Python writes. */
function json(value: Json): string {
  if (Array.isArray(value)) return `[${value.map(json).join(", ")}]`;
  if (isObject(value)) return `{${Object.entries(value).map(([name, part]) => `${JSON.stringify(name)}: ${json(part)}`).join(", ")}}`;
  return JSON.stringify(value);
}
