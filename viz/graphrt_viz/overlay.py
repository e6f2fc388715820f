"""A run on its graph: a trace in, the picture of its graph with marks out.

A trace alone is enough, no code of the flow is needed.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Final, Literal

from msgspec.structs import replace

from graphrt.account import Reader
from graphrt.trace import graph_of
from graphrt_viz.course import Course
from graphrt_viz.extract import picture_of
from graphrt_viz.picture import EdgeMark, NodeMark, ToolMark
from graphrt_viz.rereading import APART, Rereading
from graphrt_viz.tally import Tally, closed, count_record
from graphrt_viz.wording import count, duration, plural, spent

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from graphrt.told import Spent, Totals
    from graphrt.trace import Record, Trace
    from graphrt_viz.extract import Opened
    from graphrt_viz.picture import PEdge, Picture
    from graphrt_viz.tally import CountedVisit, EdgeTally, NodeTally

_MOST_FAILURES: Final = 20
_MOST_MARKS: Final = 5
"""Kinds of things that happened besides which are kept for a node."""
_MOST_STEPS: Final = 100
_SAME_TIME: Final = 0.01
_NO_TIME_S: Final = 0.0005


def picture_of_run(
    trace: Trace, *, opened: Opened = None, until: int | None = None, live: bool | None = None
) -> Picture:
    """Return the picture of a run.

    Args:
        trace: the run; it holds the graph. A run that went on under a changed definition is drawn on the changed one.
        opened: which nodes with a graph inside are drawn open; by default subgraphs.
        until: how many records to look at, for showing a run as it was; None for all.
        live: whether somebody drives the run now, which its trace cannot tell and its store can; None if it is not
            known. It matters only for a run that has not ended: one that nobody drives was cut off.

    Raises:
        KeyError, TypeError, ValueError: the trace does not hold the JSON form of a graph.
    """
    counted = _Counted(trace)
    for record in trace.records[:until]:
        counted.read(record)
    bare = picture_of(counted.tally.course.drawn, opened=opened)
    return counted.laid_on(bare, live=live if until is None else True)


class _Counted:
    """A run as far as its records were counted."""

    def __init__(self, trace: Trace) -> None:
        course = Course(trace)
        self.reader = Reader(trace.header, course.drawn, trace.records[0].at if trace.records else None)
        self.tally = Tally(course, self.reader.account, run=trace.header.run)

    def read(self, record: Record) -> None:
        self.reader.read(record)
        count_record(self.tally, record)

    def copied(self) -> _Counted:
        other = copy.copy(self)
        other.reader = self.reader.copied()
        other.tally = self.tally.copied(other.reader.account, self.reader.unsettled)
        return other

    def laid_on(self, bare: Picture, *, live: bool | None) -> Picture:
        with closed(self.tally, live=live):
            return _marked(bare, self.tally, self.reader.unsettled)


class RunPictures:
    """Draws a run as it was after so many records, for one who walks through it, as quickly wherever they go."""

    def __init__(self, trace: Trace, *, opened: Opened = None, apart: int = APART) -> None:
        """Take a trace as it is now; `opened` as in `picture_of_run`, `apart` as in `Rereading`."""
        self._records = len(trace.records)
        self._bare = picture_of(graph_of(trace), opened=opened)
        self._counted = Rereading(trace.records, _Counted(trace), apart)

    def until(self, records: int) -> Picture:
        """Return the picture of the run as it was when it had so many records; somebody drove it then."""
        return self._counted.at(min(records, self._records)).laid_on(self._bare, live=True)


def _headline(tally: Tally) -> str:
    course, totals = tally.course, tally.told.totals
    parts = [f"run {tally.run[:12]}", tally.status, plural(totals.visits, "visit")]
    parts += [tally.forked] if tally.forked else []
    parts += [
        f"definition {was[:7]} → {now[:7]} after step {step}"
        for (was, now), step in zip(course.changes, tally.changed_at, strict=True)
    ]
    parts += _times(totals)
    if abs(tally.busy_s - totals.driven_s) > _SAME_TIME * totals.driven_s and tally.busy_s > 0:
        parts.append(f"{duration(tally.busy_s)} busy")
    parts += _used(totals.spent)
    if tally.told.parents is not None and (before := _used(tally.told.parents.spent)):
        parts.append(f"of this the parent's: {', '.join(before)}")
    return " · ".join(parts)


def _used(known: Spent) -> list[str]:
    return spent(known.tokens, known.cost_usd, uncounted=known.uncounted > 0, unpriced=known.unpriced > 0)


def _times(totals: Totals) -> tuple[str, ...]:
    """Return how long a run took, in words; one that was driven all the time has its time on the wall."""
    if totals.idle_s < _NO_TIME_S:
        return (f"{duration(totals.driven_s)} wall",) if totals.driven_s > 0 else ()
    return f"{duration(totals.driven_s)} active", f"{duration(totals.idle_s)} idle"


def _marked(picture: Picture, tally: Tally, unsettled: Iterable[str]) -> Picture:
    apart: dict[str, list[CountedVisit]] = {}
    for visit in unsettled:
        if (known := tally.visits.get(visit)) is not None:
            apart.setdefault(known.ident, []).append(known)

    def mark_of(ident: str) -> NodeMark | None:
        return _node_mark(tally.nodes.get(ident), sorted(apart.get(ident, ()), key=lambda visit: visit.place))

    nodes = tuple(
        replace(n, mark=NodeMark() if n.kind == "start" and (n.id, -1) in tally.edges else mark_of(n.id))
        for n in picture.nodes
    )
    clusters = tuple(replace(c, mark=mark_of(c.id)) for c in picture.clusters)
    place: dict[str, int] = {}
    edges: list[PEdge] = []
    for e in picture.edges:
        if e.retry:
            edges.append(replace(e, mark=_loop_mark(tally.nodes.get(e.source))))
        elif e.source.endswith("//"):
            edges.append(replace(e, mark=_edge_mark(tally.edges.get((e.source, -1)))))
        else:
            index = place.get(e.source, 0)
            place[e.source] = index + 1
            edges.append(replace(e, mark=_edge_mark(tally.edges.get((e.source, index)))))
    return replace(
        picture,
        subtitle=_headline(tally),
        nodes=nodes,
        edges=tuple(edges),
        clusters=clusters,
        shows="run",
        status=tally.status,
    )


def _node_mark(tally: NodeTally | None, unsettled: Sequence[CountedVisit]) -> NodeMark | None:
    """Return what a run did at a node; visits that are not `unsettled` went well."""
    if tally is None:
        return None
    latest = tally.visits[-1]
    deciding = _deciding(tally.visits, unsettled)
    failed = [v for v in unsettled if v.status == "failed"]
    inside = latest.node.graph is not None
    known = tally.spent
    tokens = known.tokens if known.tokens or known.uses > known.uncounted else None
    cost_usd = round(known.cost_usd, 9) if known.uses > known.unpriced else None
    return NodeMark(
        status=deciding.status,
        visits=len(tally.visits),
        failed=len(failed),
        caught=_caught(failed),
        attempts=len(tally.visits) if inside else max(tally.attempts, len(tally.visits)),
        inside=tally.inside if tally.inside[0] > tally.inside[1] else None,
        failures=tuple(tally.failures[-_MOST_FAILURES:]),
        earlier=max(0, len(tally.failures) - _MOST_FAILURES),
        took_s=round(tally.took_s, 6),
        good_s=round(tally.good_s, 6),
        failed_s=round(tally.failed_s, 6),
        lost=tally.lost,
        waited_s=None if tally.waited_s is None else round(tally.waited_s, 6),
        tokens=tokens,
        cost_usd=cost_usd,
        uncounted=bool(tokens) and known.uncounted > 0,
        unpriced=bool(cost_usd) and known.unpriced > 0,
        outcome=latest.outcome,
        error=deciding.error or (failed[-1].error if failed else None),
        tools=tuple(ToolMark(name, calls, failed) for name, (calls, failed) in tally.tools.items()),
        marks=marks_text(tally.marks),
    )


def _caught(failed: Sequence[CountedVisit]) -> Literal["", "blocked", "failed"]:
    """Return how visits failed, if an edge caught the failure of each."""
    if not failed or not all(v.caught for v in failed):
        return ""
    return "blocked" if all(v.blocked for v in failed) else "failed"


def marks_text(counts: Mapping[str, int]) -> tuple[str, ...]:
    """Return what happened besides, with how often where that was more than once."""
    few = [text if times == 1 else f"{text} ×{count(times)}" for text, times in counts.items()]
    return tuple(few[:_MOST_MARKS]) + ((f"and {len(few) - _MOST_MARKS} more",) if len(few) > _MOST_MARKS else ())


def _deciding(visits: Sequence[CountedVisit], unsettled: Sequence[CountedVisit]) -> CountedVisit:
    """Return the visit that speaks for the node: a failure nobody caught, else one still open, else a good one."""
    latest: dict[str, CountedVisit] = {}
    for visit in unsettled:
        status = "caught" if visit.status == "failed" and visit.caught else visit.status
        latest["running" if status == "unfinished" else status] = visit
    for status in ("failed", "waiting", "lost", "running"):
        if status in latest:
            return latest[status]
    good = next((v for v in reversed(visits) if v.status == "good"), None)
    return good or latest.get("caught") or latest["cancelled"]


def _edge_mark(tally: EdgeTally | None) -> EdgeMark | None:
    if tally is None:
        return None
    reason = ""
    if not tally.taken and tally.reason:
        times = sum(tally.reasons.values())
        reason = tally.reason if times == 1 else f"{tally.reason} (last of {count(times)})"
    values = tally.values if tally.taken < 2 or not tally.values else f"last: {tally.values}"
    raised = tally.raised and not tally.taken
    return EdgeMark(tally.taken, tuple(tally.steps[:_MOST_STEPS]), values, reason, raised, tally.branches)


def _loop_mark(tally: NodeTally | None) -> EdgeMark | None:
    if tally is None or not tally.failures:
        return None
    return EdgeMark(len(tally.failures), tuple(f.step for f in tally.failures if f.step))
