"""Words and numbers as people read them: visible text, shortening, wrapping, times and counts.

Nothing here knows a file format; escaping for one is the exporter's business.
"""

from __future__ import annotations

import unicodedata
from typing import Final

_SHOWN_FORMATS: Final = frozenset("\u200c\u200d\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u08e2")
"""Format characters that shape or are visible text in living scripts; every other one would hide or reorder what
is written.
"""
_NAMED: Final = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}


def visible(text: str) -> str:
    r"""Return `text` with every character that cannot be seen written as an escape (`\n`, `\x00`, `\u202e`).

    These are control characters, lone surrogates, noncharacters, line separators and format characters that are
    invisible or reorder what is written.
    """
    if text.isprintable():  # which is stricter than what follows
        return text
    return "".join(c if _is_plain(c) else _escape(c) for c in text)


def is_word(text: str) -> bool:
    """Say whether a text is of ASCII letters, digits and underscores alone, as most names are."""
    return text.isascii() and text.replace("_", "a").isalnum()


def _is_plain(c: str) -> bool:
    if " " <= c <= "~":
        return True
    category = unicodedata.category(c)
    if category in {"Cc", "Cs", "Zl", "Zp", "Cn"}:
        return False
    return category != "Cf" or c in _SHOWN_FORMATS


def _escape(c: str) -> str:
    code = ord(c)
    if c in _NAMED:
        return _NAMED[c]
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def lines_visible(text: str) -> str:
    """Return `text` with the same escapes but with its line ends kept: for tooltips, which may have several lines."""
    if text.replace("\n", "").isprintable():
        return text
    return "\n".join([visible(line) for line in text.split("\n")])


def shorten(text: str, most: int) -> str:
    """Return visible `text` cut to at most `most` characters, the last of them `…` if anything was cut."""
    shown = visible(text)
    return shown if len(shown) <= most else _whole(shown[: most - 1]).rstrip() + "…"


def parting(one: str, other: str, most: int) -> tuple[str, str]:
    """Return two visible texts, each cut to at most `most` characters, so that the place where they part is seen.

    Where it lies far in, `…` stands for what comes before it and is the same in both.
    """
    texts = [visible(one), visible(other)]
    place = next((i for i, (a, b) in enumerate(zip(*texts, strict=False)) if a != b), min(map(len, texts)))
    if place >= 2 * most // 3:
        head, lead = most // 3, most // 4
        texts = [t if len(t) <= most else f"{t[:head]}…{t[place - lead :]}" for t in texts]
    return shorten(texts[0], most), shorten(texts[1], most)


def _whole(text: str) -> str:
    """Drop what a cut has left dangling at the end: a joiner that waits for the next character."""
    return text.rstrip("\u200d\ufe0f")


def wrap(text: str, width: int, most_lines: int) -> tuple[str, ...]:
    """Return visible `text` in lines of about `width` characters, broken at spaces; `…` ends what was cut."""
    shown = visible(text)
    if len(shown) <= width and not shown.startswith(" "):
        return (shown,)
    words = shown.split(" ")
    lines: list[str] = []
    line = ""
    for word in words:
        joined = f"{line} {word}" if line else word
        if line and len(joined) > width:
            lines.append(line)
            joined = word
        while len(joined) > width + 8:
            lines.append(_whole(joined[:width]))
            joined = joined[len(lines[-1]) :]
        line = joined
    lines.append(line)
    if len(lines) > most_lines:
        lines = [*lines[: most_lines - 1], shorten(" ".join(lines[most_lines - 1 :]), width)]
        if not lines[-1].endswith("…"):
            lines[-1] += "…"
    return tuple(lines)


def duration(seconds: float) -> str:
    """Return a span of time in the two largest fitting units (`340 ms`, `8.2 s`, `6 m 12 s`, `2 h 5 m`, `3 d 4 h`)."""
    if seconds < 0.0005:
        return "<1 ms" if seconds > 0 else "0 s"
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f}".removesuffix(".0") + " s"
    whole = round(seconds)
    for unit, name, part, part_name in ((86400, "d", 3600, "h"), (3600, "h", 60, "m"), (60, "m", 1, "s")):
        if whole >= unit:
            rest = whole % unit // part
            return f"{whole // unit} {name} {rest} {part_name}" if rest else f"{whole // unit} {name}"
    return f"{whole} s"


def count(number: int) -> str:
    """Return a whole number with spaces between thousands (`4 812`)."""
    return f"{number:,}".replace(",", " ")


def money(usd: float) -> str:
    """Return US dollars with two digits, more for small amounts (`$1.25`, `$0.021`, `$0.00004`)."""
    if usd == 0:
        return "$0"
    if usd >= 1:
        return f"${usd:,.2f}".replace(",", " ")
    digits = 2
    while digits < 8 and round(usd, digits) != round(usd, digits + 6) and usd < 10 ** (2 - digits):
        digits += 1
    return f"${usd:.{digits}f}".rstrip("0").rstrip(".")


def spent(tokens: int | None, cost_usd: float | None, *, uncounted: bool, unpriced: bool) -> list[str]:
    """Return what was used, each amount in a text (`840 tok`); `≥` says that a part of it is not known."""
    said = [f"{'≥ ' if uncounted else ''}{count(tokens)} tok"] if tokens else []
    return said + ([f"{'≥ ' if unpriced else ''}{money(cost_usd)}"] if cost_usd else [])


def plural(number: int, noun: str) -> str:
    """Return a counted noun (`1 node`, `3 nodes`)."""
    return f"{count(number)} {noun}" + ("" if number == 1 else "s")
