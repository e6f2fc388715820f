"""When each step of a run took place: a lane for each branch, and time in which nothing ran folded together.

A bar is an attempt or a question that waits; what took no time is a dot. A span in which no attempt ran is drawn
narrow with its true length written on it, so that an answer which came after a day does not hide the seconds of work.
"""

from __future__ import annotations

import bisect
import json
import re
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Final, cast

from graphrt_viz import metrics, story
from graphrt_viz.exporters import pdf, png
from graphrt_viz.exporters.svg import SANS, recoloured
from graphrt_viz.theme import Shade
from graphrt_viz.wording import count, duration, plural, shorten, visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from graphrt_viz.steps import Chronicle, Step
    from graphrt_viz.theme import Theme

MOST_LANES: Final = 40
"""Of more branches those that do not meet in time share a lane."""
_IDLE_SHARE: Final = 0.15
"""A span without work is folded if it is longer than this share of all work."""
_FOLD: Final = 32.0
_ROW: Final = 26.0
_LEFT: Final = 178.0
_WIDE: Final = 660.0
_TORN: Final = 9.0
"""Least width of a bar that was cut off, whose end is drawn torn."""
_TOP: Final = 98.0


@dataclass(frozen=True, slots=True)
class Lane:
    """A row of the timeline."""

    name: str
    depth: int
    """How many nodes it is inside of."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A step on the timeline. Positions run from 0 to 1."""

    step: int
    """Its place in the chronicle."""
    lane: int
    begin: float
    end: float
    exact: bool = True
    """False if it was not over when the records ended."""


@dataclass(frozen=True, slots=True)
class Fold:
    """A span of time in which no attempt ran, drawn narrow."""

    begin: float
    end: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Timeline:
    """Where each step stands in time."""

    lanes: tuple[Lane, ...]
    bars: tuple[Bar, ...]
    folds: tuple[Fold, ...]
    ticks: tuple[tuple[float, float], ...]
    """Position and time in seconds of the marks on the axis."""


class _Scale:
    """Maps seconds to positions from 0 to 1, spans without work narrowed."""

    def __init__(self, steps: Iterable[Step], lasted: float) -> None:
        listed = list(steps)
        self.lasted = max([lasted, *(s.ended or s.started for s in listed)], default=0.0)
        busy = _merged(sorted((s.started, _end(s, self.lasted)) for s in listed if s.what == "attempt"))
        work = sum(b - a for a, b in busy) or self.lasted or 1.0
        folded: list[tuple[float, float]] = []
        at = 0.0
        for begin, end in [*busy, (self.lasted, self.lasted)]:
            if begin - at > _IDLE_SHARE * work:
                folded.append((at, begin))
            at = max(at, end)
        self.folded = folded
        running = self.lasted - sum(b - a for a, b in folded)
        narrow = min(_FOLD / _WIDE, 0.5 / max(1, len(folded)))
        share = (1 - narrow * len(folded)) / running if running > 0 else 0.0
        self.points: list[float] = [0.0]
        self.places: list[float] = [0.0]
        for begin, end in folded:
            if begin > self.points[-1]:
                self._add(begin, (begin - self.points[-1]) * share)
            self._add(end, narrow)
        if self.lasted > self.points[-1]:
            self._add(self.lasted, (self.lasted - self.points[-1]) * share)

    def _add(self, point: float, width: float) -> None:
        self.points.append(point)
        self.places.append(min(1.0, self.places[-1] + width))

    def __call__(self, seconds: float) -> float:
        i = min(bisect.bisect_right(self.points, seconds), len(self.points) - 1)
        if i == 0 or self.points[i] <= self.points[i - 1]:
            return self.places[i]
        part = (seconds - self.points[i - 1]) / (self.points[i] - self.points[i - 1])
        return self.places[i - 1] + min(1.0, part) * (self.places[i] - self.places[i - 1])


def _end(step: Step, lasted: float) -> float:
    return step.ended if step.ended is not None else lasted


def _merged(spans: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    merged: list[tuple[float, float]] = []
    for begin, end in spans:
        if merged and begin <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((begin, end))
    return merged


def timeline_of(chronicle: Chronicle) -> Timeline:
    """Return where each step of a run stands in time and on which lane."""
    scale = _Scale(chronicle.steps, chronicle.lasted)
    lanes, row = _lanes(chronicle.steps, scale.lasted)
    bars = tuple(
        Bar(i, row[s.lane], scale(s.started), scale(_end(s, scale.lasted)), s.ended is not None)
        for i, s in enumerate(chronicle.steps)
    )
    folds = tuple(Fold(scale(begin), scale(end), end - begin) for begin, end in scale.folded)
    return Timeline(lanes, bars, folds, tuple(_ticks(scale)))


def _lanes(steps: tuple[Step, ...], lasted: float) -> tuple[tuple[Lane, ...], dict[str, int]]:
    """Return the lanes in the order of the definition's branches, and which of them each branch is on."""
    first: dict[str, Step] = {}
    span: dict[str, tuple[float, float]] = {}
    for step in steps:
        first.setdefault(step.lane, step)
        begin, end = span.get(step.lane, (step.started, step.started))
        span[step.lane] = (min(begin, step.started), max(end, _end(step, lasted)))
    names = sorted(first, key=_order)
    of_visit = {s.visit: s.name for s in steps if s.what != "arrival"}
    called = {lane: _name(lane, step, of_visit.get(lane.rpartition("/")[0], "")) for lane, step in first.items()}
    row: dict[str, int] = {}
    lanes: list[Lane] = []
    if len(names) <= MOST_LANES:
        for name in names:
            row[name] = len(lanes)
            lanes.append(Lane(called[name], name.count("/")))
        return tuple(lanes), row
    free: list[tuple[int, float]] = []  # depth and end of what stands last on each shared lane
    held: list[int] = []
    for name in sorted(names, key=lambda n: (n.count("/"), span[n], _order(n))):
        depth, (begin, end) = name.count("/"), span[name]
        place = next((i for i, (d, until) in enumerate(free) if d == depth and until <= begin), None)
        if place is None:
            place = len(free)
            free.append((depth, end))
            held.append(0)
        free[place] = (depth, end)
        held[place] += 1
        row[name] = place
    alone = {place: name for name, place in row.items() if held[place] == 1}
    lanes = [
        Lane(called[alone[i]] if i in alone else f"{count(held[i])} branches", depth)
        for i, (depth, _) in enumerate(free)
    ]
    return tuple(lanes), row


def _order(lane: str) -> tuple[tuple[int, ...], ...]:
    """Order lanes as their branches are defined: inside a node after the node, item after item."""
    return tuple(tuple(int(d) for d in re.findall(r"\d+", part)) for part in lane.split("/"))


def _name(lane: str, first: Step, around: str) -> str:
    if lane == "":
        return "main line"
    if lane.endswith("/"):
        return f"inside {around}"
    return f"{first.name} · {_item(first.item)}" if first.item else first.name


def _item(written: str) -> str:
    """Return what an item is called: a plain value as written, of an object its first plain value, else its size."""
    try:
        value: object = json.loads(written)
    except ValueError:  # shortened, so no JSON any more
        return written
    if isinstance(value, dict):
        members = cast("dict[str, object]", value)
        plain = (v for v in members.values() if isinstance(v, (str, int, float)) and v != "")
        return str(next(plain, plural(len(members), "field")))
    return plural(len(cast("list[object]", value)), "item") if isinstance(value, list) else written


def _ticks(scale: _Scale) -> Iterator[tuple[float, float]]:
    """Yield marks at round times, with room between them, none inside a fold but at its end."""
    if scale.lasted <= 0:
        yield 0.0, 0.0
        return
    running = scale.lasted - sum(b - a for a, b in scale.folded)
    unit = next((u for u in _UNITS if running / u <= 9), _UNITS[-1])
    wanted = [0.0, *(end for _, end in scale.folded)]
    begins = [0.0, *(end for _, end in scale.folded)]
    ends = [*(begin for begin, _ in scale.folded), scale.lasted]
    for begin, end in zip(begins, ends, strict=True):
        first = int(begin // unit) + 1
        wanted += [k * unit for k in range(first, min(first + 200, int(end // unit) + 1))]
    last = -1.0
    for seconds in sorted(set(wanted)):
        place = scale(seconds)
        if place - last >= 0.075 and place <= 0.97:
            last = place
            yield place, seconds


_UNITS: Final = (
    *(base * 10**power for power in range(-4, 1) for base in (1, 2, 5)),
    10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0, 3600.0, 7200.0, 21600.0, 43200.0, 86400.0, 604800.0,
)  # fmt: skip


# ---- as SVG


def to_svg(chronicle: Chronicle, theme: Theme) -> str:
    """Return the timeline of a run as SVG; bars are called t1, t2 … as the steps stand."""
    line = timeline_of(chronicle)
    height = _TOP + _ROW * max(1, len(line.lanes)) + 24
    width = _LEFT + _WIDE + 48
    title = escape(visible(chronicle.flow), quote=False)
    stamp = _stamp(chronicle, theme)
    style = f"<style>@media (prefers-color-scheme:dark){{{recoloured(theme)}}}</style>" if theme.dark else ""
    label = f'aria-label="{title.replace(chr(34), "&quot;")}, timeline"'
    size = f'width="{width:g}pt" height="{height:g}pt" viewBox="0 0 {width:g} {height:g}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="{SANS}" role="img" {label}>',
        f"<title>{title}, timeline</title>",
        f"<desc>{stamp}</desc>",
        *([style] if style else []),
        f'<rect width="100%" height="100%" fill="{theme.background}"/>',
        _text(24, 34, shorten(chronicle.flow, 60), theme.ink, 17, bold=True),
        _text(24, 54, shorten(chronicle.picture.subtitle, 140), theme.muted, 11),
        *_axis(line, theme, height),
        *_rows(line, theme),
        *_bars(line, chronicle, theme),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _x(place: float) -> float:
    return _LEFT + place * _WIDE


def _axis(line: Timeline, theme: Theme, height: float) -> Iterator[str]:
    yield '<g class="axis">'
    said, base = "", 0.0
    for place, seconds in line.ticks:
        text = duration(seconds)
        if text == said:  # long after the start, times round to the same: tell the span since the last that did not
            text = f"+{duration(seconds - base)}"
        else:
            said, base = text, seconds
        yield f'<path d="M{_x(place):.1f} {_TOP - 6:g}V{height - 18:g}" stroke="{theme.line}"/>'
        yield _text(_x(place) + 3, _TOP - 8, text, theme.muted, 9)
    for fold in line.folds:
        x, w = _x(fold.begin), (fold.end - fold.begin) * _WIDE
        box = f'x="{x:.1f}" y="{_TOP - 4:g}" width="{w:.1f}" height="{height - _TOP - 14:g}"'
        yield f'<rect {box} fill="{theme.ghost.fill}" stroke="{theme.ghost.stroke}" stroke-dasharray="2 3"/>'
    yield "</g>"


def _rows(line: Timeline, theme: Theme) -> Iterator[str]:
    yield '<g class="lanes">'
    for i, lane in enumerate(line.lanes):
        y = _TOP + i * _ROW
        name = _fitting(visible(lane.name), _LEFT - 36 - 10 * lane.depth, 10)
        yield _text(24 + 10 * lane.depth, y + 17, name, theme.ink if lane.depth == 0 else theme.muted, 10)
        yield f'<path d="M24 {y + _ROW:g}H{_LEFT + _WIDE + 24:g}" stroke="{theme.line}"/>'
    yield "</g>"


def _fitting(text: str, room: float, size: float, *, bold: bool = False) -> str:
    """Return as much of a text as has room, with an ellipsis if it is cut; nothing if not even three letters fit."""
    if metrics.width(text, size, bold=bold) <= room:
        return text
    while len(text) > 3 and metrics.width(text + "…", size, bold=bold) > room:
        text = text[:-1]
    return f"{text.rstrip()}…" if len(text) > 3 else ""


_OPEN: Final = frozenset({"waiting", "running", "unfinished", "cancelled", "lost"})
"""What became of steps whose bars have a broken line."""


def shade_of(step: Step, theme: Theme) -> Shade:
    """Return the colours of a step: those of its kind, but for what failed or was stopped."""
    if step.status == "failed":
        return theme.bad
    if step.status == "cancelled":
        return theme.ghost
    if step.status == "lost":
        return Shade(theme.bad.stroke, theme.ghost.fill, theme.bad.ink)
    return theme.kinds[step.kind] if step.kind not in {"join", "fork", "start"} else theme.task


def _bars(line: Timeline, chronicle: Chronicle, theme: Theme) -> Iterator[str]:
    """Write bars and dots; many neighbours share their colours, which stand on the group around them."""
    yield '<g class="bars">'
    painted = ""
    for bar in line.bars:
        step = chronicle.steps[bar.step]
        shade = shade_of(step, theme)
        dash = ' stroke-dasharray="3 2"' if step.status in _OPEN else ""
        paint = f'<g fill="{shade.fill}" stroke="{shade.stroke}"{dash}>'
        if paint != painted:
            if painted:
                yield "</g>"
            yield paint
            painted = paint
        y = _TOP + bar.lane * _ROW
        x, w = _x(bar.begin), (bar.end - bar.begin) * _WIDE
        if w < 1.5 and step.what != "attempt":
            yield f'<circle id="t{bar.step + 1}" cx="{x:.1f}" cy="{y + _ROW / 2:g}" r="3"/>'
            continue
        torn = step.status == "lost"
        box = f'x="{x:.1f}" y="{y + 4:g}" width="{max(_TORN if torn else 1.5, w):.1f}" height="{_ROW - 8:g}"'
        yield f'<rect id="t{bar.step + 1}" {box} rx="3"/>'
        if torn:
            edge = f"M{x + max(_TORN, w):.1f} {y + 2:g}l-3 4 6 5 -6 5 6 5 -3 3"
            yield f'<path d="{edge}" fill="none" stroke="{shade.stroke}" stroke-width="2" stroke-dasharray="none"/>'
    if painted:
        yield "</g>"
    yield "</g>"
    yield '<g class="names">'
    for bar in line.bars:
        step = chronicle.steps[bar.step]
        w = (bar.end - bar.begin) * _WIDE
        name = _fitting(visible(step.name), w - 8, 9, bold=True) if w > 26 else ""
        if name:
            shade = shade_of(step, theme)
            yield _text(_x(bar.begin) + 4, _TOP + bar.lane * _ROW + 16, name, shade.ink, 9, bold=True)
    free = 0.0
    for fold in line.folds:
        text = duration(fold.seconds)
        x = (_x(fold.begin) + _x(fold.end) - metrics.width(text, 9)) / 2
        if x < free:  # folds in a row stand closer than their times are wide; the ticks tell them too
            continue
        free = x + metrics.width(text, 9) + 4
        yield _text(x, _TOP - 20, text, theme.muted, 9, italic=True)
    yield "</g>"


def _text(x: float, y: float, text: str, colour: str, size: float, *, bold: bool = False, italic: bool = False) -> str:
    shown = visible(text)
    font = f' font-size="{size:g}"'
    font += ' font-weight="bold"' if bold else ""
    font += ' font-style="italic"' if italic else ""
    fit = f' textLength="{metrics.width(shown, size, bold=bold):.1f}" lengthAdjust="spacingAndGlyphs"'
    return f'<text x="{x:.1f}" y="{y:g}" fill="{colour}"{font}{fit}>{escape(shown, quote=False)}</text>'


def to_png(chronicle: Chronicle, theme: Theme) -> bytes:
    """Return the timeline of a run as PNG.

    Raises:
        PictureError: there is no resvg, or none of our fonts.
    """
    return png.of_svg(to_svg(chronicle, theme), _stamp(chronicle, theme))


def to_pdf(chronicle: Chronicle, theme: Theme) -> bytes:
    """Return the timeline of a run as PDF.

    Raises:
        PictureError: the extra `pdf` is not installed.
    """
    return pdf.of_svg(to_svg(chronicle, theme), chronicle.flow, _stamp(chronicle, theme))


def _stamp(chronicle: Chronicle, theme: Theme) -> str:
    return f"graphrt-picture sha256:{chronicle.picture.digest} theme={theme.name} view=timeline"


# ---- as text


def _said(step: Step, took: str) -> str:
    """Return what became of a step that did not end well; how long one that was cut off worked is not known."""
    if step.status == "lost":
        return f"{story.STATUSES['lost']}, in doubt after {took}" if step.ended != step.started else "cut off, in doubt"
    return f"{story.STATUSES[step.status]} {took}"


def to_text(chronicle: Chronicle, theme: Theme) -> str:
    """Return the timeline as lines of text, eighty columns wide."""
    del theme
    line = timeline_of(chronicle)
    lines = [f"{visible(chronicle.flow)} · {visible(chronicle.picture.subtitle)}", ""]
    for bar in line.bars:
        step = chronicle.steps[bar.step]
        if step.what == "arrival":
            continue
        begin, end = int(bar.begin * 39), int(bar.end * 39)
        sign = {"failed": "▒", "waiting": "░", "cancelled": "░", "lost": "╳"}.get(step.status, "█")
        drawn = " " * begin + (sign * (end - begin + 1) if step.what == "attempt" or end > begin else "·")
        name = shorten("  " * line.lanes[bar.lane].depth + f"{step.label} {step.name}", 24)
        took = "" if step.ended is None else duration(step.ended - step.started)
        said = took if step.status == "good" else _said(step, took)
        lines.append(f"{name:<25}│{drawn:<40}│ {said}".rstrip())
    axis = [" "] * 40
    for fold in line.folds:
        for k in range(int(fold.begin * 39), int(fold.end * 39) + 1):
            axis[k] = "~"
    said = ", ".join(duration(f.seconds) for f in line.folds)
    lines += [f"{'':<25}└{''.join(axis).replace(' ', '─')}┘" + (f" ~ folded: {said}" if said else "")]
    lines += ["", f"graphrt-picture sha256:{chronicle.picture.digest}"]
    return "\n".join(lines) + "\n"
