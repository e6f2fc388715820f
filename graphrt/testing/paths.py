"""Saying which way a run has to take, and being told where it took another one, and why.

    assert_path(result, "triage", "billing", "approve")
    assert_path(result, "triage", ..., "approve")               # whatever lies between
    assert_path(result, "model", "tool", "results", "model", "answered", inside="billing")

Visits stand in their canonical order, which depends on no timing: of branches side by side the first one comes first,
as a whole, then the next one, then the join.
"""

from __future__ import annotations

import difflib
import re
from heapq import heappop, heappush
from types import EllipsisType
from typing import TYPE_CHECKING, Protocol, TypeAlias

from graphrt.account import account
from graphrt.errors import UseError
from graphrt.told import Account, VisitAccount, verdict_text
from graphrt.trace import Trace

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from graphrt.graph import Graph

Step: TypeAlias = "str | EllipsisType"
"""The name of a node, or ``...`` for any number of visits."""

_BEFORE = 8
"""How many visits before the difference are shown."""
_NUMBER = re.compile(r"\d+")


class _Run(Protocol):
    @property
    def trace(self) -> Trace: ...


def assert_path(run: _Run | Trace, *expected: Step, inside: str | None = None) -> None:
    """Check which nodes a run visited, in canonical order.

    Args:
        run: the result of a run, or a trace.
        expected: names of nodes; ``...`` stands for any number of visits.
        inside: look at the visits inside this one (an agent or a subflow), named as people see it: ``billing #2``.

    Raises:
        AssertionError: it went another way; says where, and why the edges before were taken or not.
        UseError: the flow has no such node, so that the test could never fail or never pass.
    """
    __tracebackhide__ = True
    told = account(run if isinstance(run, Trace) else run.trace)
    around, graph = _around(told, inside)
    visits = in_order(v for v in told.visits.values() if v.id.rpartition("/")[0] == around)
    _check_names(expected, graph)
    found = _parting([v.node.name for v in visits], expected)
    if found is not None:
        raise AssertionError(_difference(told, visits, *found))


def in_order(visits: Iterable[VisitAccount]) -> list[VisitAccount]:
    """Return the visits of one graph in canonical order: after their causes, ties by their ids."""
    known = {v.id: v for v in visits}
    waiting = {v.id: sum(c in known for c in v.causes) for v in known.values()}
    after: dict[str, list[str]] = {}
    for visit in known.values():
        for cause in visit.causes:
            after.setdefault(cause, []).append(visit.id)
    ready: list[tuple[list[int], str]] = []
    for ident, count in waiting.items():
        if not count:
            heappush(ready, (_key(ident), ident))
    out: list[VisitAccount] = []
    while ready:
        ident = heappop(ready)[1]
        out.append(known[ident])
        for following in after.get(ident, ()):
            waiting[following] -= 1
            if not waiting[following]:
                heappush(ready, (_key(following), following))
    return out


def _key(visit: str) -> list[int]:
    return [int(number) for number in _NUMBER.findall(visit.rpartition("/")[2])]


def _around(told: Account, inside: str | None) -> tuple[str, Graph]:
    if inside is None:
        return "", told.graph
    found = next((v for v in told.visits.values() if inside in {v.id, v.name} and v.node.graph is not None), None)
    if found is None or found.node.graph is None:
        names = ", ".join(v.name for v in told.visits.values() if v.node.graph is not None) or "none"
        raise UseError(f"run {told.run} has no visit {inside!r} with others inside; it has: {names}", run=told.run)
    return found.id, found.node.graph


def _check_names(expected: Sequence[Step], graph: Graph) -> None:
    for name in expected:
        if isinstance(name, str) and name not in graph.by_name:
            close = difflib.get_close_matches(name, graph.by_name, 1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            raise UseError(f"{graph.name!r} has no node {name!r}; its nodes are {', '.join(graph.by_name)}{hint}")


def _parting(names: Sequence[str], expected: Sequence[Step]) -> tuple[int, str] | None:
    """Return the visit that fits no more (or the number of visits) and what was expected there; None if all fit.

    With ``...`` the visits so far can have led to several places in ``expected``; what counts is how far one got.
    """

    def skipping(places: Iterable[int]) -> set[int]:
        """Return the places, and those behind an ellipsis that may stand for nothing."""
        todo, seen = list(places), set[int]()
        while todo:
            place = todo.pop()
            seen.add(place)
            if place < len(expected) and expected[place] is ...:
                todo.append(place + 1)
        return seen

    stuck: list[tuple[int, int]] = []
    places = skipping([0])
    for at, name in enumerate(names):
        following: set[int] = set()
        for place in places:
            step = expected[place] if place < len(expected) else None
            if step is ...:
                following.add(place)
            elif step == name:
                following.add(place + 1)
            else:
                stuck.append((place, at))
        places = skipping(following)
    if len(expected) in places:
        return None
    place, at = max([*stuck, *((place, len(names)) for place in places if expected[place] is not ...)])
    step = expected[place] if place < len(expected) else "the end"
    return at, str(step)


def _difference(told: Account, visits: list[VisitAccount], at: int, wanted: str) -> str:
    def lines() -> Iterator[str]:
        yield f"run {told.run} of {told.flow!r} took another way, at step {at + 1}: expected {wanted}"
        if (first := max(0, at - _BEFORE)) > 0:
            yield f"     … {first} steps before"
        for number, visit in enumerate(visits[first:at], first + 1):
            yield f"  {number:>3}  {visit.name}"
        here = visits[at] if at < len(visits) else None
        yield f"→ {at + 1:>3}  {here.name if here is not None else f'nothing more, the run is {told.status}'}"
        if len(visits) > at + 1:
            yield f"     … {len(visits) - at - 1} steps after"
        yield from _why(told, here, visits[at - 1] if at else None)

    return "\n".join(lines())


def _why(told: Account, here: VisitAccount | None, before: VisitAccount | None) -> Iterator[str]:
    """Yield why the edges of the visit that led here were taken or not."""
    left = told.visits.get(here.causes[0]) if here is not None and here.causes else before
    if left is None:
        return
    if left.error is not None:
        yield f"{left.name} failed with {left.error.type}: {left.error.message}"
    if left.routed:
        outcome = f" (outcome {left.outcome})" if left.outcome is not None else ""
        yield f"{left.name}{outcome} was left so:"
        yield from (f"     → {edge.target}: {verdict_text(edge)}" for edge in left.routed)
    if told.error is not None:
        yield f"the run failed with {told.error.type}: {told.error.message}"
