// Messages of a conversation as bubbles: who speaks, what is said, which tools are called, what came back.
import { button, make } from "./dom";
import { isObject, Json, long, shown, visible } from "./values";
import { count } from "./words";

export interface Call {
  name: string;
  arguments: Json;
}

export interface Message {
  role: string;
  name: string;
  text: string;
  /** What is attached: `image image/png`. */
  parts: string[];
  calls: Call[];
  failed: boolean;
}

/** How many messages are shown before a person asks for those before them. */
const FEW = 6;
const MORE = 40;

function word(value: Json | undefined): string {
  return typeof value === "string" ? value : "";
}

/** A call of a tool, as a state holds it. */
function asCall(value: Json | undefined): Call | undefined {
  if (!isObject(value) || typeof value["name"] !== "string" || !("arguments" in value)) return undefined;
  return { name: value["name"], arguments: word(value["raw"]) || value["arguments"]! };
}

/** The calls of tools that a value is: a list of them, or a lone one. */
export function asCalls(value: Json): Call[] | undefined {
  const calls = (Array.isArray(value) ? value : [value]).map(asCall);
  return calls.length && calls.every((call) => call !== undefined) ? (calls as Call[]) : undefined;
}

function asMessage(value: Json): Message | undefined {
  if (!isObject(value) || typeof value["role"] !== "string" || !("text" in value || "content" in value)) return undefined;
  const said = value["text"] ?? value["content"] ?? "";
  const parts = Array.isArray(said) ? said.filter(isObject) : [];
  const texts = parts.filter((part) => "text" in part).map((part) => word(part["text"]));
  const others = parts.filter((part) => !("text" in part));
  return {
    role: value["role"],
    name: word(value["name"]),
    text: typeof said === "string" ? said : texts.join("\n"),
    parts: others.map((part) => [part["kind"], part["name"], part["media_type"], part["url"]].map(word).filter(Boolean).join(" ")),
    calls: (Array.isArray(value["tool_calls"]) ? value["tool_calls"] : []).map(asCall).filter((c) => c !== undefined) as Call[],
    failed: value["failed"] === true,
  };
}

/** The messages that a value is: a list of them, or a lone one. */
export function asMessages(value: Json): Message[] | undefined {
  const found = (Array.isArray(value) ? value : [value]).map(asMessage);
  return found.length && found.every((one) => one !== undefined) ? (found as Message[]) : undefined;
}

/** A call with its arguments. */
export function callCard({ name, arguments: given }: Call): HTMLElement {
  const card = make("div", { class: "call" }, make("div", { class: "who" }, "calls ", make("b", { dir: "auto" }, visible(name))));
  if (!isObject(given)) card.append(shown(given));
  else if (Object.keys(given).length > 0) {
    const rows = make("dl");
    for (const [key, part] of Object.entries(given)) {
      rows.append(make("dt", { dir: "auto" }, visible(key)), make("dd", {}, shown(part)));
    }
    card.append(rows);
  } else card.append(make("span", { class: "muted" }, "without arguments"));
  return card;
}

/** Something that is said, by whom. */
export function bubble(role: string, who: string, ...inside: (Node | string)[]): HTMLElement {
  return make("div", { class: `bubble ${role}` }, make("div", { class: "who", dir: "auto" }, who), ...inside);
}

function spoken(message: Message): HTMLElement {
  const name = visible(message.name);
  const roles: Record<string, string> = { system: "instructions", user: "user", assistant: "assistant", tool: "result" };
  const role = roles[message.role] ?? visible(message.role);
  const who = message.role === "tool" ? `${name} ${message.failed ? "failed" : "gave back"}` : name && name !== role ? `${role} · ${name}` : role;
  const known = message.role in roles ? message.role : "other";
  const parts: Node[] = [];
  if (message.text) parts.push(message.role === "tool" ? result(message.text) : long(message.text, "text"));
  for (const part of message.parts) parts.push(make("div", { class: "part" }, visible(part)));
  parts.push(...message.calls.map(callCard));
  if (parts.length === 0) parts.push(make("span", { class: "muted" }, "nothing"));
  return bubble(known + (message.failed ? " failed" : ""), who, ...parts);
}

/** What a tool gave back: JSON as a tree, all else as text. */
function result(text: string): HTMLElement {
  if (/^\s*[[{]/.test(text)) {
    try {
      return shown(JSON.parse(text) as Json);
    } catch {
      // It only begins like JSON.
    }
  }
  return long(text, "text");
}

/** A line between what was and what is new. */
export function rule(text: string): HTMLElement {
  return make("div", { class: "rule" }, text);
}

/** A conversation: what was said before, the last of it open, then what is new. */
export function conversation(before: Message[], unknown: number, news: Message[]): HTMLElement {
  const box = make("div", { class: "chat" });
  let first = Math.max(0, before.length - FEW);
  const draw = () => {
    box.replaceChildren();
    if (first > 0 || unknown > 0) {
      const earlier = `${count(first + unknown)} earlier ${first + unknown === 1 ? "message" : "messages"}`;
      if (first === 0) box.append(make("p", { class: "muted" }, `${earlier}, not in this report`));
      else {
        const more = () => {
          first = Math.max(0, first - MORE);
          draw();
        };
        box.append(button(earlier, more, { class: "small" }));
      }
    }
    box.append(...before.slice(first).map(spoken));
    if (before.length + unknown > 0 && news.length > 0) box.append(rule("new in this step"));
    box.append(...news.map(spoken));
  };
  draw();
  return box;
}
