"""PNG: drawn by Graphviz with the fonts it carries, at twice the size of the screen.

Those fonts cover Latin, Greek and Cyrillic. A picture with other scripts is drawn from the SVG by resvg with the
fonts of this machine, if it is installed and they have the characters; if not, the file shows boxes and a warning
says so.
"""

from __future__ import annotations

import importlib
import itertools
import re
import struct
import unicodedata
import warnings
import zlib
from html import escape, unescape
from typing import TYPE_CHECKING, Any, Final

from graphrt_viz import metrics
from graphrt_viz.errors import GlyphsMissing, PictureError
from graphrt_viz.exporters import svg
from graphrt_viz.layout import run_dot
from graphrt_viz.settling import laid_out, settled

if TYPE_CHECKING:
    from graphrt_viz.exporters.dot import Direction
    from graphrt_viz.looks import Room
    from graphrt_viz.picture import Picture
    from graphrt_viz.theme import Theme

DPI: Final = 144
_MOST_PIXELS: Final = 16_000
"""On the longer side: renderers refuse or run out of memory above twice that."""
_LOOK_FIRST: Final = 60
"""Nodes from which on the size is asked for before drawing."""
_MOST_PROBES: Final = 200
"""Characters that are looked for one by one in the fonts of this machine."""
_SIGNS: Final = frozenset("–—‘’“”•…‰‹›€™←↑→↓≈≠≤≥∞−")


def export(picture: Picture, theme: Theme, direction: Direction = "TB", room: Room | None = None) -> bytes:
    """Return the picture as PNG, with its digest in a text chunk.

    Raises:
        LayoutError: Graphviz is missing or refuses.
    """
    planned = settled(picture, theme, direction, room).plan
    stamp = f"graphrt-picture sha256:{picture.digest} theme={theme.name} direction={direction}"
    foreign = "".join(
        sorted({c for spans in planned.spans.values() for s in spans for c in s.text if not _is_covered(c)})
    )
    if foreign:
        drawn, missing = _by_resvg(clothed(svg.export(picture, theme, direction, room)), foreign)
        if missing:
            warnings.warn(GlyphsMissing(missing), stacklevel=2)
        if drawn is not None:
            return _with_text(drawn, stamp)
    nodes, dpi = len(picture.nodes), float(DPI)
    if nodes > _LOOK_FIRST:
        box = laid_out(planned, nodes)["bb"].split(",")
        side = max(float(box[2]), float(box[3])) + 51
        dpi = min(dpi, max(8.0, _MOST_PIXELS * 72 / side))
    return _with_text(run_dot(planned.text, "png", nodes=nodes, dpi=dpi, engine=planned.engine), stamp)


def of_svg(drawn: str, stamp: str) -> bytes:
    """Return a drawing that Graphviz did not lay out as PNG, with a comment.

    Raises:
        PictureError: there is no resvg, or none of our fonts, without which it would leave all text out.
    """
    foreign = "".join(sorted({c for c in unescape(_MARKUP.sub("", drawn)) if not _is_covered(c) and c != "\n"}))
    box = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', drawn)
    assert box is not None, "an SVG of ours says how large it is"
    zoom = min(DPI / 96, _MOST_PIXELS / max(float(box[1]), float(box[2])))
    content, missing = _by_resvg(clothed(drawn), foreign, zoom)
    if content is None:
        raise PictureError(
            "as png this needs the distribution resvg-py, and a font such as DejaVu Sans or Liberation Sans; "
            "install them (pip install resvg-py), or choose svg"
        )
    if missing:
        warnings.warn(GlyphsMissing(missing), stacklevel=2)
    return _with_text(content, stamp)


_MARKUP: Final = re.compile(r"<style>.*?</style>|<[^>]*>")


def _is_covered(c: str) -> bool:
    """Say whether the fonts that the renderer carries have a character: letters up to Cyrillic, and common signs."""
    return c < "\u0300" or "\u0370" <= c < "\u0480" or "\u1e00" <= c < "\u2000" or c in _SIGNS


def clothed(text: str) -> str:
    """Return an SVG in which each run of another script is a text of its own, in fonts that have it.

    resvg draws a whole text in the first font that has one foreign character of it, be it one with serifs, and finds no
    emoji that are bold.
    """
    return _TEXT.sub(_in_runs, text)


_TEXT: Final = re.compile(r'<text x="([\d.-]+)"([^>]*?) textLength="([\d.]+)"([^>]*)>([^<]+)</text>')


def _in_runs(found: re.Match[str]) -> str:
    content = unescape(found[5])
    runs = [(fonts, "".join(run)) for fonts, run in itertools.groupby(content, _fonts_of)]
    if not any(fonts for fonts, _ in runs):
        return found[0]
    size = re.search(r'font-size="([\d.]+)"', found[2])
    look = (float(size[1]) if size else 10.0, 'font-weight="bold"' in found[2], "Courier" in found[2])
    wide = [metrics.width(run, look[0], bold=look[1], mono=look[2]) for _, run in runs]
    scale = float(found[3]) / (sum(wide) or 1.0)
    out: list[str] = []
    at = float(found[1])
    for (fonts, run), width in zip(runs, wide, strict=True):
        word = run.strip(" ")
        lead = metrics.width(run[: len(run) - len(run.lstrip(" "))], look[0], bold=look[1], mono=look[2]) * scale
        room = metrics.width(word, look[0], bold=look[1], mono=look[2]) * scale
        paint = f"{_without(fonts, found[2])} {fonts}" if fonts else found[2]
        if word:
            fit = "" if "Emoji" in fonts else f' textLength="{room:.2f}"{found[4]}'  # a stretched face is a grimace
            out.append(f'<text x="{at + lead:.2f}"{paint}{fit}>{escape(word, quote=False)}</text>')
        at += width * scale
    return "".join(out)


def _without(fonts: str, paint: str) -> str:
    """Return the attributes of a text without those that its fonts replace; emoji are neither bold nor italic."""
    return re.sub(r' font-(family|weight|style)="[^"]*"' if "Emoji" in fonts else r' font-family="[^"]*"', "", paint)


def _fonts_of(c: str) -> str:
    """Return the attributes that a character needs to be drawn as well as those around it; mostly none."""
    if c < "\u2600" and c != "\u200d":
        return ""
    if c in "\u200d\ufe0f" or "\u2600" <= c <= "\u27bf" or "\U0001f000" <= c <= "\U0001faff":
        return 'font-family="Noto Color Emoji"'
    if unicodedata.east_asian_width(c) in {"W", "F"}:
        return (
            "font-family=\"'Noto Sans CJK SC', 'Noto Sans CJK JP', 'Noto Sans SC', 'Source Han Sans SC', sans-serif\""
        )
    return ""


def _by_resvg(text: str, foreign: str, zoom: float = DPI / 96) -> tuple[bytes | None, str]:
    """Draw an SVG with the fonts of this machine; return also the characters that none of them has.

    None if there is no resvg or not even one of our fonts, for then it would leave all text out. What a font does not
    have is drawn as a box, like a character that no font can have.
    """
    try:
        resvg: Any = importlib.import_module("resvg_py")
    except ImportError:
        return None, foreign

    def probe(c: str) -> bytes:
        shown = f'<text y="30" font-family="{svg.SANS}">{c}</text>'
        form = f'<svg xmlns="http://www.w3.org/2000/svg" width="40" height="40">{shown}</svg>'
        return bytes(resvg.svg_to_bytes(svg_string=form, dpi=96.0))

    blank, box = probe(""), probe("\U0010fffd")
    if probe("a") == blank:
        return None, foreign
    seen = [c for c in foreign if unicodedata.category(c) not in {"Mn", "Me", "Cf"}]
    missing = "".join(c for c in seen[:_MOST_PROBES] if probe(c) in {blank, box})
    return bytes(resvg.svg_to_bytes(svg_string=text, dpi=96.0, zoom=zoom)), missing


def _with_text(png: bytes, text: str) -> bytes:
    """Put a comment behind the header chunk of a PNG file (8 bytes of signature, 25 of header)."""
    body = b"tEXtComment\0" + text.encode("latin-1")
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    return png[:33] + chunk + png[33:]
