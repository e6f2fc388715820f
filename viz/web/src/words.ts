// Numbers as people read them; the same words as in the pictures.

/** One digit, halves to the even one, as Python rounds. */
function oneDigit(value: number): string {
  const tenths = value * 10;
  const below = Math.floor(tenths);
  const near = tenths - below === 0.5 ? below + (below % 2) : Math.round(tenths);
  return String(near / 10);
}

export function duration(seconds: number): string {
  if (seconds < 0.0005) return seconds > 0 ? "<1 ms" : "0 s";
  if (seconds < 0.9995) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 59.95) return `${oneDigit(seconds)} s`;
  const whole = Math.round(seconds);
  const units: [number, string, number, string][] = [
    [86400, "d", 3600, "h"],
    [3600, "h", 60, "m"],
    [60, "m", 1, "s"],
  ];
  for (const [unit, name, part, partName] of units) {
    if (whole >= unit) {
      const rest = Math.floor((whole % unit) / part);
      return `${Math.floor(whole / unit)} ${name}${rest ? ` ${rest} ${partName}` : ""}`;
    }
  }
  return `${whole} s`;
}

/** What became of a step, as people say it. */
export function said(status: string): string {
  return { good: "completed", lost: "cut off" }[status] ?? status;
}

export function count(number: number): string {
  return String(number).replace(/\B(?=(\d{3})+$)/g, " ");
}

export function money(usd: number): string {
  return usd >= 1 ? `$${usd.toFixed(2)}` : `$${Number(usd.toPrecision(2))}`;
}
