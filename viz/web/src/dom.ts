// Elements are made of names and texts; no text is ever read as markup.

export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Record<string, string> = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** A button that does something, with a word for readers of screens where it shows only a sign. */
export function button(text: string, act: () => void, attributes: Record<string, string> = {}): HTMLButtonElement {
  const made = make("button", { type: "button", ...attributes }, text);
  made.addEventListener("click", act);
  return made;
}

/** Something that opens; what is inside is made when it first does. */
export function opening(summary: (Node | string)[], inside: () => Node[], open = false): HTMLDetailsElement {
  const made = make("details", {}, make("summary", {}, ...summary));
  const fill = () => {
    if (made.open && made.childElementCount === 1) made.append(...inside());
  };
  made.addEventListener("toggle", fill);
  if (open) {
    made.open = true;
    fill();
  }
  return made;
}

export function byId(id: string): HTMLElement {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no #${id}`);
  return found;
}
