"""The driver itself on random graphs, in worlds in which its process dies again and again."""

from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import assume, event, given, reject
from hypothesis import strategies as st

from graphrt.events import AttemptLost, Routed, VisitCompleted, VisitStarted
from graphrt.fields import plain
from graphrt.graph import Graph
from graphrt.inputs import AttemptStarted
from graphrt.replay import fold, verify
from graphrt.runtime import Options, Result, answer, resume, run
from graphrt.testing.clock import ManualClock
from graphrt.trace import Trace
from tests.driving import State
from tests.faults.worlds import RUN, Crash, Crashing, Effects, alive
from tests.strategies import PLAIN, RACING, Kinds, TooLong, World, graphs, worlds
from tests.strategies import run as by_hand

MOST = 60
"""Times that a run is taken up at most."""
CALM = Kinds(errors=False)
DEATHS = st.lists(st.tuples(st.integers(0, 6), st.booleans()), max_size=5)


class Lived:
    """A run through all that happens to it, and what is left of it."""

    def __init__(self, graph: Graph, world: World, deaths: list[tuple[int, bool]]) -> None:
        self.store = Crashing(deaths)
        self.effects = Effects(world, self.store)
        self.world = world
        self.graph = alive(graph, self.effects)
        self.clock = ManualClock()
        self.died = 0

    async def live(self) -> Result[Any]:
        """Drive the run to its end: after a crash it is taken up again, questions are answered."""
        begun = False
        for _ in range(MOST):
            options: Options = {"store": self.store, "run_id": RUN, "seed": 1, "clock": self.clock}
            if begun:
                driving = asyncio.ensure_future(resume(self.store, RUN, self.graph, clock=self.clock))
            else:
                driving = asyncio.ensure_future(run(self.graph, State(items=list(self.world.items)), **options))
            try:
                await self.clock.run_out(driving)
                result = driving.result()
            except Crash:
                self.died += 1
                begun = next(iter(self.store.records(RUN)), None) is not None
                if begun and fold(self.trace).status == "completed":
                    return Result(fold(self.trace, self.graph), self.store, self.graph.state_type, None)
                continue
            begun = True
            if result.status != "suspended":
                return result
            for question in result.questions:
                value = self.world.answer(question.visit, question.answers)
                await answer(self.store, RUN, question.visit, value, graph=self.graph)
        raise TooLong

    @property
    def trace(self) -> Trace:
        """Its trace."""
        return self.store.trace(RUN)


def state_of(result: Result[Any]) -> dict[str, Any] | None:
    """Return the final state as plain values; None of a run that did not complete."""
    return None if result._state is None else {name: plain(value) for name, value in result._state.items()}


def outcome(result: Result[Any], trace: Trace) -> tuple[Any, ...]:
    """Return what a run comes to, however often it was interrupted."""
    events = trace.events()
    visits = {(e.visit, e.node, e.causes) for e in events if isinstance(e, VisitStarted)}
    completed = {(e.visit, e.outcome, repr(e.writes)) for e in events if isinstance(e, VisitCompleted)}
    routed = {repr(e) for e in events if isinstance(e, Routed)}
    return result.status, state_of(result), visits, completed, routed


def whole(lived: Lived) -> Result[Any]:
    """Live through a run; check what holds for every trace."""
    try:
        result = asyncio.run(lived.live())
    except TooLong:
        reject()
    trace = lived.trace
    assert [r.seq for r in trace.records] == list(range(len(trace.records)))
    assert verify(trace, lived.graph) is None
    return result


@given(graphs(CALM) | graphs(PLAIN), worlds(), DEATHS)
def test_dies_and_lives_again(graph: Graph, world: World, deaths: list[tuple[int, bool]]) -> None:
    """However often the process dies, the run ends as it would have; no recorded result is produced again.

    That nothing is done before it is on record, nor done twice, is checked at each call.
    """
    calm, torn = Lived(graph, world, []), Lived(graph, world, deaths)
    expected = whole(calm)
    assume(expected.status == "completed")
    result = whole(torn)
    event(f"died {torn.died} times")
    if not any(e.error for e in calm.trace.events() if isinstance(e, Routed)):
        assert outcome(result, torn.trace) == outcome(expected, calm.trace)
    started: dict[str, int] = {}
    for record in torn.trace.records:
        if isinstance(record.input, AttemptStarted):
            started[record.input.visit] = record.input.attempt
    lost = [(e.visit, e.attempt) for e in torn.trace.events() if isinstance(e, AttemptLost)]
    assert len(set(lost)) == len(lost)
    assert all(torn.effects.calls[visit] <= count for visit, count in started.items())


@given(graphs(RACING), worlds(failing=(0,)), DEATHS)
def test_races_survive_too(graph: Graph, world: World, deaths: list[tuple[int, bool]]) -> None:
    """Who wins a race may change when the process dies; that there is one winner, on record, does not."""
    result = whole(Lived(graph, world, deaths))
    assert result.status in {"completed", "failed"}


@given(graphs(PLAIN), worlds())
def test_the_driver_agrees_with_the_stepper(graph: Graph, world: World) -> None:
    """The same graph in the same world ends the same, driven by asyncio or by hand."""
    lived = Lived(graph, world, [])
    result = whole(lived)
    other = by_hand(graph, world, 0)
    if result.status == other.status == "completed" and not any(
        e.error for e in lived.trace.events() if isinstance(e, Routed)
    ):
        assert {(e.visit, e.node, e.causes) for e in other.of(VisitStarted)} == outcome(result, lived.trace)[2]
        assert state_of(result) == other.state
