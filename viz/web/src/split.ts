// The lines between list, drawing and step: dragged or moved with the arrow keys, they give one of them more room.

const STEP = 24;
const [LEAST, MOST_SHARE] = [160, 0.6];

/** Let the separators of the page be moved. `changed` is called after each move. */
export function splits(changed: () => void): void {
  for (const line of document.querySelectorAll<HTMLElement>(".split")) {
    const name = line.dataset["of"]!;
    const sign = name === "--side" ? 1 : -1;
    const beside = () => (sign > 0 ? line.previousElementSibling : line.nextElementSibling) as HTMLElement;
    const widen = (width: number) => {
      const most = innerWidth * MOST_SHARE;
      document.body.style.setProperty(name, `${Math.max(LEAST, Math.min(most, width))}px`);
      line.setAttribute("aria-valuenow", String(Math.round(beside().offsetWidth)));
      changed();
    };
    line.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      line.setPointerCapture(event.pointerId);
      const [from, width] = [event.clientX, beside().offsetWidth];
      const move = (e: PointerEvent) => widen(width + sign * (e.clientX - from));
      line.addEventListener("pointermove", move);
      line.addEventListener("lostpointercapture", () => line.removeEventListener("pointermove", move), { once: true });
    });
    line.addEventListener("keydown", (event) => {
      const by = { ArrowLeft: -STEP, ArrowRight: STEP }[event.key];
      if (by === undefined) return;
      event.preventDefault();
      event.stopPropagation();
      widen(beside().offsetWidth + sign * by);
    });
  }
}
