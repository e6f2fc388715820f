"""How wide a text is, in Helvetica, Helvetica Bold and Courier.

ASCII has the widths that Adobe publishes for these fonts, all else is estimated. A text has two widths. `width`
is what a reader's font needs; `believed` is what Graphviz without fonts reserves, which counts a space for each
byte of a character beyond ASCII. Boxes are made for the larger one, so that text stays inside whoever draws it.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import Final

# Thousandths of the font size for the characters from space to tilde.
_REGULAR: Final = (
    278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278,
    556, 556, 556, 556, 556, 556, 556, 556, 556, 556, 278, 278, 584, 584, 584, 556,
    1015, 667, 667, 722, 722, 667, 611, 778, 722, 278, 500, 667, 556, 833, 722, 778,
    667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 278, 278, 278, 469, 556,
    333, 556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500, 222, 833, 556, 556,
    556, 556, 333, 500, 278, 556, 500, 722, 500, 500, 500, 334, 260, 334, 584,
)  # fmt: skip
_BOLD: Final = (
    278, 333, 474, 556, 556, 889, 722, 238, 333, 333, 389, 584, 278, 333, 278, 278,
    556, 556, 556, 556, 556, 556, 556, 556, 556, 556, 333, 333, 584, 584, 584, 611,
    975, 722, 722, 722, 722, 667, 611, 778, 722, 278, 556, 722, 611, 833, 722, 778,
    667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 333, 278, 333, 584, 556,
    333, 556, 611, 556, 611, 556, 333, 611, 611, 278, 278, 556, 278, 889, 611, 611,
    611, 611, 389, 556, 333, 611, 556, 778, 556, 556, 500, 389, 280, 389, 584,
)  # fmt: skip
_REGULAR_BYTES: Final = (0,) * 32 + _REGULAR
_BOLD_BYTES: Final = (0,) * 32 + _BOLD
"""The same by the codes of the characters."""
_COURIER: Final = 600
_SPACE: Final = 278
_KNOWN: Final = {"·": 278, "…": 1000, "×": 584, "≤": 549, "→": 1000, "–": 556, "—": 1000, "“": 333, "”": 333}
LINE: Final = 1.2
"""Height of a line of text, in font sizes."""


def width(text: str, size: float, *, bold: bool = False, mono: bool = False) -> float:
    """Return the width in points that `text` needs at `size` points."""
    if is_known(text):
        return known_width(text, bold=bold, mono=mono) * size / 1000
    return _width(text, bold=bold, mono=mono) * size / 1000


def believed(text: str, size: float, *, bold: bool = False, mono: bool = False) -> float:
    """Return the width in points that a Graphviz without fonts gives `text` at `size` points."""
    if is_known(text):
        return known_width(text, bold=bold, mono=mono) * size / 1000
    return _believed(text, bold=bold, mono=mono) * size / 1000


def is_known(text: str) -> bool:
    """Say whether the widths of all characters are published: then a text is as wide as it is believed to be."""
    return text.isascii() and text.isprintable()


def known_width(text: str, *, bold: bool, mono: bool) -> int:
    """Return the width of a text whose characters are all known, in thousandths of the font size."""
    if mono:
        return _COURIER * len(text)
    return sum(map((_BOLD_BYTES if bold else _REGULAR_BYTES).__getitem__, text.encode()))


@lru_cache(2_048)
def _width(text: str, *, bold: bool, mono: bool) -> int:
    table = _BOLD if bold else _REGULAR
    return sum((_COURIER if mono else table[ord(c) - 32]) if " " <= c <= "~" else _other(c, mono=mono) for c in text)


@lru_cache(2_048)
def _believed(text: str, *, bold: bool, mono: bool) -> int:
    table = _BOLD if bold else _REGULAR
    total = 0
    for c in text:
        if " " <= c <= "~":
            total += _COURIER if mono else table[ord(c) - 32]
        else:
            total += len(c.encode("utf-8", "replace")) * (_COURIER if mono else _SPACE)
    return total


def _other(c: str, *, mono: bool) -> int:
    """Estimate a character beyond ASCII: wide scripts an em, emoji more, marks nothing, letters like their like."""
    category = unicodedata.category(c)
    if category in {"Mn", "Me"} or c in "\u200c\u200d":
        return 0
    if category == "So" and ord(c) >= 0x1F000:
        return 1300
    if unicodedata.east_asian_width(c) in {"W", "F"}:
        return 1200 if mono else 1000
    if mono:
        return _COURIER
    if c in _KNOWN:
        return _KNOWN[c]
    base = unicodedata.normalize("NFD", c)[0]
    if " " <= base <= "~":
        return _REGULAR[ord(base) - 32] + 30
    return 780 if category == "Lu" else 700 if category in {"So", "Sm"} else 640
