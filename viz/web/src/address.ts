// The address of the page names step and view, so that links lead there and the browser's back button goes back.

/** Browsers refuse to write the address many times a second, as while a key is held down. */
const [BURST, EVERY_MS, LATER_MS] = [40, 400, 400];

export class Address {
  private later = 0;
  private wrote = 0;
  private left = BURST;

  /** Write where the reader is; as a place to come back to, or in place of the last. */
  write(hash: string, remember: boolean): void {
    clearTimeout(this.later);
    const put = (keep: boolean) => {
      if (hash === location.hash) return;
      const address = hash || location.pathname + location.search;
      if (keep) history.pushState(null, "", address);
      else history.replaceState(null, "", address);
    };
    const now = performance.now();
    this.left = Math.min(BURST, this.left + (now - this.wrote) / EVERY_MS);
    this.wrote = now;
    if (this.left >= 1) {
      this.left--;
      put(remember);
    } else this.later = setTimeout(() => put(false), LATER_MS);
  }

  read(): { step: string | null; view: string } {
    const asked = new URLSearchParams(location.hash.slice(1));
    return { step: asked.get("step"), view: asked.get("view") ?? "flow" };
  }
}
