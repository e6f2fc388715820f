"""The visits of one run as a graph by their causes: each loop drawn out, forks and joins as they were.

A node is a visit, an edge leads from what caused it. What ran inside a node stands in a frame. It is a picture like
any other, so every format draws it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from graphrt_viz.picture import EdgeMark, Failure, NodeMark, PCluster, PEdge, Picture, PNode
from graphrt_viz.wording import plural, shorten

if TYPE_CHECKING:
    from collections.abc import Mapping

    from graphrt_viz.steps import Chronicle, Step

MOST_VISITS: Final = 500
"""Of a longer run the first so many are drawn: more than a reader follows, and a layout takes long."""


def unrolled(chronicle: Chronicle, *, most: int = MOST_VISITS) -> Picture:
    """Return the visits of a run by their causes; of more than `most` the first, and the picture says so."""
    visits: dict[str, list[Step]] = {}
    for step in chronicle.steps:
        if step.what != "arrival":
            visits.setdefault(step.visit, []).append(step)
    kept = dict(list(visits.items())[:most])
    arrivals = {(s.visit, s.ident): _number(s) for s in chronicle.steps if s.what == "arrival"}
    around = {outer for visit in kept if (outer := visit.rpartition("/")[0]) in kept}
    inside: dict[str, list[Step]] = {}
    for step in chronicle.steps:
        outer = step.visit
        while outer := outer.rpartition("/")[0]:
            inside.setdefault(outer, []).append(step)
    nodes = [PNode("//", "start", mark=NodeMark())] if kept else []
    clusters: list[PCluster] = []
    edges: list[PEdge] = []
    for visit, steps in kept.items():
        frame = visit.rpartition("/")[0] or None
        if visit in around:
            tag = {"agent": "AGENT", "tool_agent": "AGENT + TOOLS", "router": "ROUTER"}.get(steps[0].kind, "SUBGRAPH")
            clusters.append(PCluster(visit, steps[0].name, tag, frame, _tooltip(steps), _mark(steps, inside[visit])))
        else:
            nodes.append(PNode(visit, steps[0].kind, steps[0].name, "", "", (), frame, _tooltip(steps), _mark(steps)))
        edges += _edges(chronicle, steps[0], kept, arrivals)
    subtitle = chronicle.picture.subtitle.replace("run ", "unrolled run ", 1)
    if len(kept) < len(visits):
        subtitle += f" · the first {plural(len(kept), 'visit')} of {len(visits)}"
    return Picture(chronicle.flow, subtitle, tuple(nodes), tuple(edges), tuple(clusters), "run", chronicle.status)


def _number(step: Step) -> tuple[str, ...]:
    """Return the number of the crossing that led to a step; nothing if none did."""
    around, slash, own = step.label.rpartition("/")
    head = own.split(".")[0]
    return (around + slash + head,) if head.isdigit() else ()


def _tooltip(steps: list[Step]) -> str:
    last = steps[-1]
    said = [f"{last.name} (visit {last.visit})", f"step {', '.join(s.label for s in steps)}"]
    said += [f"item: {last.item}"] if last.item else []
    said += [f"{name} = {shorten(value, 200)}" for name, value in last.wrote.items()]
    return "\n".join(said + [f"{name} + {shorten(value, 200)}" for name, value in last.added.items()])


def _mark(own: list[Step], inside: list[Step] | None = None) -> NodeMark:
    """Return what became of a visit; of one with a graph inside it, with the sums of what ran there."""
    last = own[-1]
    steps = [*own, *(inside or ())]
    tokens = [s.tokens for s in steps if s.tokens is not None]
    costs = [s.cost_usd for s in steps if s.cost_usd is not None]
    made = [s.visit for s in inside or () if s.what == "attempt"]
    visits = len(set(made))
    return NodeMark(
        last.status,
        attempts=len(own),
        inside=(len(made), visits) if len(made) > visits else None,
        failures=tuple(Failure(s.attempt, s.error or "") for s in own if s.retried),
        lost=sum(s.status == "lost" for s in own),
        took_s=round(last.took_s, 6),
        good_s=round(sum(s.busy_s or 0.0 for s in steps if s.status == "good"), 6),
        failed_s=round(sum(s.busy_s or 0.0 for s in steps if s.status == "failed"), 6),
        waited_s=round((last.ended or last.started) - last.started, 6) if last.kind == "ask" else None,
        tokens=sum(tokens) if tokens else None,
        cost_usd=round(sum(costs), 9) if costs else None,
        uncounted=sum(tokens) > 0 and any(s.uncounted for s in steps),
        unpriced=sum(costs) > 0 and any(s.unpriced for s in steps),
        marks=tuple(dict.fromkeys(mark for s in steps for mark in s.marks)),
        outcome=last.outcome,
        error=last.error if last.status == "failed" else None,
    )


def _edges(
    chronicle: Chronicle,
    first: Step,
    kept: Mapping[str, list[Step]],
    arrivals: Mapping[tuple[str, str], tuple[str, ...]],
) -> list[PEdge]:
    """Return the edges into a visit, with their numbers and what the guard of the crossing read."""
    numbers = _number(first)
    item = f"item = {shorten(first.item, 60)}" if first.item else ""
    causes = list(dict.fromkeys(chronicle.steps[place].visit for place in first.causes))
    edges: list[PEdge] = []
    for cause in causes:
        if cause not in kept or first.visit.startswith(f"{cause}/"):  # the frame says what the first inside follows
            continue
        taken = [x for x in kept[cause][-1].exits if x.result == "taken" and x.edge in first.via]
        mark = EdgeMark(1, arrivals.get((cause, first.ident), numbers), item or (taken[0].reason if taken else ""))
        known = chronicle.picture.edges[taken[0].edge] if taken and taken[0].edge is not None else None
        if known is not None:
            edges.append(replace(known, source=cause, target=first.visit, mark=mark, fork=False))
        else:
            edges.append(PEdge(cause, first.visit, guard=taken[0].condition if taken else "", mark=mark))
    return edges or ([] if "/" in first.visit else [PEdge("//", first.visit, mark=EdgeMark(1, numbers))])
