"""Cycles: which of them nothing bounds, and which are their author's to judge."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import BaseModel

from graphrt import Agent, Flow, Limits, let
from graphrt.checks import check
from graphrt.checks.worst import worst


class Page(BaseModel):
    text: str = ""
    count: int = 0
    done: bool = False


def read(text: str) -> str:
    """Read on."""
    return text


def judge(text: str) -> bool:
    """Say whether it is enough."""
    return bool(text)


def codes(flow: Flow[Any]) -> dict[str, str]:
    """Return what is found about cycles and edges: code to message."""
    return {f.code: f.message for f in check(flow, ignore=("GR3",))}


def two(name: str = "two", limits: Limits | None = None) -> tuple[Flow[Page], Any, Any]:
    """Return a flow of two tasks, of which the second is the last."""
    flow = Flow(name, Page, limits=limits)
    first = flow.task(name="a", writes=flow.state.text)(read)
    second = flow.task(name="b", writes=flow.state.done)(judge)
    flow.start(first)
    flow.edge(first, second)
    return flow, first, second


def test_a_cycle_without_an_exit_is_found_whatever_is_selected() -> None:
    """Two nodes that lead to each other are found by a plain check."""
    flow, a, b = two()
    flow.edge(b, a)
    assert "no edge leaves the cycle a → b → a" in codes(flow)["GR103"]


def test_the_second_of_two_edges_without_a_condition_is_found() -> None:
    """Only the first is ever taken; the node that the second leads to is named."""
    flow, a, _ = two()
    flow.edge(a, flow.task(name="c", writes=flow.state.text)(read))
    assert "edge 2 ('a' -> 'c') is never taken: edge 1" in codes(flow)["GR202"]
    assert "so 'c' is never reached" in codes(flow)["GR202"]
    assert "to start both at once write flow.fork(a, [b, c])" in codes(flow)["GR202"]


def test_a_cycle_that_only_an_error_ends_has_no_bound() -> None:
    """A loop that runs until something fails has no end that anybody planned; limits of the flow are one."""
    for limits in (None, Limits(visits=20)):
        flow, a, b = two(limits=limits)
        flow.edge(b, a)
        flow.edge(b, flow.end("failed", failure=True), on=ValueError)
        assert ("GR105" in codes(flow)) is (limits is None)


def test_an_error_that_leads_back_goes_round_as_long_as_it_lasts() -> None:
    """Directly or by way of another node; with a bound, a condition, or a choice on the way it is a plan."""
    flow, a, b = two()
    flow.edge(b, flow.end("done"))
    flow.edge(a, a, on=ConnectionError)
    assert "as long as 'a' fails with ConnectionError, the run goes round a → a" in codes(flow)["GR105"]
    flow, a, b = two()
    flow.edge(b, flow.end("done"))
    flow.edge(b, a, on=ValueError)
    assert "as long as 'b' fails with ValueError, the run goes round b → a → b" in codes(flow)["GR105"]
    flow, a, b = two()
    flow.edge(b, flow.end("done"))
    flow.edge(a, a, on=ConnectionError, at_most=3)
    assert codes(flow) == {}
    flow, a, b = two()
    flow.edge(b, flow.end("done"))
    flow.edge(a, a, on=ConnectionError, when=flow.state.count < 3, set=let(flow.state.count).be(flow.state.count + 1))
    assert codes(flow) == {}


@pytest.mark.parametrize("by_model", [True, False])
def test_whether_a_cycle_ends_is_for_code_to_say_but_not_for_a_model_alone(by_model: bool) -> None:
    """A guard over a field that code writes anew in each round is a bound; over one that a model writes it is none."""
    flow = Flow("loop", Page)
    s = flow.state
    a = flow.task(name="a", writes=s.text)(read)
    b = flow.agent("b", Agent("Enough?"), reads=s.text, writes=s.done) if by_model else two()[2]
    if not by_model:
        b = flow.task(name="b", writes=s.done)(judge)
    flow.start(a)
    flow.edge(a, b)
    flow.edge(b, flow.end("done"), when=s.done)
    flow.edge(b, a)
    assert ("GR105" in codes(flow)) is by_model


def counting(when: Callable[[Any], Any], step: Callable[[Any], Any], **options: Any) -> Flow[Page]:
    """Return a flow whose only cycle is gone round under a guard, with a counter that moves by a step."""
    flow = Flow("counting", Page)
    s = flow.state
    first = flow.task(name="a", writes=s.text)(read)
    flow.start(first)
    flow.edge(first, first, when=when(s), set=let(s.count).be(step(s)), **options)
    flow.edge(first, flow.end("done"))
    return flow


COUNTED: list[tuple[Callable[[Any], Any], Callable[[Any], Any], float]] = [
    (lambda s: s.count < 3, lambda s: s.count + 1, 3),
    (lambda s: s.count <= 3, lambda s: s.count + 1, 4),
    (lambda s: (s.text == "") & (s.count < 5), lambda s: s.count + 2, 3),
    (lambda s: s.count > -3, lambda s: s.count - 1, 3),
    (lambda s: s.count < 0, lambda s: s.count + 1, 0),
    (lambda s: (s.text == "") | (s.count < 5), lambda s: s.count + 1, float("inf")),
    (lambda s: s.count < 3, lambda s: s.count * 2, float("inf")),
]


@pytest.mark.parametrize(("guard", "step", "rounds"), COUNTED)
def test_a_counter_in_a_guard_bounds_a_cycle(guard: Any, step: Any, rounds: float) -> None:
    """It is taken to begin at its default and to move by its steps; what is no counter bounds nothing."""
    assert worst(counting(guard, step).freeze(), "visits").most == 2 + rounds


def test_a_counter_that_something_else_sets_bounds_nothing() -> None:
    """Where another edge sets it back, it may begin anew."""
    again = Flow("again", Page)
    s = again.state
    a, b = again.task(name="a", writes=s.text)(read), again.task(name="b", writes=s.text)(read)
    again.start(a)
    again.edge(a, a, when=s.count < 3, set=let(s.count).be(s.count + 1))
    again.edge(a, b)
    again.edge(b, a, when=s.text == "more", set=let(s.count).be(0))
    again.edge(b, again.end("done"))
    assert worst(again.freeze(), "visits").most == float("inf")


RUNAWAY: list[tuple[Callable[[Any], Any], Callable[[Any], Any], str | None]] = [
    (lambda s: s.count < 3, lambda s: s.count - 1, "is left once count >= 3, but 'count' only falls in it"),
    (lambda s: s.count >= 0, lambda s: s.count + 1, "is left once count < 0, but 'count' only grows in it"),
    (lambda s: s.count < 3, lambda s: s.count + 1, None),
    (lambda s: (s.count < 3) & (s.text == ""), lambda s: s.count - 1, None),
]


@pytest.mark.parametrize(("guard", "step", "said"), RUNAWAY)
def test_a_counter_that_runs_the_wrong_way_is_found(guard: Any, step: Any, said: str | None) -> None:
    """A cycle that is left once a counter has grown, which only falls in it, is never left; another exit may open."""
    found = codes(counting(guard, step))
    assert ("GR104" in found) is (said is not None)
    assert said is None or said in found["GR104"]


def test_what_a_runaway_counter_is_said_to_do_happens() -> None:
    """The run goes round until its limit stops it, and ends at once where the counter begins beyond."""
    flow = counting(lambda s: s.count < 3, lambda s: s.count - 1)
    result = flow.run_sync(Page(), limits=Limits(visits=50))
    assert (result.status, result.error and result.error.type) == ("failed", "LimitReached")
    assert flow.run_sync(Page(count=3)).status == "completed"
