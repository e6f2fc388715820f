"""What holds after every input, whatever the run: the books of scopes, attempts, questions and timers balance."""

# The internals of the branches are what is looked at:
# pyright: reportPrivateUsage=false
from __future__ import annotations

from collections import Counter

from graphrt.branches import Branches
from graphrt.events import Joined, VisitCancelled, VisitCompleted, VisitFailed, VisitStarted, VisitWaiting
from graphrt.graph import Graph, Node
from graphrt.lines import Fan, Scope, Visit
from tests.driving import Driver


def frames(driver: Driver) -> list[Branches]:
    """Return the branches of all graphs that run: of the whole, and inside live visits."""
    stepper = driver.stepper
    assert stepper._root is not None
    return [stepper._root, *(v.inner for v in stepper._visits.values() if v.inner is not None)]


def tokens_add_up(driver: Driver) -> None:
    """Each scope holds a token for each thing that is live in it, and no more."""
    for frame in frames(driver):
        visits = list(frame.live.values())
        known: dict[int, Scope] = {id(frame.top): frame.top} | {id(s): s for s in frame.open}
        known |= {id(s): s for v in visits for s in v.line.scopes}
        for scope in known.values():
            expected = Counter(v.node.index for v in visits if scope in v.line.scopes)
            for inner in [*frame.open, frame.top]:
                if scope in inner.outer:
                    expected.update({j: len(arrivals) for j, arrivals in inner.parked.items()})
                    expected.update([inner.closing.index] if inner.closing is not None else [])
            for fan in frame.fans:
                if scope in fan.line.scopes:
                    expected.update({fan.target: len(fan.waiting)})
            assert scope.count == sum(expected.values()), f"scope of {scope.at!r} holds {scope.count}, not {expected}"
            if scope.nodes is not None:
                assert Counter(scope.nodes) == +expected
                assert scope.mask == sum(1 << i for i in +expected)
            if scope.members is not None:
                inside: set[Visit | Scope | Fan] = {m for m in visits if scope in m.line.scopes}
                inside |= {s for s in frame.open if scope in s.outer}
                inside |= {f for f in frame.fans if scope in f.line.scopes}
                assert set(scope.members) == inside


def books_balance(driver: Driver) -> None:
    """What the stepper says it waits for is what the driver has in hand."""
    stepper = driver.stepper
    assert stepper.attempts == {v: c.attempt for v, c in driver.running.items()}
    assert stepper.timers == driver.timers
    assert stepper._inside == sum(v.inner is not None for v in stepper._visits.values())
    ours = {*driver.ready, *driver.running, *(v for v, _ in driver.timers), *stepper.questions}
    if stepper.status in {"running", "suspended"}:
        inside = {v.id for v in stepper._visits.values() if v.inner is not None}
        assert ours | inside == set(stepper.visits), "something is live that waits for nothing"
    else:
        assert not ours, "something is left of a run that has ended"


def at_once_is_kept(driver: Driver) -> None:
    """No bounded fan-out has more branches under way than it may."""
    under_way: dict[tuple[str, int], set[str]] = {}
    for frame in frames(driver):
        for visit in frame.live.values():
            parts = visit.id.split(".")
            for i, part in enumerate(parts):
                edge, dash, item = part.partition("-")
                if dash and not edge.startswith("j") and "/" not in part:
                    under_way.setdefault((".".join(parts[:i]), int(edge)), set()).add(item)
    for (fork, index), items in under_way.items():
        each = _node(driver, fork).edges[index].each
        assert each is not None
        assert each.at_once is None or len(items) <= each.at_once, f"{len(items)} branches of {fork}.{index} at once"


def _node(driver: Driver, visit: str) -> Node:
    graph: Graph | None = driver.graph
    names = driver.visits
    parts = visit.split("/")
    for i in range(1, len(parts)):
        assert graph is not None
        graph = graph.by_name[names["/".join(parts[:i])]].graph
    assert graph is not None
    return graph.by_name[names[visit]]


def every_visit_ends_once(driver: Driver) -> None:
    """In a run that was never taken up again, each visit starts once and ends once, by what it came to."""
    started = Counter(e.visit for e in driver.of(VisitStarted))
    assert set(started.values()) <= {1}, "two visits have one id"
    ends = Counter(e.visit for e in driver.events if isinstance(e, (VisitCompleted, VisitFailed, VisitCancelled)))
    assert set(ends.values()) <= {1}, [v for v, n in ends.items() if n > 1]
    assert set(ends) <= set(started)
    if driver.status == "completed":
        assert set(ends) == set(started)
    assert {e.visit for e in driver.of(Joined)} | {e.visit for e in driver.of(VisitWaiting)} <= set(started)


def hold(driver: Driver) -> None:
    """All that has to hold at any time."""
    books_balance(driver)
    if driver.status in {"running", "suspended"}:
        tokens_add_up(driver)
        at_once_is_kept(driver)


def order_decided(driver: Driver) -> bool:
    """Tell whether order had a say although no join raced: a graph inside a node failed, and the node caught it.

    What else had ended in it by then, and which error was the first, depends on the order.
    """
    return any(f"{e.visit}/0" in driver.visits for e in driver.of(VisitFailed))
