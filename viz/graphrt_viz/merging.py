"""Several nodes, or several edges, drawn as one: what they have in common, and the sums of what happened at them.

The one that is drawn has the name of the one that there is most to say of: that fared worst, is hottest, or differs.
So no failure is hidden behind what went well.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final, Literal, TypeVar

from msgspec.structs import replace

from graphrt_viz import story
from graphrt_viz.picture import EdgeMark, NodeMark, PEdge, ToolMark
from graphrt_viz.wording import count, plural

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from graphrt_viz.picture import Change, Picture, PNode, Status

T = TypeVar("T")
N = TypeVar("N", int, float)
_WORST_FIRST: Final[tuple[Status, ...]] = (
    "failed", "waiting", "lost", "running", "unfinished", "good", "cancelled",
)  # fmt: skip
_SIDES: Final[frozenset[Change]] = frozenset({"first", "second", "both", "parted", "neither"})


def one_node(alike: Sequence[PNode], shows: str) -> PNode:
    """Return the node that is drawn for several; its text says how many they are, and how many of them were visited."""
    face = min(alike, key=_rank)
    marks = [n.mark for n in alike if n.mark is not None]
    text = f"and {count(len(alike) - 1)} more like it"
    if shows == "run" and 0 < len(marks) < len(alike):
        text += f", {count(len(marks))} of {count(len(alike))} visited"
    merged = replace(
        face,
        id=alike[0].id,
        tag=common([n.tag for n in alike], ""),
        tools=common([n.tools for n in alike], ()),
        asks=common([n.asks for n in alike], ()),
        asks_some=common([n.asks_some for n in alike], ()),
        guards=common([n.guards for n in alike], ()),
        tooltip="",
        mark=one_node_mark(marks),
        change=one_change([n.change for n in alike]),
        level=hottest(n.level for n in alike),
        notes=face.notes if shows == "heat" else changes_text(n.change for n in alike),
        remarks=_each_once(r for n in alike for r in n.remarks),
    )
    return with_text(merged, text, shows)


def with_text(node: PNode, text: str, shows: str) -> PNode:
    """Return a node that says what it stands for: where the line below its name, or, but for a flow, its notes are."""
    return replace(node, subtitle=text) if shows == "flow" else replace(node, subtitle="", notes=(text, *node.notes))


def one_edge(alike: Sequence[PEdge], source: str, target: str) -> PEdge:
    """Return the edge that is drawn for several between the same two nodes, with their number."""
    return PEdge(
        source,
        target,
        guard=plural(len(alike), "edge"),
        fork=all(e.fork for e in alike),
        otherwise=all(e.otherwise for e in alike),
        error=all(e.error for e in alike),
        retry=all(e.retry for e in alike),
        mark=_one_edge_mark([e.mark for e in alike if e.mark is not None]),
        change=one_change([e.change for e in alike]),
        level=hottest(e.level for e in alike),
        notes=changes_text(e.change for e in alike),
        remarks=_each_once(r for e in alike for r in e.remarks),
    )


def whole_mark(picture: Picture) -> NodeMark | None:
    """Return what a run did at all nodes of a picture in which no frame is open, together; None if it shows no run."""
    marks = [n.mark for n in picture.nodes if n.mark is not None and n.kind != "start"]
    return one_node_mark(marks) if picture.shows == "run" else None


def one_node_mark(marks: Sequence[NodeMark]) -> NodeMark | None:
    """Return the worst status and the sums of several marks; None if there are none."""
    if len(marks) < 2:
        return marks[0] if marks else None
    worst = min(marks, key=lambda mark: _WORST_FIRST.index(mark.status))
    return replace(
        worst,
        visits=sum(m.visits for m in marks),
        failed=sum(m.failed for m in marks),
        caught=_one_caught(marks),
        attempts=sum(m.attempts for m in marks),
        inside=_one_inside(marks),
        failures=tuple(f for m in marks for f in m.failures),
        earlier=sum(m.earlier for m in marks),
        took_s=round(sum(m.took_s for m in marks), 6),
        good_s=round(sum(m.good_s for m in marks), 6),
        failed_s=round(sum(m.failed_s for m in marks), 6),
        lost=sum(m.lost for m in marks),
        waited_s=known_sum(m.waited_s for m in marks),
        tokens=known_sum(m.tokens for m in marks),
        cost_usd=known_sum(m.cost_usd for m in marks),
        uncounted=any(m.uncounted for m in marks),
        unpriced=any(m.unpriced for m in marks),
        outcome=common([m.outcome for m in marks], None),
        error=worst.error or next((m.error for m in marks if m.error), None),
        tools=_one_use(t for m in marks for t in m.tools),
        marks=tuple(text for m in marks for text in m.marks),
    )


def _one_caught(marks: Sequence[NodeMark]) -> Literal["", "blocked", "failed"]:
    """Return how several nodes failed, if an edge caught the failure of each."""
    kinds = {m.caught for m in marks if m.failed or m.status == "failed"}
    return "" if not kinds or "" in kinds else "blocked" if kinds == {"blocked"} else "failed"


def _one_inside(marks: Sequence[NodeMark]) -> tuple[int, int] | None:
    pairs = [m.inside for m in marks if m.inside is not None]
    return (sum(made for made, _ in pairs), sum(visits for _, visits in pairs)) if pairs else None


def _one_edge_mark(marks: Sequence[EdgeMark]) -> EdgeMark | None:
    """Return the sums of several edges; steps and values only where they are those of one alone."""
    if len(marks) < 2:
        return marks[0] if marks else None
    taken = [m for m in marks if m.taken]
    raised = [m for m in marks if m.raised]
    told = taken[0] if len(taken) == 1 else None
    reason = raised[0].reason if raised else "" if taken else common([m.reason for m in marks], "")
    return EdgeMark(
        taken=sum(m.taken for m in taken),
        steps=told.steps if told is not None else (),
        values=told.values if told is not None else "",
        reason=reason,
        raised=bool(raised),
        branches=known_sum(m.branches for m in marks),
    )


def one_change(changes: Sequence[Change]) -> Change:
    """Return how what is drawn as one differs: as all of it does, or, where that is not one thing, what it is of both.

    Of definitions that is `changed`; of runs `parted` where one is, else `both`, or the side that was part of it.
    """
    kinds = set(changes)
    if len(kinds) == 1:
        return changes[0]
    if not kinds & _SIDES:
        return "changed"
    sides: set[Change] = kinds - {"neither", ""}
    if "parted" in sides:
        return "parted"
    return next(iter(sides)) if len(sides) == 1 else "both"


def changes_text(changes: Iterable[Change]) -> tuple[str, ...]:
    """Return how many of the parts of a comparison are what (`2 new, 1 changed`); nothing if all are the same."""
    found = Counter(changes)
    words = ((story.CHANGES.get(change, change).lower(), number) for change, number in found.items())
    known = [f"{count(number)} {word}" for word, number in words if word not in {"", "neither"}]
    return (", ".join(known),) if known and len(found) > 1 else ()


def hottest(levels: Iterable[int | None]) -> int | None:
    """Return the highest level; None if all are cold."""
    return max((level for level in levels if level is not None), default=None)


def common(values: Sequence[T], otherwise: T) -> T:
    """Return what all values are; `otherwise` if they differ."""
    return values[0] if all(v == values[0] for v in values) else otherwise


def known_sum(values: Iterable[N | None]) -> N | None:
    """Return the sum of the numbers that are known; None if none is."""
    known = [v for v in values if v is not None]
    return sum(known[1:], known[0]) if known else None


def _rank(node: PNode) -> tuple[int, int, bool]:
    """Return a key by which nodes of which there is most to say come first."""
    fared = len(_WORST_FIRST) if node.mark is None else _WORST_FIRST.index(node.mark.status)
    return fared, 0 if node.level is None else -1 - node.level, node.change in {"", "neither"}


def _each_once(parts: Iterable[T]) -> tuple[T, ...]:
    return tuple(dict.fromkeys(parts))


def _one_use(tools: Iterable[ToolMark]) -> tuple[ToolMark, ...]:
    found: dict[str, ToolMark] = {}
    for t in tools:
        known = found.get(t.name)
        found[t.name] = t if known is None else ToolMark(t.name, known.calls + t.calls, known.failed + t.failed)
    return tuple(found.values())
