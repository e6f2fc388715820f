"""Boxes of text that know their size: the small language in which the labels of a picture are composed.

A cell is what stands in one table cell of a Graphviz HTML-like label. Composing cells composes their sizes, so
two pictures can be given the same room before any of them is laid out. Text is escaped here and nowhere else.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, TypeAlias

import msgspec
from msgspec.structs import replace

from graphrt_viz import metrics

if TYPE_CHECKING:
    from collections.abc import Sequence

Align: TypeAlias = Literal["LEFT", "CENTER"]


class Span(msgspec.Struct, frozen=True, gc=False):
    """Text in one font and colour. It must be visible text already."""

    text: str
    size: float
    colour: str
    bold: bool = False
    italic: bool = False
    mono: bool = False

    @property
    def width(self) -> float:
        """Points that the text needs."""
        return metrics.width(self.text, self.size, bold=self.bold, mono=self.mono)

    @property
    def believed(self) -> float:
        """Points that Graphviz reserves for it."""
        return metrics.believed(self.text, self.size, bold=self.bold, mono=self.mono)


class Cell(msgspec.Struct, frozen=True, gc=False):
    """The content of a table cell."""

    html: str
    w: float
    """Points, never less than Graphviz will find."""
    h: float
    spans: tuple[Span, ...] = ()
    """The texts, in the order in which Graphviz draws them."""
    fixed: bool = False
    """Whether it keeps its size where there is more room; tables grow otherwise."""


def escape(text: str) -> str:
    r"""Return `text` for an HTML-like label.

    Backslashes are doubled, else Graphviz replaces `\N`, `\G` and others by names.
    """
    if text.replace("_", "a").isalnum():
        return text
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")
    return text.replace("\\", "\\\\")


def line(*spans: Span) -> Cell:
    """Return texts side by side on one baseline. Spaces fill up where Graphviz would reserve less than a font needs."""
    if len(spans) == 1 and (text := spans[0].text) and metrics.is_known(text):
        (span,) = spans
        width = metrics.known_width(text, bold=span.bold, mono=span.mono) * span.size / 1000
        return Cell(_font(span), width, span.size * metrics.LINE, spans)
    padded = [_padded(s) for s in spans if s.text]
    html = "".join([_font(s) for s in padded])
    height = max([s.size for s in padded], default=0.0) * metrics.LINE
    # A text that is known is as wide as it is believed to be.
    width = sum([s.width if metrics.is_known(s.text) else max(s.width, s.believed) for s in padded])
    return Cell(html, width, height, tuple(padded))


def _padded(span: Span) -> Span:
    if metrics.is_known(span.text):
        return span
    missing = span.width - span.believed
    if missing <= 0:
        return span
    space = metrics.believed(" ", span.size, bold=span.bold, mono=span.mono)
    text = span.text + " " * math.ceil(missing / space)
    return Span(text, span.size, span.colour, span.bold, span.italic, span.mono)


def _font(span: Span) -> str:
    before, after = _around(span.size, span.colour, span.bold, span.italic, span.mono)
    return f"{before}{escape(span.text)}{after}"


@lru_cache(256)
def _around(size: float, colour: str, bold: bool, italic: bool, mono: bool) -> tuple[str, str]:  # noqa: FBT001 - a key
    """Return what stands before and after a text in its font; there are few fonts in a picture."""
    face = ' FACE="Courier"' if mono else ""
    begin, end = ("<I>", "</I>") if italic else ("", "")
    if bold:
        begin, end = f"<B>{begin}", f"{end}</B>"
    return f'<FONT POINT-SIZE="{size:g}"{face} COLOR="{colour}">{begin}', f"{end}</FONT>"


_TABLE = '<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="0" CELLPADDING="0">'


@lru_cache(256)
def gap(w: float, h: float = 1) -> Cell:
    """Return empty room, in whole points."""
    return Cell("", math.ceil(w), math.ceil(h))


def _td(cell: Cell, align: Align) -> str:
    if cell.html and not cell.fixed:
        return f'<TD ALIGN="{align}">{cell.html}</TD>'
    size = f'WIDTH="{cell.w:.0f}" HEIGHT="{cell.h:.0f}"'
    if not cell.html:
        return f'<TD {size} FIXEDSIZE="TRUE"></TD>'
    return f'<TD ALIGN="{align}" FIXEDSIZE="TRUE" {size}>{cell.html}</TD>'


def stack(*cells: Cell, align: Align = "LEFT") -> Cell:
    """Return cells below each other."""
    if len(cells) == 1:
        return cells[0]
    html, width, height = _TABLE, 0.0, 0.0
    spans: tuple[Span, ...] = ()
    for cell in cells:
        html += f"<TR>{_td(cell, align)}</TR>"
        width = max(width, cell.w)
        height += cell.h
        spans += cell.spans
    return Cell(f"{html}</TABLE>", width, height, spans)


def row(*cells: Cell) -> Cell:
    """Return cells beside each other, centred on one height."""
    if len(cells) == 1:
        return cells[0]
    html = f"{_TABLE}<TR>{''.join([_td(c, 'LEFT') for c in cells])}</TR></TABLE>"
    return Cell(html, sum([c.w for c in cells]), max([c.h for c in cells], default=0), _spans(cells))


def _spans(cells: Sequence[Cell]) -> tuple[Span, ...]:
    return tuple([s for c in cells for s in c.spans])


def chip(cell: Cell, border: str, ground: str, *, pad: int = 3) -> Cell:
    """Return a cell in a rounded frame."""
    html = (
        f'<TABLE BORDER="1" COLOR="{border}" STYLE="ROUNDED" BGCOLOR="{ground}"'
        f' CELLBORDER="0" CELLSPACING="0" CELLPADDING="{pad}"><TR><TD ALIGN="LEFT">{cell.html}</TD></TR></TABLE>'
    )
    return Cell(html, cell.w + 2 * pad + 2, cell.h + 2 * pad + 2, cell.spans)


def badge(cell: Cell, ground: str) -> Cell:
    """Return a cell on a rounded ground without a border."""
    html = (
        f'<TABLE BORDER="0" STYLE="ROUNDED" BGCOLOR="{ground}" CELLBORDER="0" CELLSPACING="0" CELLPADDING="3">'
        f"<TR><TD>{cell.html}</TD></TR></TABLE>"
    )
    return Cell(html, cell.w + 6, cell.h + 6, cell.spans)


def bar(parts: Sequence[tuple[float, str]], height: int = 5) -> Cell:
    """Return coloured strips side by side, each of a width in points and a colour."""
    kept = [(max(2, round(w)), colour) for w, colour in parts if w > 0]
    cells = "".join(
        f'<TD WIDTH="{w}" HEIGHT="{height}" FIXEDSIZE="TRUE" BGCOLOR="{colour}"></TD>' for w, colour in kept
    )
    width = sum(w for w, _ in kept) + len(kept) + 1
    html = f'<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="1" CELLPADDING="0"><TR>{cells}</TR></TABLE>'
    return Cell(html, width, height + 2, fixed=True)


def padded(cell: Cell, *, left: int = 0, top: int = 0, right: int = 0, bottom: int = 0, align: Align = "LEFT") -> Cell:
    """Return a cell with room around it, in whole points."""
    if left or right:
        cell = row(*([gap(left)] if left else []), cell, *([gap(right)] if right else []))
    if top or bottom:
        html = f"{_TABLE}{_gap_row(top)}<TR>{_td(cell, align)}</TR>{_gap_row(bottom)}</TABLE>"
        cell = Cell(html, max(cell.w, 1), top + cell.h + bottom, cell.spans)
    return cell


@lru_cache(256)
def _gap_row(height: int) -> str:
    return f"<TR>{_td(gap(1, height), 'LEFT')}</TR>" if height else ""


def exactly(cell: Cell) -> Cell:
    """Return a cell that keeps its size where there is more room."""
    return replace(cell, w=math.ceil(cell.w), h=math.ceil(cell.h), fixed=True)


def at_least(cell: Cell, w: float, h: float, align: Align) -> Cell:
    """Return a cell in a box of at least that size, in points."""
    # Graphviz adds widths up in single precision: half a point more than our sum is surely enough for its own.
    width, height = math.ceil(max(cell.w, w) + 0.5), math.ceil(max(cell.h, h) + 0.5)
    inner = cell.html
    if (
        cell.w < width and inner.startswith("<TABLE") and align == "LEFT"
    ):  # a frame keeps to its text, and does not grow
        own = f'WIDTH="{math.ceil(cell.w + 0.5)}" HEIGHT="{math.ceil(max(cell.h, h) + 0.5)}"'
        inner = f'{_TABLE}<TR><TD {own} FIXEDSIZE="TRUE" ALIGN="LEFT">{inner}</TD><TD></TD></TR></TABLE>'
    html = f'{_TABLE}<TR><TD WIDTH="{width}" HEIGHT="{height}" ALIGN="{align}">{inner}</TD></TR></TABLE>'
    return Cell(html, width, height, cell.spans)
