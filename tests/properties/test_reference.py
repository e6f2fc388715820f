"""The runtime does what the executable model of its design does, graph by graph and visit by visit."""

from __future__ import annotations

import random
from typing import Any

from hypothesis import assume, event, given

from graphrt.commands import StartAttempt
from graphrt.events import VisitStarted
from graphrt.graph import Graph
from graphrt.openers import place_joins
from tests.driving import Driver, drawn, initial
from tests.properties.definition import plain
from tests.properties.reference import Conflict, Joints, NoRoute, NotAGraph, Run
from tests.strategies import BARE, ORDERS, Drawing, World, drawings, graphs, walk, worlds
from tests.strategies import run as by_hand

MOST = 120
"""Visits after which the model's patience ends: it folds the whole past at each."""
NOT_MODELLED = frozenset({"idle-cycle", "join-between", "join-partial-count"})
"""Shapes that the model runs, or runs for ever, and graphrt refuses."""


@given(drawings(BARE))
def test_the_same_graphs_are_refused(drawing: Drawing) -> None:
    """A graph is accepted by both or by neither, and both say the same of each join: its opener, and if it closes."""
    nodes = drawn(drawing.edges, nodes=drawing.nodes)
    placed, mistakes = place_joins(nodes, 0)
    codes = {m.code for m in mistakes}
    assume(not codes & NOT_MODELLED)
    try:
        found = Joints(nodes)
    except NotAGraph:
        found = None
    if found is None or codes:
        event("refused")
        assert found is None, "the model accepts it"
        assert codes, "graphrt accepts it"
        return
    event("joins" if found.joins else "no joins")
    for node in placed:
        if node.kind == "join":
            assert node.opener == found.opener[node.index]
            assert node.closes == (found.closing.get(node.opener) == node.index if node.opener is not None else False)


def _of_the_model(graph: Graph, world: World, order: int) -> Run | None:
    """Let the model run; None if it comes to an error."""
    start = initial(graph, {"items": list(world.items)})
    model = Run(graph, {f.name: f.decode_whole(start[f.name]) for f in graph.fields})
    rnd = random.Random(order)
    while model.ready:
        assume(len(model.visits) < MOST)
        visit = rnd.choice(model.ready)
        works = visit.node.kind == "task"
        try:
            model.complete(visit, world.writes(StartAttempt(visit.name, 1, visit.node, visit.state)) if works else {})
        except (Conflict, NoRoute) as error:
            event(type(error).__name__)
            return None
    assert model.state is not None, "nothing is ready, and the run has not ended"
    return model


class _Watching(Driver):
    """Remembers what each visit saw."""

    def __init__(self, graph: Graph) -> None:
        super().__init__(graph)
        self.saw: dict[str, dict[str, Any]] = {}

    def begin(self, visit: str) -> StartAttempt:
        """Begin an attempt."""
        command = super().begin(visit)
        self.saw[visit] = plain(self.graph, command.state)
        return command


@given(graphs(BARE), worlds(failing=(0,)), ORDERS, ORDERS)
def test_the_same_runs(graph: Graph, world: World, order: int, other: int) -> None:
    """In orders of their own, model and runtime visit the same nodes under the same ids, for the same causes.

    Each visit sees the same state, and both end with the same one, or both with an error.
    """
    model = _of_the_model(graph, world, order)
    if model is None:
        assert by_hand(graph, world, other).status == "failed"
        return
    driver = _Watching(graph)
    for _ in walk(driver, world, other):
        pass
    assert driver.status == "completed", driver.stepper.error
    visits = {v.name: (v.node.name, tuple(c.name for c in v.causes)) for v in model.visits}
    assert {e.visit: (e.node, e.causes) for e in driver.of(VisitStarted)} == visits
    saw = {v.name: plain(graph, v.state) for v in model.visits if v.name in driver.saw}
    assert driver.saw == saw
    assert model.state is not None
    assert driver.state == plain(graph, model.state)
