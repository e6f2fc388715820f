"""Many runs on one definition: how often each way was gone, how long it took, what failed, what it cost.

Colour says how much; the number beside it says what. Runs of other definitions count where their nodes and edges are
those of the one that is drawn, and the picture says how many they are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, TypeVar, get_args

from msgspec.structs import replace

from graphrt.account import account
from graphrt.told import Spent, spent
from graphrt.trace import graph_of
from graphrt_viz import wording
from graphrt_viz.errors import PictureError
from graphrt_viz.extract import picture_of, start_of, step_into
from graphrt_viz.picture import PCluster, PNode, Scale
from graphrt_viz.story import condition
from graphrt_viz.wording import count, duration, money, plural

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from graphrt.graph import Edge, Graph
    from graphrt.told import Account, VisitAccount
    from graphrt.trace import Trace
    from graphrt_viz.extract import Opened
    from graphrt_viz.picture import PEdge, Picture

T = TypeVar("T", PNode, PCluster)
Measure: TypeAlias = Literal["visits", "time", "failures", "tokens", "cost"]
"""What makes a node hot."""
MEASURES: Final[tuple[str, ...]] = get_args(Measure)
_LEVELS: Final = 5
_TITLES: Final[Mapping[Measure, str]] = {
    "visits": "nodes, by visits",
    "time": "nodes, by the time of all visits",
    "failures": "nodes, by failures and failed attempts",
    "tokens": "nodes, by tokens",
    "cost": "nodes, by cost",
}


@dataclass(slots=True)
class NodeHeat:
    """What many runs did at a node.

    Failures and what was used inside a node count for it too; a failure that ended both counts once for each.
    """

    visits: int = 0
    runs: int = 0
    """In how many of the runs it was visited."""
    seconds: list[float] = field(default_factory=list[float])
    """How long each visit took: the time of its attempts, of a question the waiting, of a graph all inside."""
    waits: bool = False
    """Whether these are times of waiting for an answer, which make nothing hot."""
    failures: int = 0
    """Visits that failed for good, and calls of tools that went wrong, which the model was told."""
    failed_attempts: int = 0
    """Attempts that failed, those of failed visits included."""
    spent: Spent = field(default_factory=Spent)
    """Tokens and cost, as far as they are known."""

    def value(self, by: Measure) -> float:
        """Return the number by which it is coloured."""
        match by:
            case "visits":
                return self.visits
            case "time":
                return 0.0 if self.waits else sum(self.seconds)
            case "failures":
                return self.failed_attempts + self.failures
            case "tokens":
                return self.spent.tokens
            case "cost":
                return self.spent.cost_usd


@dataclass(slots=True)
class Heat:
    """Many runs, counted. A fork counts from where it went off: what was before is its parent's."""

    runs: int = 0
    other: int = 0
    """Of these, runs of another definition than the one that is drawn."""
    statuses: dict[str, int] = field(default_factory=dict[str, int])
    nodes: dict[str, NodeHeat] = field(default_factory=dict[str, NodeHeat])
    """By the id of the node in the picture."""
    edges: dict[tuple[str, ...], int] = field(default_factory=dict[tuple[str, ...], int])
    """How often each was crossed, by what makes an edge what it is."""
    spent: Spent = field(default_factory=Spent)


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least this share of all reaches not beyond (nearest rank).

    Raises:
        ValueError: there are no values.
    """
    if not values:
        raise ValueError("no values; a percentile needs at least one")
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def heat_of(traces: Iterable[Trace], graph: Graph) -> Heat:
    """Count what runs did at the nodes and edges of a definition."""
    heat = Heat()
    for trace in traces:
        told = account(trace)
        heat.runs += 1
        heat.other += told.digest != graph.digest
        heat.statuses[told.status] = heat.statuses.get(told.status, 0) + 1
        _count(heat, told)
    return heat


def _count(heat: Heat, told: Account) -> None:
    seen: set[str] = set()
    for visit in told.visits.values():
        if visit.parents is not None and visit.parents.whole:
            continue
        idents = _idents(visit)
        node = heat.nodes.setdefault(idents[-1], NodeHeat())
        node.visits += 1
        if (took_s := visit.own_took_s) is not None:
            node.seconds.append(took_s)
        node.waits = visit.node.kind == "ask"
        seen.add(idents[-1])
        _count_up(heat, told, visit, idents)
        path = idents[-2] if len(idents) > 1 else ""
        if not visit.causes and visit.parents is None:
            _cross(heat, ("", start_of(path)))
        for routed in visit.routed:
            if routed.taken:
                _cross(heat, _key_of(idents[-1], step_into(path, routed.target), routed.edge))
    for ident in seen:
        heat.nodes[ident].runs += 1


def _count_up(heat: Heat, told: Account, visit: VisitAccount, idents: Sequence[str]) -> None:
    """Count what went wrong at a visit, and what it used, for its node and for those around it."""
    attempts = visit.own_attempts
    failed_attempts = sum(a.error is not None for a in attempts)
    failed = visit.status == "failed" or visit.refused is not None
    used = sum((spent(a.usage) for a in attempts), Spent())
    heat.spent += used
    around = visit
    for ident in reversed(idents):
        node = heat.nodes.setdefault(ident, NodeHeat())
        node.failed_attempts += failed_attempts
        node.failures += failed and (around is visit or not _is_same_failure(visit, around))
        node.spent += used
        around = told.visits.get(around.id.rpartition("/")[0], around)


def _is_same_failure(inside: VisitAccount, around: VisitAccount) -> bool:
    """Say whether a visit failed by what failed inside it: then it counts as the failure of its own."""
    if inside.status != "failed" or inside.caught is not None or around.status != "failed":
        return False
    return around.error is None or around.error == inside.error


def _idents(visit: VisitAccount) -> list[str]:
    """Return the ids of the nodes around a visit and of its own, outermost first."""
    idents: list[str] = []
    for name in visit.path:
        idents.append(step_into(idents[-1] if idents else "", name))
    return idents


def _cross(heat: Heat, key: tuple[str, ...]) -> None:
    heat.edges[key] = heat.edges.get(key, 0) + 1


def _key(edge: PEdge) -> tuple[str, ...]:
    """Return what makes an edge what it is, also in another definition."""
    if edge.source.endswith("//"):
        return ("", edge.source)
    return (edge.source, edge.target, edge.on, edge.guard, edge.each, "error" if edge.error else "")


def _key_of(source: str, target: str, edge: Edge) -> tuple[str, ...]:
    """Return the same of an edge of a definition, which may be a former one whose nodes stood elsewhere."""
    on = edge.on if edge.on is not None else (edge.on_error or "").rpartition(".")[2]
    guard = edge.when.text if edge.when is not None else ""
    each = f"{edge.each.item} in {edge.each.of}" if edge.each is not None else ""
    return (source, target, on, guard, each, "error" if edge.on_error is not None else "")


def picture_of_heat(traces: Sequence[Trace], *, by: Measure = "time", opened: Opened = None) -> Picture:
    """Return the picture of many runs, on the definition of the last of them.

    Raises:
        PictureError: there are no runs.
    """
    if not traces:
        raise PictureError("no runs to draw; a heat map needs at least one")
    graph = graph_of(traces[-1])
    return hot(picture_of(graph, opened=opened), heat_of(traces, graph), by)


def edges_of(picture: Picture, heat: Heat) -> list[tuple[PEdge, str, int, str]]:
    """Return each edge of a definition with its condition, how often it was crossed, and the share of its source's."""
    return [
        (e, condition(e), number, _share(number, whole) if whole else "")
        for e, number, whole in _crossings(picture, heat)
        if not e.retry
    ]


def _crossings(picture: Picture, heat: Heat) -> list[tuple[PEdge, int, int]]:
    """Return each edge with how often it was crossed, and of how many times that it might have been.

    Of edges that are taken one instead of the other, those are all their crossings; an edge of a fork is taken beside
    its siblings, so it might have been at each visit of its source.
    """
    counts = [0 if e.retry else heat.edges.get(_key(e), 0) for e in picture.edges]
    leaving: dict[str, int] = {}
    for e, number in zip(picture.edges, counts, strict=True):
        leaving[e.source] = leaving.get(e.source, 0) + number
    visits = {ident: node.visits for ident, node in heat.nodes.items()}
    return [
        (e, number, visits.get(e.source, 0) if e.fork else leaving[e.source])
        for e, number in zip(picture.edges, counts, strict=True)
    ]


def hot(picture: Picture, heat: Heat, by: Measure = "time") -> Picture:
    """Return a picture of a definition with what many runs did."""
    shown = {n.id for n in picture.nodes} | {c.id for c in picture.clusters}
    most = max((h.value(by) for ident, h in heat.nodes.items() if ident in shown), default=0.0)
    starts = {e.source for e in picture.edges if heat.edges.get(_key(e))}
    nodes = tuple(
        replace(n, level=0) if n.id in starts and n.kind == "start" else _hot(n, heat, most, by) for n in picture.nodes
    )
    clusters = tuple(_hot(c, heat, most, by) for c in picture.clusters)
    crossings = _crossings(picture, heat)
    hottest = max((crossed for _, crossed, _ in crossings), default=0)
    edges: list[PEdge] = []
    for e, crossed, whole in crossings:
        number = heat.nodes[e.source].failed_attempts if e.retry and e.source in heat.nodes else crossed
        if not number:
            edges.append(replace(e, mark=None))
            continue
        share = f" · {_share(number, whole)}" if not e.retry and whole > number else ""
        text = f"{plural(number, 'failed attempt')}" if e.retry else f"×{count(number)}{share}"
        edges.append(replace(e, level=level_of(number, hottest), notes=(text,)))
    statuses = [f"{count(number)} {status}" for status, number in sorted(heat.statuses.items())]
    parts = [plural(heat.runs, "run"), *statuses, f"coloured by {by}"]
    parts += _used(heat.spent)
    if heat.other:
        parts.append(f"{count(heat.other)} of another definition")
    scales = [Scale("node", _TITLES[by], _steps(by, most))] if most > 0 else []
    scales += [Scale("edge", "ways, by how often they were gone", whole_steps(1, hottest))] if hottest else []
    return replace(
        picture,
        subtitle=" · ".join(parts),
        nodes=nodes,
        edges=tuple(edges),
        clusters=clusters,
        shows="heat",
        scales=tuple(scales),
    )


def _steps(by: Measure, most: float) -> tuple[tuple[int, str], ...]:
    """Return which values each level stands for, where the hottest node has `most`."""
    if by not in {"time", "cost"}:
        return whole_steps(1 if by == "visits" else 0, round(most))
    shown = duration if by == "time" else money
    ends = [most * (level + 1) / _LEVELS for level in range(_LEVELS)]
    return tuple((level, f"{'<' if level < _LEVELS - 1 else '≤'} {shown(end)}") for level, end in enumerate(ends))


def whole_steps(least: int, most: int) -> tuple[tuple[int, str], ...]:
    """Return which of the whole numbers from `least` on each level stands for; levels that none has are left out."""
    first: dict[int, int] = {}
    for level in range(_LEVELS):
        low = max(least, math.ceil(most * level / _LEVELS))
        if low <= most and level_of(low, most) == level:
            first[level] = low
    ends = [*[low - 1 for low in list(first.values())[1:]], most]
    return tuple(
        (level, count(low) if low == end else f"{count(low)}–{count(end)}")
        for (level, low), end in zip(first.items(), ends, strict=True)
    )


def _hot(part: T, heat: Heat, most: float, by: Measure) -> T:
    found = heat.nodes.get(part.id)
    if found is None or not found.visits:
        return part
    notes = [f"×{count(found.visits)} · in {_share(found.runs, heat.runs)} of runs"]
    if any(found.seconds):
        half, most_of_all = (duration(percentile(found.seconds, share)) for share in (0.5, 0.95))
        notes.append(f"{'waited ' if found.waits else ''}p50 {half} · p95 {most_of_all}")
    failed = [plural(found.failures, "failure")] if found.failures else []
    failed += [plural(found.failed_attempts, "failed attempt")] if found.failed_attempts else []
    notes += [", ".join(failed)] if failed else []
    notes += [" · ".join(used)] if (used := _used(found.spent)) else []
    return replace(part, level=level_of(found.value(by), most), notes=tuple(notes))


def _used(known: Spent) -> list[str]:
    return wording.spent(known.tokens, known.cost_usd, uncounted=known.uncounted > 0, unpriced=known.unpriced > 0)


def level_of(value: float, most: float) -> int:
    """Return the level of a value where the hottest has `most`."""
    return min(_LEVELS - 1, int(_LEVELS * value / most)) if most > 0 else 0


def _share(part: int, whole: int) -> str:
    """Return a share in per cent; never 0 % of something nor 100 % of not all."""
    if part == whole:
        return "100 %"
    return f"{min(99, max(1, round(100 * part / whole)))} %" if part else "0 %"
