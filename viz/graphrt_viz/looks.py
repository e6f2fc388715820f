"""How each kind of node and edge looks: shape, strokes and label, in one theme.

The only module that decides on appearance. It knows Graphviz's names of shapes and attributes, and no file format.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Final, TypeAlias

import msgspec
from msgspec.structs import replace

from graphrt_viz import story
from graphrt_viz.labels import Cell, Span, at_least, badge, bar, chip, exactly, gap, line, padded, row, stack
from graphrt_viz.theme import Shade
from graphrt_viz.wording import count, duration, plural, shorten, wrap

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from graphrt_viz.labels import Align
    from graphrt_viz.picture import NodeMark, PCluster, PEdge, Picture, PNode, Remark, Scale
    from graphrt_viz.theme import Theme

_WAITS: Final = " · WAITS"
TAGS: Final[Mapping[str, str]] = {
    "task": "TASK",
    "agent": "AGENT",
    "tool_agent": "AGENT + TOOLS",
    "router": "ROUTER",
    "ask": f"ASK{_WAITS}",
    "subgraph": "SUBGRAPH",
}
"""The word above a node's name."""
_FRAMED: Final[Mapping[str, str]] = {word: kind for kind, word in TAGS.items()}
"""The kind of a node that is drawn as a frame, by its word."""
_STATES: Final[Mapping[str, str]] = {
    "failed": "FAILED",
    "waiting": "WAITING",
    "running": "RUNNING",
    "unfinished": "UNFINISHED",
    "cancelled": "CANCELLED",
    "lost": "CUT OFF",
}
_NARROW: Final = 16
"""Characters of a name in a line where the shape grows faster than its label."""
_NAME, _WIDE, _TOOLS, _TOOLS_A_ROW, _BADGES = 28, 34, 6, 3, 3
_SUBTITLES: Final[Mapping[str, tuple[int, int]]] = {"router": (26, 1), "ask": (26, 2)}
"""Characters and lines of a subtitle in shapes that grow wide; elsewhere there is more room."""
_STRIPE: Final = 6
"""Points of a stripe of the bar that stands for time in failed attempts."""
_OWN: Final = 4
_OTHERS: Final = 8
"""Points between a label and the edge that it stands at the right of, and between it and others: it must be clear whose
it is."""
_RIM: Final = 10
"""Points between the label of an edge and the frame around it."""
_CENTRED: Final = frozenset({"router", "ask"})
BARS: Final = frozenset({"join", "fork"})


Room: TypeAlias = "Mapping[str, tuple[float, float]]"
"""Least sizes of labels, in points: by the id of a node or frame, by `e1`, `e2` … of an edge, and by `title`."""


class Look(msgspec.Struct, frozen=True):
    """Attributes for Graphviz, and the label."""

    attrs: Mapping[str, str]
    cell: Cell | None = None
    align: Align = "LEFT"

    def sized(self, room: tuple[float, float] | None) -> Cell | None:
        """Return the label in at least that much room; an empty one if there is room but nothing to say."""
        return self.cell if room is None else at_least(self.cell or gap(1), *room, self.align)


@dataclass(frozen=True, slots=True)
class Context:
    """What the look of a single node or edge depends on besides itself."""

    theme: Theme
    shows: str = "flow"
    down: bool = True
    """Whether the picture runs downwards, not to the right."""
    loops: frozenset[int] = frozenset()
    framed: frozenset[int] = frozenset()
    """Edges inside a frame."""
    low: frozenset[int] = frozenset()
    """Loops that stand below another one of their node."""
    into: Mapping[str, int] = field(default_factory=dict[str, int])
    """How many edges lead into each node."""
    retrying: frozenset[str] = frozenset()
    """Nodes with a loop on which failed attempts are shown."""
    nodes: Mapping[str, PNode] = field(default_factory=dict[str, "PNode"])
    room: Room = field(default_factory=dict[str, tuple[float, float]])
    painted: dict[object, tuple[Shade, Mapping[str, str]]] = field(
        default_factory=dict[object, "tuple[Shade, Mapping[str, str]]"]
    )
    """Shades and attributes of nodes that were asked for: most nodes of a picture share theirs."""
    kinds: Mapping[str, Shade] = field(init=False)
    """The shade of each kind of node."""

    def __post_init__(self) -> None:
        """Look the shades up once."""
        object.__setattr__(self, "kinds", self.theme.kinds)

    @property
    def run(self) -> bool:
        """Whether it is a run, or many: what was not reached is a ghost."""
        return self.shows in {"run", "heat"}


def context(picture: Picture, theme: Theme, loops: frozenset[int], *, down: bool, room: Room | None = None) -> Context:
    """Return what the looks of all nodes and edges of a picture have in common."""
    into: dict[str, int] = {}
    own: dict[str, list[int]] = {}
    for i, edge in enumerate(picture.edges):
        into[edge.target] = into.get(edge.target, 0) + 1
        if edge.source == edge.target:
            own.setdefault(edge.source, []).append(i)
    framed = frozenset(_framed(picture)) if picture.clusters else frozenset[int]()
    low = frozenset(i for found in own.values() for i in found[1:])
    retrying = frozenset(e.source for e in picture.edges if e.retry)
    nodes = {n.id: n for n in picture.nodes}
    return Context(theme, picture.shows, down, loops, framed, low, into, retrying, nodes, room or {})


def _framed(picture: Picture) -> Iterator[int]:
    """Yield the indices of the edges between two nodes of one frame."""
    frames = {n.id: n.cluster for n in picture.nodes}
    for i, edge in enumerate(picture.edges):
        frame = frames.get(edge.source)
        if frame is not None and frame == frames.get(edge.target):
            yield i


# ---- nodes


def node_look(node: PNode, ctx: Context) -> Look:
    """Return how a node looks."""
    ghost = _is_cold(node, ctx)
    shade, attrs = _painted(node, ctx, ghost=ghost)
    if node.kind == "start":
        return Look(attrs)
    if node.kind in BARS:
        return _bar_look(node, ctx, attrs, shade, ghost=ghost)
    if node.kind in {"end", "failure_end"}:
        return _end_look(node, ctx, attrs, shade, ghost=ghost)
    return _work_look(node, ctx, attrs, shade, ghost=ghost)


def _painted(node: PNode, ctx: Context, *, ghost: bool) -> tuple[Shade, Mapping[str, str]]:
    """Return the shade of a node and its attributes as far as they do not depend on its label."""
    status = node.mark.status if node.mark is not None else ""
    failed = node.mark is not None and node.mark.failed > 0
    caught = node.mark is not None and bool(node.mark.caught)
    key = node.kind, ghost, node.change, node.level, status, failed, caught
    if (known := ctx.painted.get(key)) is not None:
        return known
    theme = ctx.theme
    shade = theme.ghost if ghost else _compared_shade(node, theme) or ctx.kinds[node.kind]
    if node.mark is not None:
        shade = _failed_shade(node.mark, shade, theme)
    attrs = {"fillcolor": shade.fill, "color": shade.stroke, "style": "filled", "penwidth": "1.8" if ctx.run else "1.6"}
    if ghost:
        attrs |= {"style": "filled,dashed", "penwidth": "1.2"}
    elif node.change in {"removed", "second"}:
        attrs |= {"style": "filled,dashed", "penwidth": "2.2"}
    elif node.change in {"added", "changed", "first"}:
        attrs["penwidth"] = "2.2"
    elif node.change == "parted":
        attrs["penwidth"] = "3"
    elif status in {"cancelled", "lost", "unfinished"}:
        attrs["style"] = "filled,dotted"
    attrs |= _SHAPES.get(node.kind, {})
    if attrs.get("shape") == "box":
        attrs["style"] = attrs["style"].replace("filled", "filled,rounded")
    if node.kind == "ask" and not ghost:
        attrs["penwidth"] = "2.2" if ctx.run else "2"
    ctx.painted[key] = shade, attrs
    return shade, attrs


def _failed_shade(mark: NodeMark, shade: Shade, theme: Theme) -> Shade:
    """Return the shade of what failed; where other visits went well, that it failed shows at its rim alone.

    So does a failure that an edge caught, in the colour of what goes on.
    """
    if mark.caught:
        return Shade(theme.retry, shade.fill, shade.ink)
    if mark.status == "failed":
        return theme.bad
    return Shade(theme.bad.stroke, shade.fill, shade.ink) if mark.failed else shade


def _is_cold(part: PNode | PCluster, ctx: Context) -> bool:
    if ctx.shows == "heat":
        return part.level is None
    return part.mark is None if ctx.shows == "run" else part.change == "neither"


def _compared_shade(part: PNode | PEdge | PCluster, theme: Theme) -> Shade | None:
    """Return the shade of what is hot or differs; None if it is neither."""
    if part.level is not None:
        return theme.heat[part.level]
    match part.change:
        case "added":
            return theme.ok
        case "removed":
            return theme.bad
        case "changed" | "second":
            return theme.other
        case "first":
            return theme.agent
        case "both":
            return theme.task
        case "parted":
            return theme.ask
        case _:
            return None


def _bar_look(node: PNode, ctx: Context, attrs: Mapping[str, str], shade: Shade, *, ghost: bool) -> Look:
    long, across = ("width", "height") if ctx.down else ("height", "width")
    # Upright it is as thick as its name is wide, and would be a wall.
    least, share, most = (1.2, 0.6, 4.0) if ctx.down else (0.7, 0.35, 2.5)
    attrs = {**attrs, "shape": "box", long: f"{min(most, max(least, share * ctx.into.get(node.id, 0))):g}"}
    rest = [shorten(node.subtitle, 36)] if node.subtitle else []
    if node.mark is not None and node.mark.visits > 1:
        rest.append(f"×{count(node.mark.visits)}")
    if node.mark is not None and node.mark.status != "good":
        rest.append(story.STATUSES[node.mark.status])
    rest += story.compared(node)
    badges = _badges(node, ctx.theme)
    if not node.name and not rest and not badges:
        return Look(attrs | {across: "0.08", "fixedsize": "true"})
    attrs |= {"margin": "0.12,0.01", across: "0.2"}
    names = [line(Span(text, 9, shade.ink, bold=not ghost)) for text in wrap(node.name, 36 if ctx.down else 14, 2)]
    facts = [Span(" · ".join(rest), 9, shade.ink)] if rest else []
    if facts and ctx.down and len(names) == 1:
        names = [line(*names[0].spans, replace(facts[0], text=f"  {facts[0].text}"))]
    elif facts:
        names.append(line(*facts))
    cell = stack(*badges, *names, align="CENTER")
    return Look(attrs, cell, "CENTER")


def _end_look(node: PNode, ctx: Context, painted: Mapping[str, str], shade: Shade, *, ghost: bool) -> Look:
    attrs = dict(painted)
    lines = [line(Span(text, 10, shade.ink, bold=not ghost)) for text in wrap(node.name, 20, 2)] if node.name else []
    if node.subtitle:
        lines.append(line(Span(shorten(node.subtitle, 24), 9, shade.ink)))
    if node.mark is not None and node.mark.visits > 1:
        lines.append(line(Span(f"×{count(node.mark.visits)}", 9, shade.ink)))
    lines += [line(Span(shorten(text, 40), 9, shade.ink)) for text in story.compared(node)]
    lines = [*_badges(node, ctx.theme), *lines]
    cell = stack(*lines, align="CENTER") if lines else None
    if node.kind == "failure_end":
        return Look(attrs | {"shape": "doubleoctagon", "margin": "0.04,0.02"}, cell, "CENTER")
    if cell is None:
        return Look(attrs | {"shape": "doublecircle", "width": "0.2", "fixedsize": "true"})
    wide, high = ctx.room.get(node.id, (0.0, 0.0))
    if max(cell.w, wide) <= 32 and max(cell.h, high) <= 26:
        return Look(attrs | {"shape": "doublecircle", "width": "0.55", "fixedsize": "true"}, cell, "CENTER")
    return Look(attrs | {"shape": "ellipse", "peripheries": "2", "margin": "0.02,0.02"}, cell, "CENTER")


_SHAPES: Final[Mapping[str, Mapping[str, str]]] = {
    "start": {"shape": "circle", "width": "0.28", "fixedsize": "true"},
    "task": {"shape": "box"},
    "agent": {"shape": "box"},
    "tool_agent": {"shape": "box", "peripheries": "2"},
    "router": {"shape": "hexagon", "margin": "0.02,0.02"},
    "ask": {"shape": "octagon", "margin": "0,0", "height": "0.75"},
    "subgraph": {"shape": "folder"},
}


def _work_look(node: PNode, ctx: Context, attrs: Mapping[str, str], shade: Shade, *, ghost: bool) -> Look:
    theme, mark = ctx.theme, node.mark
    align: Align = "CENTER" if node.kind in _CENTRED else "LEFT"
    ink = shade.ink if ghost else theme.ink
    alarm = theme.bad.ink if mark is not None and mark.failed and not mark.caught else shade.ink
    facts = story.brief(mark, warned=False) if mark is not None else ""
    badges, word = _badges(node, theme), tag(node, run=ctx.run)
    cells = [line(Span(text, 13, ink, bold=not ghost)) for text in _name_lines(node)]
    if facts and node.tools:
        cells[-1] = line(*cells[-1].spans, Span("  " + facts, 10, shade.ink))
    elif facts:
        cells.append(line(Span(facts, 10, shade.ink)))
    if mark is not None and (lost := story.cut_off(mark)):
        cells.append(exactly(badge(line(Span(f"! {lost}, effect in doubt", 9, theme.on_path, bold=True)), theme.retry)))
    for note in node.notes:
        cells += [line(Span(text, 10, shade.ink)) for text in wrap(note, _WIDE + 6, 2)]
    if node.subtitle and ctx.shows == "flow":
        width, most = _SUBTITLES.get(node.kind, (_WIDE, 2))
        cells += [line(Span(text, 10, theme.muted)) for text in wrap(node.subtitle, width, most)]
    if mark is not None and mark.failures and node.id not in ctx.retrying:
        failed = f"{plural(mark.earlier + len(mark.failures), 'failed attempt')}: {mark.failures[-1].error}"
        cells += [line(Span(text, 9, theme.bad.ink)) for text in wrap(failed, _WIDE, 2)]
    if mark is not None and mark.error:
        cells += [line(Span(text, 10, alarm, mono=True)) for text in wrap(mark.error, _WIDE, 3)]
    if node.tools:
        cells += _tool_rows(node, theme, ghost=ghost)
    width = _SUBTITLES.get(node.kind, (_WIDE, 1))[0]
    cells += [line(Span(shorten(text, width), 9, shade.ink)) for text in story.guarded(node)]
    if mark is not None and mark.failed_s > 0 and mark.good_s > 0:
        room = max(c.w for c in (*badges, _tag_cell(word, alarm), *cells))
        cells.append(padded(_time_bar(mark, theme, ctx.kinds[node.kind], room), top=2))
    rows = [padded(c, top=1, bottom=1, align=align) for c in badges]
    rows.append(_tag_row(word, alarm, align))
    rows += [padded(c, top=1, bottom=1, align=align) for c in cells]
    return Look(attrs, stack(*rows, align=align), align)


def _name_lines(node: PNode) -> tuple[str, ...]:
    """Return the name of a node in lines; in a shape with pointed sides these are short, broken at `_` if need be."""
    if node.kind not in _CENTRED or len(node.name) <= _NARROW:
        return wrap(node.name, _NAME, 2)
    place = node.name.rfind("_", 0, _NARROW) + 1
    if " " in node.name or not place or len(node.name) - place > _NARROW:
        return wrap(node.name, _NARROW, 3) if " " in node.name else wrap(node.name, _NAME, 2)
    return tuple(line for part in (node.name[:place], node.name[place:]) for line in wrap(part, _NARROW, 1))


@lru_cache(256)
def _tag_cell(word: str, ink: str) -> Cell:
    """Return the word above a name; they are the same few in a whole picture."""
    return line(Span(word, 9, ink, bold=True))


@lru_cache(256)
def _tag_row(word: str, ink: str, align: Align) -> Cell:
    return padded(_tag_cell(word, ink), top=1, bottom=1, align=align)


def tag(node: PNode, *, run: bool) -> str:
    """Return the word above a node's name; in a run it also says what the node is up to."""
    word = shorten(node.tag, _WIDE) if node.tag else TAGS[node.kind]
    if node.change in story.CHANGES:
        return f"{word.removesuffix(_WAITS)} · {story.CHANGES[node.change]}"
    if not run:
        return word
    word = word.removesuffix(_WAITS)
    if node.mark is None:
        return word
    state = _state(node.mark) or ("ANSWERED" if node.kind == "ask" else "")
    return f"{word} · {state}" if state else word


def _state(mark: NodeMark) -> str:
    if story.is_caught(mark):
        return story.standing(mark).upper()
    return story.partly_failed(mark).upper() or _STATES.get(mark.status, "")


def _tool_rows(node: PNode, theme: Theme, *, ghost: bool) -> list[Cell]:
    used = {t.name: t for t in node.mark.tools} if node.mark is not None else {}
    chips: list[Cell] = []
    for name in node.tools[:_TOOLS]:
        mark = used.get(name)
        text = (
            shorten(name, 24)
            + story.asking(node, name)
            + (f" ×{count(mark.calls)}" if mark is not None and mark.calls else "")
        )
        text += f", {count(mark.failed)} failed" if mark is not None and mark.failed else ""
        shade = theme.ghost if ghost else theme.tools
        border = theme.bad.stroke if mark is not None and mark.failed else shade.stroke
        ink = theme.ghost.ink if ghost else theme.ink
        chips.append(chip(line(Span(text, 9, ink, mono=True)), border, theme.card))
    if len(node.tools) > _TOOLS:
        chips.append(line(Span(f"+{len(node.tools) - _TOOLS} more", 9, theme.ghost.ink if ghost else theme.muted)))
    rows: list[Cell] = []
    for i in range(0, len(chips), _TOOLS_A_ROW):
        parts = [part for c in chips[i : i + _TOOLS_A_ROW] for part in (gap(4), c)][1:]
        rows.append(padded(exactly(row(*parts)), top=3))
    return rows


def _time_bar(mark: NodeMark, theme: Theme, shade: Shade, room: float) -> Cell:
    whole = max(60.0, min(room, 190.0))
    bad = whole * mark.failed_s / (mark.good_s + mark.failed_s)
    stripes = max(1, round(bad / _STRIPE))  # so that failed and good time are told apart without colour too
    failed = [(bad / stripes - (1 if stripes > 1 else 0), theme.bad.stroke)] * stripes
    return bar([*failed, (whole - bad, shade.stroke)])


# ---- edges


def edge_look(index: int, edge: PEdge, ctx: Context) -> Look:
    """Return how an edge looks. `index` is its place among the edges of the picture."""
    look = _with_badges(edge, _edge_look(index, edge, ctx), ctx.theme)
    if look.cell is None:
        return look
    # Graphviz lets a frame end where the label does, and closer.
    cell = padded(look.cell, right=_RIM) if index in ctx.framed else look.cell
    if not ctx.down:  # Labels stand above their edges, not at their right.
        return replace(look, cell=padded(cell, bottom=6))
    if edge.source != edge.target:
        return replace(look, cell=cell)
    # Graphviz centres the label of a loop at the side of its node, where other edges leave: we lift or lower it.
    room = round(cell.h)
    return replace(look, cell=padded(cell, top=room) if index in ctx.low else padded(cell, bottom=room))


def _badges(part: PNode | PEdge | PCluster, theme: Theme) -> list[Cell]:
    """Return a row with a badge for each code that was remarked on a part; no row if there is none."""
    if not part.remarks:
        return []
    remarks = list({r.code: r for r in part.remarks}.values())
    shown = remarks if len(remarks) <= _BADGES else remarks[: _BADGES - 1]
    cells = [part for r in shown for part in (gap(3), _badge(r, theme))][1:]
    if len(shown) < len(remarks):
        cells += [gap(3), line(Span(f"+{len(remarks) - len(shown)}", 9, theme.bad.stroke, bold=True))]
    return [padded(exactly(row(*cells)), bottom=2)]


def _badge(remark: Remark, theme: Theme) -> Cell:
    """Return the code and the severity of a remark on a ground of its colour."""
    ground = theme.retry if remark.severity == "warning" else theme.bad.stroke
    return badge(line(Span(f"{shorten(remark.code, _NAME)} {remark.severity}", 9, theme.on_path, bold=True)), ground)


def _with_badges(edge: PEdge, look: Look, theme: Theme) -> Look:
    badges = _badges(edge, theme)
    if not badges:
        return look
    return replace(look, cell=row(gap(6), *badges, *([look.cell] if look.cell is not None else [])))


def _edge_look(index: int, edge: PEdge, ctx: Context) -> Look:
    if ctx.shows == "heat":
        return _ghost_edge(edge, ctx) if edge.level is None else _compared_edge(edge, ctx)
    if ctx.shows == "diff" and edge.change:
        return _ghost_edge(edge, ctx) if edge.change == "neither" else _compared_edge(edge, ctx)
    if ctx.run and not edge.retry:
        return _run_edge(edge, ctx)
    source = ctx.nodes.get(edge.source)
    if ctx.run:
        mark = source.mark if source is not None else None
        return _failure_loop(mark, ctx) if mark is not None and mark.failures else _ghost_edge(edge, ctx)
    return _flow_edge(index, edge, source, ctx)


def _stroke(edge: PEdge, colour: str, ctx: Context) -> dict[str, str]:
    """Colour an edge; one that starts many branches is a double line, one that forks begins at a bar."""
    source = ctx.nodes.get(edge.source)
    bar = source is not None and source.kind in BARS
    attrs = {"color": f"{colour}:{ctx.theme.background}:{colour}" if edge.each else colour}
    if edge.fork and not bar:
        attrs |= {"dir": "both", "arrowtail": "tee"}
    return attrs


def _flow_edge(index: int, edge: PEdge, source: PNode | None, ctx: Context) -> Look:
    theme = ctx.theme
    colour = theme.edge
    if edge.retry:
        colour = theme.retry
    elif edge.error:
        colour = theme.bad.stroke
    elif index in ctx.loops and source is not None and source.kind not in BARS:
        colour = ctx.kinds[source.kind].stroke
    attrs = _stroke(edge, colour, ctx) | {"penwidth": "1.4", "arrowsize": "0.75"}
    if edge.error or edge.otherwise:
        attrs["style"] = "dashed"
    rows = _condition(edge, theme.ink, theme.muted, mono_ink=theme.ink)
    if not rows:
        return Look(attrs)
    return Look(
        attrs,
        padded(chip(stack(*rows), theme.retry if edge.retry else theme.line, theme.card), left=_OWN, right=_OTHERS),
    )


def _condition(edge: PEdge, ink: str, muted: str, *, mono_ink: str) -> list[Cell]:
    """Return the lines `on [guard] / action`: what triggers an edge, what it does, how often it may."""
    if story.is_bare(edge):
        return []
    lines: list[list[Span]] = [[]]
    if edge.number is not None:
        lines[0].append(Span(f"{edge.number} ", 9, muted))
    if edge.each:
        text = wrap(f"each {edge.each}", _WIDE, 2)
        lines[0].append(Span(text[0], 10, ink, italic=True))
        lines += [[Span(t, 10, ink, italic=True)] for t in text[1:]]
    if edge.on:
        text = wrap(edge.on, _WIDE, 2)
        spaced = " " if edge.each else ""
        lines[-1].append(Span(spaced + text[0], 10, mono_ink, mono=edge.error or edge.retry))
        lines += [[Span(t, 10, mono_ink, mono=edge.error or edge.retry)] for t in text[1:]]
    if edge.guard:
        guard = f"[{edge.guard}]" if edge.on or edge.each else edge.guard
        text = wrap(guard, _WIDE, 3)
        fits = sum(len(s.text) for s in lines[-1]) + len(text[0]) <= _WIDE + 4
        if lines[-1] and not fits:
            lines.append([])
        lines[-1].append(Span((" " if lines[-1] and (edge.on or edge.each) else "") + text[0], 10, mono_ink, mono=True))
        lines += [[Span(t, 10, mono_ink, mono=True)] for t in text[1:]]
    if edge.otherwise and not edge.on and not edge.guard:
        lines[0].append(Span("otherwise", 10, muted, italic=True))
    _tail(edge, lines, muted)
    return [line(*spans) for spans in lines if spans]


def _tail(edge: PEdge, lines: list[list[Span]], muted: str) -> None:
    """Add the action and the bounds, on the same line if there is room."""
    used = sum(len(s.text) for s in lines[-1])
    if edge.action:
        text = wrap(f"/ {edge.action}", _WIDE, 2)
        if lines[-1] and used + len(text[0]) > _WIDE:
            lines.append([])
        lines[-1].append(Span((" " if lines[-1] else "") + text[0], 10, muted, mono=True))
        lines += [[Span(t, 10, muted, mono=True)] for t in text[1:]]
    if bounds := story.bounds(edge):
        lines[-1].append(Span(("  ·  " if lines[-1] else "") + " · ".join(bounds), 10, muted))


def _run_edge(edge: PEdge, ctx: Context) -> Look:
    theme, mark = ctx.theme, edge.mark
    if mark is None or not mark.taken:
        return _ghost_edge(edge, ctx)
    colour = theme.bad.stroke if edge.error else theme.path
    attrs = _stroke(edge, colour, ctx) | {"penwidth": "2.8" if not edge.each else "2", "arrowsize": "0.8"}
    rows = _condition(edge, theme.ink, theme.muted, mono_ink=theme.ink)
    values = wrap(story.values(mark), _WIDE, 2) if story.values(mark) else ()
    if values and not rows:
        rows = [line(Span(text, 10, theme.ink, mono=True)) for text in values]
    elif len(values) == 1 and len(rows) == 1 and sum(len(s.text) for s in rows[0].spans) + len(values[0]) <= _WIDE + 4:
        rows = [line(*rows[0].spans, Span("  " + values[0], 9, theme.muted))]
    else:
        rows += [line(Span(text, 9, theme.muted)) for text in values]
    parts: list[Cell] = []
    if number := story.crossings(mark):
        parts += [gap(5), badge(line(Span(number, 10, theme.on_path, bold=True)), colour)]
    if rows:
        parts += [gap(2 if parts else 5), chip(stack(*rows), colour, theme.card)]
    return Look(attrs, row(*parts, gap(_OTHERS))) if parts else Look(attrs)


def _compared_edge(edge: PEdge, ctx: Context) -> Look:
    """Draw an edge that is hot, or that differs: the hotter the thicker, what is gone or only the second's dashed."""
    theme = ctx.theme
    shade = _compared_shade(edge, theme) or theme.task
    attrs = _stroke(edge, shade.stroke, ctx) | {"penwidth": "2.4", "arrowsize": "0.8"}
    if edge.level is not None:
        attrs["penwidth"] = f"{heat_width(edge.level):.1f}"
    if edge.change in {"removed", "second"}:
        attrs["style"] = "dashed"
    rows = _condition(edge, theme.ink, theme.muted, mono_ink=theme.ink)
    rows += [line(Span(text, 9, theme.ink, bold=True)) for note in story.compared(edge) for text in wrap(note, 44, 3)]
    return (
        Look(attrs, padded(chip(stack(*rows), shade.stroke, theme.card), left=_OWN, right=_OTHERS))
        if rows
        else Look(attrs)
    )


def _ghost_edge(edge: PEdge, ctx: Context) -> Look:
    ghost = ctx.theme.ghost
    raised = edge.mark is not None and edge.mark.raised
    attrs = _stroke(edge, ctx.theme.bad.stroke if raised else ghost.stroke, ctx)
    attrs |= {"penwidth": "2" if raised else "1.1", "style": "dashed", "arrowsize": "0.65"}
    rows = _condition(edge, ghost.ink, ghost.ink, mono_ink=ghost.ink)
    if edge.mark is not None and edge.mark.reason:
        ink = ctx.theme.bad.ink if raised else ghost.ink
        rows += [
            line(Span(text, 9, ink, italic=True)) for text in wrap(edge.mark.reason, _WIDE + 6, 3 if raised else 2)
        ]
    return Look(attrs, padded(stack(*rows), left=_OWN, right=_OTHERS)) if rows else Look(attrs)


def _failure_loop(mark: NodeMark, ctx: Context) -> Look:
    """Draw the failed attempts of a node on its retry loop: the latest in words, all of them as a number."""
    theme, failures, last = ctx.theme, mark.failures, mark.failures[-1]
    many = mark.earlier + len(failures)
    attrs = {"color": theme.bad.stroke, "penwidth": "2.4", "arrowsize": "0.8"}
    steps = [f.step for f in failures if f.step]
    head = steps[0] if many == 1 and steps else f"×{count(many)}"
    what = f"attempt {last.attempt}" + (f" of {last.of}" if last.of else "") + " failed"
    if many > 1:
        what = f"{count(many)} attempts failed, the last: {what.removesuffix(' failed')}"
    if last.wait_s is not None:
        what += f" · again after {duration(last.wait_s)}"
    error = [line(Span(text, 10, theme.bad.ink, mono=True)) for text in wrap(last.error, _WIDE, 2)]
    notes = [line(Span(text, 9, theme.muted)) for text in wrap(what, 48, 2)]
    text = chip(stack(*error, *notes), theme.bad.stroke, theme.card)
    number = badge(line(Span(head, 10, theme.on_path, bold=True)), theme.bad.stroke)
    return Look(attrs, row(gap(5), number, gap(2), text, gap(_OTHERS)))


# ---- the rest


def cluster_look(cluster: PCluster, ctx: Context) -> Look:
    """Return how the frame around an opened subgraph looks."""
    theme = ctx.theme
    ghost = _is_cold(cluster, ctx)
    kind = _FRAMED.get(cluster.tag, "subgraph")
    shade = theme.ghost if ghost else _compared_shade(cluster, theme) or ctx.kinds[kind]
    word = shorten(cluster.tag, _WIDE) if cluster.tag else "SUBGRAPH"
    if cluster.mark is not None:
        word += f" · {state}" if (state := _state(cluster.mark)) else ""
        shade = _failed_shade(cluster.mark, shade, theme)
    alarm = theme.bad.ink if cluster.mark is not None and cluster.mark.failed and not cluster.mark.caught else shade.ink
    spans = [Span(word, 9, alarm, bold=True)]
    spans.append(Span("  " + shorten(cluster.name, 48), 12, shade.ink if ghost else theme.ink, bold=not ghost))
    if cluster.mark is not None and (facts := story.brief(cluster.mark)):
        spans.append(Span("  " + facts, 10, shade.ink))
    if said := " · ".join(story.compared(cluster)):
        spans.append(Span("  " + shorten(said, 80), 10, shade.ink))
    label = row(line(*spans), *[part for b in _badges(cluster, theme) for part in (gap(6), b)])
    style = "rounded,filled,dashed" if ghost else "rounded,filled"
    attrs = {
        "style": style,
        "color": theme.line if shade is theme.task and not cluster.change else shade.stroke,
        "fillcolor": theme.frame,
        "penwidth": "1.2",
    }
    return Look(attrs | {"labeljust": "l", "labelloc": "t", "margin": "20"}, label)


def title_cell(picture: Picture, theme: Theme) -> Cell:
    """Return the headline of a picture, with the remarks on the whole of it."""
    head = _headline(picture, theme)
    if picture.scales:
        return stack(head, *(padded(_scale(s, theme), bottom=3) for s in picture.scales), gap(1, 8))
    if not picture.remarks:
        return head
    rows = [
        row(_badge(r, theme), gap(4), line(Span(shorten(r.text, 110), 10, theme.ink)))
        for r in picture.remarks[:_BADGES]
    ]
    more = len(picture.remarks) - len(rows)
    rows += [line(Span(f"and {plural(more, 'more remark')} on the whole", 10, theme.muted))] if more else []
    return stack(head, *(padded(r, bottom=2) for r in rows), gap(1, 8))


def _scale(scale: Scale, theme: Theme) -> Cell:
    """Return a line that says what the colours mean: of nodes as boxes, of edges as strokes of their width."""
    parts = [line(Span(scale.title, 10, theme.muted))]
    for level, numbers in scale.steps:
        shade = theme.heat[level]
        sample = (
            chip(gap(12, 5), shade.stroke, shade.fill, pad=2)
            if scale.of == "node"
            else bar([(24, shade.stroke)], max(1, round(heat_width(level))))
        )
        parts += [gap(12), sample, gap(4), line(Span(numbers, 10, theme.ink))]
    return exactly(row(*parts))


def heat_width(level: int) -> float:
    """Return how thick an edge of a level is drawn, in points."""
    return 1.2 + 0.9 * level


def _headline(picture: Picture, theme: Theme) -> Cell:
    title = Span(shorten(picture.title, 60), 17, theme.ink, bold=True)
    if not picture.subtitle:
        return padded(line(title), bottom=10)
    subtitle = shorten(picture.subtitle, 120)
    if len(title.text) + len(subtitle) <= 100:
        return padded(line(title, Span("  " + subtitle, 12, theme.muted)), bottom=10)
    return padded(stack(line(title), line(Span(subtitle, 12, theme.muted))), bottom=10)
